"""An application that goes on writing while tables are swapped under it: it waits, and nothing it wrote is lost.

MariaDB renames no table under its locks, so statements that wait for them may come in between, on the old table and
without its trigger: these are listed.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest

from runbook_lib.bringback.copy import (
    CopiedBack,
    CopyChoices,
    apply_copy_back,
    apply_undo,
    propose_copy_back,
    propose_undo,
)
from runbook_lib.errors import RunbookError
from tests.copying import NOW, ROOMS, Estate
from tests.matrix import release, thorough
from tests.test_bringback_copy_killed import run_apart

FIRST = 1000


@dataclass
class Writers:
    """Connections that write as fast as the server answers, each row with a number of its own.

    `told` are the numbers whose write was acknowledged, by writer; `failed` what a writer was refused.
    """

    estate: Estate
    told: dict[str, list[int]] = field(default_factory=lambda: {"contract": [], "other": [], "rent": []})
    failed: list[str] = field(default_factory=list)
    longest: float = 0.0
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Writers:
        statements = {
            "contract": "INSERT INTO letting.contracts (id, room_id, tenant) VALUES (2 * {0}, 1, 'since')",
            "other": "INSERT INTO letting.contracts (id, room_id, tenant) VALUES (2 * {0} + 1, 2, 'since')",
            "rent": f"UPDATE {ROOMS} SET rent = {{0}}, touched = '2026-02-05' + INTERVAL {{0}} SECOND WHERE id = 1",
        }
        self._threads = [threading.Thread(target=self._write, args=pair) for pair in statements.items()]
        for one in self._threads:
            one.start()
        self.wait_for(20)
        return self

    def wait_for(self, more: int) -> None:
        """Wait until every writer has been acknowledged some more writes."""
        aims = {name: len(told) + more for name, told in self.told.items()}
        while any(len(self.told[name]) < aim for name, aim in aims.items()) and not self.failed:
            time.sleep(0.001)

    def _write(self, name: str, statement: str) -> None:
        with self.estate.source.connect() as database:
            number = FIRST
            while not self._ended.is_set() and len(self.failed) < 3:
                number += 1
                began = time.monotonic()
                try:
                    database.execute(statement.format(number))
                except RunbookError as error:
                    self.failed.append(f"{name} {number}: {error}")
                    continue
                self.longest = max(self.longest, time.monotonic() - began)
                self.told[name].append(number)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for one in self._threads:
            one.join()

    @property
    def contracts(self) -> set[int]:
        return {2 * number for number in self.told["contract"]} | {2 * number + 1 for number in self.told["other"]}


def bring_back(estate: Estate, writers: Writers, **choices: Any) -> CopiedBack:
    chosen = CopyChoices(tables=("house.hold", "letting"), **choices)
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=chosen, now=NOW)
    done = apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    writers.wait_for(20)
    return done


def listed(estate: Estate, done: CopiedBack, table: str) -> list[int]:
    """Return the numbers of those rows that only the dated schema holds, as the statement of the result shows them."""
    shown = [left.statement for left in done.left if left.table == table]
    return numbers(estate, f"SELECT id FROM ({shown[0]}) AS listed WHERE id > {FIRST}") if shown else []


def numbers(estate: Estate, sql: str) -> list[int]:
    with estate.source.connect() as source:
        return [int(number) for (number,) in source.rows(sql)]


@dataclass
class Four:
    """Four connections that insert, update and delete rows of their own, until they are stopped.

    `last` is what was acknowledged last of each row: its value, or None once it is deleted. `open` are rows whose last
    statement was not answered.
    """

    estate: Estate
    last: dict[int, int | None] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)
    failed: list[str] = field(default_factory=list)
    _ended: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def __enter__(self) -> Four:
        self._threads = [threading.Thread(target=self._write, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()
        self.wait_for(40)
        return self

    def wait_for(self, more: int) -> None:
        aim = len(self.last) + more
        while len(self.last) < aim and not self.failed:
            time.sleep(0.001)

    def _write(self, number: int) -> None:
        with self.estate.source.connect() as database:
            row = FIRST + number
            while not self._ended.is_set() and not self.failed:
                row += 4
                steps: tuple[tuple[str, int | None], ...] = (
                    (f"INSERT INTO busy.t VALUES ({row}, 1, 1)", 1),
                    (f"UPDATE busy.t SET v = 2, at = 2 WHERE id = {row - 8}", 2),
                    (f"DELETE FROM busy.t WHERE id = {row - 16}", None),
                )
                for (statement, value), of in zip(steps, (row, row - 8, row - 16), strict=True):
                    if of < FIRST + 4:
                        continue
                    self.open.add(of)
                    try:
                        database.execute(statement)
                    except RunbookError as error:
                        self.failed.append(f"{statement}: {error}")
                        return
                    self.last[of] = value
                    self.open.discard(of)

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()


@pytest.mark.parametrize(
    "words",
    ["", thorough("RENAME TABLE"), thorough("INSERT INTO `runbook_copyback"), thorough("lock_wait_timeout = DEFAULT")],
)
def test_every_acknowledged_insert_update_and_delete_is_in_the_table_or_listed(estate: Estate, words: str) -> None:
    """It should hold whatever moment the copy back is killed at and run again."""
    estate.make(
        "CREATE DATABASE busy",
        "CREATE TABLE busy.t (id INT PRIMARY KEY, v INT, at INT)",
        "INSERT INTO busy.t VALUES " + ", ".join(f"({n}, 0, 0)" for n in range(1, 200)),
    )
    with estate.source.connect() as source:
        source.execute("DELETE FROM busy.t WHERE id > 10")
    with Four(estate) as writers:
        if words:
            assert run_apart(estate, words, tables=("busy",)) == -9
            writers.wait_for(40)
        choices = CopyChoices(tables=("busy",), rows="keep new", conflicts="copy", definitions="copy")
        plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=choices, now=NOW)
        done = apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
        writers.wait_for(40)
    assert writers.failed == []
    with estate.source.connect() as source:
        held = dict(source.rows(f"SELECT id, v FROM busy.t WHERE id > {FIRST}"))
        assert source.value("SELECT COUNT(*) FROM busy.t WHERE id < 200") == 199, "what was lost is back"
        listed = {row for left in done.left for row in numbers(estate, f"SELECT id FROM ({left.statement}) AS x")}
    wrong = {row for row, value in writers.last.items() if held.get(row) != value}
    assert wrong <= listed, f"of {len(writers.last)} rows"
    assert not wrong or estate.plane.engine.is_mariadb


NEWER = {
    "rows": "keep new",
    "rules": {"house.hold.rooms": "newer wins"},
    "newer_by": {"house.hold.rooms": "touched"},
    "conflicts": "source",
}


@pytest.mark.parametrize("again", [0, thorough(1), *(release(number) for number in range(2, 8))])
def test_no_write_is_lost_or_refused_and_triggers_fire_once_for_each(estate: Estate, again: int) -> None:
    with Writers(estate) as writers:
        done = bring_back(estate, writers, **NEWER)
    assert writers.failed == []
    kept = numbers(estate, f"SELECT id FROM letting.contracts WHERE id > {FIRST}")
    late = listed(estate, done, "letting.contracts")
    assert {*kept, *late} == writers.contracts, "every insert that was acknowledged, and none else"
    assert not late or estate.plane.engine.is_mariadb
    fired = Counter(
        numbers(estate, f"SELECT SUBSTRING(said, 4) + 0 FROM letting.log WHERE SUBSTRING(said, 4) > {FIRST}")
    )
    assert not fired - Counter(kept), "the trigger fired at most once for each"
    assert fired == Counter(kept) or estate.plane.engine.is_mariadb, "the trigger fired once for each"
    assert numbers(estate, f"SELECT rent FROM {ROOMS} WHERE id = 1") == [writers.told["rent"][-1]]


def test_what_is_replaced_is_listed_to_the_last_write_that_was_acknowledged(estate: Estate) -> None:
    """It should be in the new table or in the dated one, and those in the dated one are counted and shown."""
    with Writers(estate) as writers:
        done = bring_back(estate, writers)
    assert writers.failed == []
    left = {table.table: table for table in done.left}
    dated = set(listed(estate, done, "letting.contracts"))
    kept = set(numbers(estate, f"SELECT id FROM letting.contracts WHERE id > {FIRST}"))
    assert dated | kept == writers.contracts
    assert dated.isdisjoint(kept)
    assert left["letting.contracts"].rows == len(dated)
    assert dated
    assert kept
    assert left["house.hold.rooms"].rows == 1


@pytest.mark.parametrize("again", [0, thorough(1), *(release(number) for number in range(2, 4))])
def test_an_undo_loses_no_write_either(estate: Estate, again: int) -> None:
    """It should leave what was written until then with the tables brought back, and go on with the old ones."""
    with Writers(estate) as writers:
        bring_back(estate, writers, **NEWER)
        undo = propose_undo(estate.source)
        undone = apply_undo(estate.source, undo, approve=undo.id, restored=estate.copy)
        writers.wait_for(20)
    assert writers.failed == []
    contracts = {one.table: one for one in undone.left}["letting.contracts"]
    set_aside = set(numbers(estate, f"SELECT id FROM ({contracts.statement}) AS listed"))
    now = set(numbers(estate, f"SELECT id FROM letting.contracts WHERE id > {FIRST}"))
    assert set_aside | now == writers.contracts
    fired = Counter(
        numbers(estate, f"SELECT SUBSTRING(said, 4) + 0 FROM letting.log WHERE SUBSTRING(said, 4) > {FIRST}")
    )
    silent = Counter(now) - fired
    assert not fired - Counter(now)
    assert not silent or estate.plane.engine.is_mariadb, "the trigger fired once for each other row"
