"""A load is published whole or not at all: audited first, exchanged in one statement and back in one."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from runbook_lib.errors import ApprovalRefused, CheckFailed, InputRefused, NotFound, RunbookError, TryLater
from runbook_lib.guard.generations import next_of, published
from runbook_lib.guard.measuring import measure, owned
from runbook_lib.guard.publish import apply_publish, apply_undo_publish, propose_undo_publish, verify_publish
from runbook_lib.mysql import Database
from runbook_lib.proof import Side
from runbook_lib.swap import rename
from runbook_lib.swap.reading import read_server
from tests.proving import TwoServers
from tests.publishing import (
    BAD,
    FIRST,
    HARMLESS,
    LIVE,
    NEXT,
    NOW,
    OUTSIDE,
    Night,
    Spoil,
    audited,
    clear,
    load,
    make_live,
    planned,
    publish,
)

CONTRACT = f"""
version: 1
schemas:
  {LIVE}:
    purpose: the tables of the nightly load
    tables:
      - {{name: houses, min_rows: 10, fresh: {{column: updated_at, within_hours: 36}}}}
      - {{name: rooms, min_rows: 10, columns: [rent]}}
      - rates
    assertions:
      - {{name: rents are positive, sql: SELECT COUNT(*) FROM rooms WHERE rent <= 0}}
"""


@dataclass
class Server:
    admin: Database
    side: Side
    contract: str

    def rents(self, schema: str = LIVE) -> str:
        return str(self.admin.value(f"SELECT SHA2(GROUP_CONCAT(id, ':', rent ORDER BY id), 256) FROM {schema}.rooms"))


@pytest.fixture
def server(two_servers: TwoServers, tmp_path: Path) -> Iterator[Server]:
    contract = tmp_path / "schemas.yml"
    contract.write_text(CONTRACT)
    admin = two_servers.found
    admin.execute("SET SESSION group_concat_max_len = 1000000")
    make_live(admin)
    yield Server(admin=admin, side=two_servers.side("found"), contract=str(contract))
    clear(admin)


def with_history(server: Server) -> None:
    for days in (4, 3, 2):
        load(server.admin, Night(at=NOW - timedelta(days=days), seed=days))
        publish(server.side, at=NOW - timedelta(days=days), keep=5)
    load(server.admin, Night(seed=9))


def test_a_good_load_is_published_and_everything_around_it_is_as_before(server: Server) -> None:
    load(server.admin, Night(houses=42, seed=2))
    wanted = server.rents(NEXT)
    audit = audited(server.side, contract=server.contract)
    assert [(check.subject, check.sentence) for check in audit.holding] == []
    assert audit.difference is not None
    assert {t.pair.found.name: (t.missing, t.extra) for t in audit.difference.tables}["rooms"] == (0, 10)
    plan = planned(server.side, audit)
    assert (
        plan.id == planned(server.side, audited(server.side, contract=server.contract), at=NOW + timedelta(hours=1)).id
    )
    assert not apply_publish(server.side, audit, plan, approve="", approved_by="").done
    with pytest.raises(ApprovalRefused):
        apply_publish(server.side, audit, plan, approve="another", approved_by="")
    done = apply_publish(server.side, audit, plan, approve=plan.id, approved_by="somebody")
    assert (done.approved_id, verify_publish(server.side, done)) == (plan.id, ())
    assert server.rents() == wanted
    assert server.admin.value(f"SELECT COUNT(*) FROM {plan.was}.rooms") == 200
    assert server.admin.value(f"SELECT COUNT(*) FROM {LIVE}.notes") == 0, "a table that the load does not own stays"
    before = server.admin.value(f"SELECT COUNT(*) FROM {LIVE}.log")
    server.admin.execute(f"INSERT INTO {LIVE}.rooms (house_id, rent) VALUES (42, 51)")
    assert server.admin.value(f"SELECT COUNT(*) FROM {LIVE}.log") == before + 1, "the trigger is on the new table"
    assert server.admin.value(f"SELECT COUNT(*) FROM {LIVE}.cheap WHERE id > 210") == 1
    with pytest.raises(RunbookError):
        server.admin.execute(f"DELETE FROM {LIVE}.houses WHERE id = 1")  # a visit from outside points at the new one
    server.admin.execute(f"INSERT INTO {OUTSIDE}.visits VALUES (3, 42)")
    again = apply_publish(server.side, audit, plan, approve=plan.id, approved_by="somebody")
    assert (again.approved_id, server.admin.value(f"SELECT COUNT(*) FROM {LIVE}.rooms")) == (plan.id, 211)


@pytest.mark.thorough
@pytest.mark.one_engine
@pytest.mark.parametrize(("spoil", "reasons"), BAD.values(), ids=list(BAD))
def test_a_bad_load_is_held_for_its_reason_and_nothing_is_changed(
    server: Server, spoil: Spoil, reasons: set[str]
) -> None:
    with_history(server)
    before = server.rents()
    spoil(server.admin)
    audit = audited(server.side, contract=server.contract)
    assert reasons & {check.subject for check in audit.holding if check.state == "bad"}, audit.holding
    plan = planned(server.side, audit)
    with pytest.raises(CheckFailed, match="The load is held"):
        apply_publish(server.side, audit, plan, approve=plan.id, approved_by="somebody")
    assert server.rents() == before


def test_rows_of_any_kind_that_stand_twice_are_seen_and_without_a_generation_before_that_is_said(
    server: Server,
) -> None:
    kinds = "id INT AUTO_INCREMENT PRIMARY KEY, doc JSON, place POINT NOT NULL, raw BLOB, flag BIT(3), n INT"
    load(server.admin, Night(at=FIRST))
    for schema in (LIVE, NEXT):
        server.admin.execute(f"CREATE TABLE {schema}.mixed ({kinds})")
        rows = ", ".join(f"('[{n}]', POINT({n}, 1), X'00{n:02x}', {n % 8}, {n})" for n in range(40))
        server.admin.execute(f"INSERT INTO {schema}.mixed (doc, place, raw, flag, n) VALUES {rows}")
    again = "(doc, place, raw, flag, n) SELECT doc, place, raw, flag, n"
    server.admin.execute(f"INSERT INTO {NEXT}.mixed {again} FROM {NEXT}.mixed WHERE id <= 30")
    server.admin.execute(f"UPDATE {NEXT}.houses SET name = LEFT(SHA2(name, 256), 40)")
    said = {check.subject: check for check in audited(server.side).checks}
    assert said["rows twice"].state == "bad"
    assert "mixed: 70 rows, of which 40 differ" in said["rows twice"].sentence
    assert said["rewritten"].state == "warn"
    assert "houses.name" in said["rewritten"].sentence


@pytest.mark.thorough
def test_what_a_load_may_change_of_its_tables_does_not_hold_it(server: Server) -> None:
    with_history(server)
    for spoil in HARMLESS.values():
        spoil(server.admin)
        audit = audited(server.side, contract=server.contract)
        assert [(check.subject, check.sentence) for check in audit.holding] == []


@pytest.mark.one_engine
def test_a_table_that_is_held_for_longer_than_the_limit_publishes_nothing(
    server: Server, two_servers: TwoServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should say so in one sentence, be it a live reader or the load itself that has not ended its transaction."""
    monkeypatch.setattr(rename, "LOCK_SECONDS", 1)
    for held in (f"SELECT * FROM {LIVE}.rooms LIMIT 1", f"UPDATE {NEXT}.rooms SET rent = rent WHERE id = 1"):
        server.admin.execute(f"DROP DATABASE IF EXISTS {NEXT}")
        load(server.admin, Night(houses=42, seed=2))
        audit = audited(server.side, contract=server.contract)
        plan = planned(server.side, audit)
        before = server.rents()
        with two_servers.plane.admin("found") as other:
            other.execute("START TRANSACTION")
            other.execute(held)
            with pytest.raises(TryLater, match="could not be locked within 1 seconds; nothing was changed"):
                apply_publish(server.side, audit, plan, approve=plan.id, approved_by="somebody")
            assert server.rents() == before
            other.execute("ROLLBACK")
        assert server.admin.value(f"SELECT COUNT(*) FROM {LIVE}.log") == 0, "the trigger was not fired"
    done = apply_publish(server.side, audit, plan, approve=plan.id, approved_by="somebody")
    assert verify_publish(server.side, done) == ()


def test_letters_are_told_by_their_bytes_whatever_the_collation(server: Server) -> None:
    """It should not take an `a` for `Ã`, a full-width mark for a question, or nothing for a byte order mark."""
    server.admin.execute(f"CREATE TABLE {LIVE}.words (id INT PRIMARY KEY, word VARCHAR(60)) CHARACTER SET utf8mb4")
    words = ["Main street", "São Paulo Ähre", "？", "家", "Ã¤", "what?", "\ufeffx", "a\r", '"a"', "NULL", "&amp;"]
    server.admin.execute_many(f"INSERT INTO {LIVE}.words VALUES (%s, %s)", list(enumerate(words)))
    facts = owned(read_server(server.admin, name="server"), LIVE)["words"]
    found, denied = measure(server.side.connect, [(facts, "all", ())])
    shape = found[facts.name].columns["word"]
    assert (denied, shape.broken, shape.questions, shape.stray) == ({}, 1, 1, 5)


@pytest.mark.one_engine
@pytest.mark.parametrize("how", ["UPDATE words SET word = LEFT(word, 20) WHERE n = 1", "UPDATE words SET kind = 'a'"])
def test_what_a_few_rows_can_move_is_looked_at_though_few_differ(server: Server, how: str) -> None:
    """It should hold a text of which the few long ones were cut, and a column whose last other value is gone."""
    load(server.admin, Night(houses=42, seed=2))
    for schema in (LIVE, NEXT):
        server.admin.execute(
            f"CREATE TABLE {schema}.words (n INT PRIMARY KEY, word TEXT, kind CHAR(1)) CHARSET utf8mb4"
        )
        rows = [(n, "x" * (60_000 if n == 1 else 30), "b" if n == 1 else "a") for n in range(400)]
        server.admin.execute_many(f"INSERT INTO {schema}.words VALUES (%s, %s, %s)", rows)
    assert "values" not in {check.subject for check in audited(server.side).holding}
    server.admin.execute(how.replace("words SET", f"{NEXT}.words SET"))
    held = {check.subject: check.sentence for check in audited(server.side).holding}
    assert "words." in held["values"]


@pytest.mark.thorough
@pytest.mark.one_engine
def test_a_load_that_still_runs_is_held(server: Server, two_servers: TwoServers) -> None:
    load(server.admin, Night(houses=42, seed=2))
    with two_servers.plane.admin("found") as other:
        other.execute(f"USE {NEXT}")
        held = {check.subject: check.sentence for check in audited(server.side).holding}
        assert "may still be running" in held["sessions"]


@pytest.mark.one_engine
def test_a_next_generation_that_is_elsewhere_or_of_another_name_is_said_in_a_sentence(server: Server) -> None:
    with pytest.raises(NotFound, match=f"There is no load to publish: `{NEXT}` is not there"):
        audited(server.side)
    server.admin.execute(f"CREATE DATABASE {NEXT}")
    with pytest.raises(NotFound, match="holds no table"):
        audited(server.side)


@pytest.mark.one_engine
def test_a_contracts_assertion_that_would_change_something_is_refused(server: Server) -> None:
    load(server.admin, Night(houses=42, seed=2))
    path = Path(server.contract)
    path.write_text(path.read_text().replace("SELECT COUNT(*) FROM rooms WHERE rent <= 0", f"DELETE FROM {LIVE}.rates"))
    held = {check.subject: check.state for check in audited(server.side, contract=str(path)).holding}
    assert held["contract"] == "unknown"
    assert server.admin.value(f"SELECT COUNT(*) FROM {LIVE}.rates") == 3


def test_yesterdays_file_again_is_held(server: Server) -> None:
    load(server.admin, Night(at=FIRST))
    assert {check.subject for check in audited(server.side).holding} == {"same as live"}


def test_what_a_person_accepts_by_name_is_published_and_is_part_of_the_id(server: Server) -> None:
    load(server.admin, Night(seed=3))
    plan = planned(server.side, audited(server.side))
    server.admin.execute(f"ALTER TABLE {NEXT}.rooms DROP KEY by_rent")
    held, accepted = audited(server.side), audited(server.side, accept="keys")
    assert ({check.subject for check in held.holding}, accepted.holding) == ({"keys"}, ())
    assert len({plan.id, planned(server.side, held).id, planned(server.side, accepted).id}) == 3
    with pytest.raises(InputRefused, match="no check"):
        audited(server.side, accept="kyes")


def test_a_load_that_changes_after_the_plan_is_refused(server: Server) -> None:
    load(server.admin, Night(seed=3))
    audit = audited(server.side)
    plan = planned(server.side, audit)
    server.admin.execute(f"INSERT INTO {NEXT}.rooms (house_id, rent) VALUES (1, 1)")
    with pytest.raises(ApprovalRefused, match="has changed"):
        apply_publish(server.side, audit, plan, approve=plan.id, approved_by="somebody")


def test_an_undo_puts_the_generation_before_back_and_keeps_later_writes(server: Server) -> None:
    before = server.rents()
    load(server.admin, Night(houses=42, seed=2))
    done = publish(server.side)
    server.admin.execute(f"INSERT INTO {LIVE}.rooms (house_id, rent) VALUES (42, 51)")
    undo = propose_undo_publish(server.side, live=LIVE)
    assert undo.changed == (("rooms", 210, 211),)
    assert not apply_undo_publish(server.side, undo, approve="").done
    undone = apply_undo_publish(server.side, undo, approve=undo.id)
    assert (undone.done, server.rents()) == (True, before)
    assert server.admin.value(f"SELECT COUNT(*) FROM {undone.kept_in}.rooms") == 211
    server.admin.execute(f"INSERT INTO {LIVE}.rooms (house_id, rent) VALUES (1, 51)")
    assert server.admin.value(f"SELECT said FROM {LIVE}.log ORDER BY n DESC LIMIT 1") == "room 201"
    with pytest.raises(NotFound):
        propose_undo_publish(server.side, live=LIVE)
    assert published(server.admin, LIVE)[-1].undone
    assert done.plan.was not in {str(row[0]) for row in server.admin.rows("SHOW DATABASES")}
    load(server.admin, Night(houses=42, seed=2))  # the same load once more: it has the same id
    again = publish(server.side, at=NOW + timedelta(hours=3))
    assert (again.approved_id, verify_publish(server.side, again)) == (done.approved_id, ())
    assert server.admin.value(f"SELECT COUNT(*) FROM {LIVE}.rooms") == 210


@pytest.mark.thorough
def test_only_the_oldest_generation_beyond_those_kept_goes_and_only_if_it_is_ours(server: Server) -> None:
    plans = []
    for day in range(4):
        load(server.admin, Night(at=NOW + timedelta(days=day), seed=day + 5))
        plans.append(publish(server.side, at=NOW + timedelta(days=day), keep=2).plan)
        if day == 0:
            server.admin.execute(f"CREATE TABLE {plans[0].was}.mine (id INT)")  # somebody keeps something there
    left = {str(row[0]) for row in server.admin.rows("SHOW DATABASES")}
    assert [plan.was in left for plan in plans] == [True, False, True, True]
    assert server.admin.value(f"SELECT COUNT(*) FROM {plans[0].was}.mine") == 0


@pytest.mark.thorough
@pytest.mark.one_engine
def test_readers_see_one_generation_at_any_moment(server: Server, two_servers: TwoServers) -> None:
    """Three tables tied by keys are read all the while loads are published: each answer is of one generation."""
    stop, answers, errors = threading.Event(), [], []

    def read() -> None:
        with two_servers.plane.admin("found") as reader:
            while not stop.is_set():
                try:
                    row = reader.rows(
                        f"SELECT (SELECT COUNT(*) FROM {LIVE}.houses), (SELECT COUNT(*) FROM {LIVE}.rooms),"
                        f" (SELECT COUNT(*) FROM {LIVE}.rates)"
                    )[0]
                    answers.append(tuple(int(value) for value in row))
                except RunbookError as error:
                    errors.append(error.message)

    reader = threading.Thread(target=read)
    reader.start()
    try:
        for day in range(4):
            load(server.admin, Night(houses=41 + day, at=NOW + timedelta(days=day), seed=day))
            publish(server.side, at=NOW + timedelta(days=day))
    finally:
        stop.set()
        reader.join()
    assert errors == []
    assert {houses for houses, _, _ in answers} >= {40, 44}
    assert all(rooms == 5 * houses and rates == 3 for houses, rooms, rates in answers)


class Cut(Exception):
    """The client is gone."""


def cut_after(side: Side, statements: int) -> Side:
    """Return a side whose connections are lost once so many statements were run."""
    left = [statements]

    def connect() -> Database:
        database = side.connect()
        execute = database.execute

        def run(*given: object) -> object:
            if left[0] == 0:
                database.close()
                raise Cut
            left[0] -= 1
            return execute(*given)  # type: ignore[arg-type]

        database.execute = run  # type: ignore[method-assign, assignment]
        return database

    return Side(name=side.name, connect=connect)


@pytest.mark.both_at_release
@pytest.mark.thorough
def test_cut_off_after_any_statement_there_is_one_generation_and_a_second_run_ends_it(server: Server) -> None:
    for statements in range(40):
        make_live(server.admin)
        old = server.rents()
        load(server.admin, Night(houses=42, seed=statements + 2))
        new = server.rents(NEXT)
        audit = audited(server.side)
        plan = planned(server.side, audit)
        try:
            apply_publish(cut_after(server.side, statements), audit, plan, approve=plan.id, approved_by="somebody")
            ended = True
        except Cut:
            ended = False
        assert server.rents() in (old, new)
        done = apply_publish(server.side, audit, plan, approve=plan.id, approved_by="somebody")
        assert (server.rents(), verify_publish(server.side, done)) == (new, ())
        server.admin.execute(f"INSERT INTO {LIVE}.rooms (house_id, rent) VALUES (42, 51)")
        assert server.admin.value(f"SELECT COUNT(*) FROM {LIVE}.log") == 1, "the trigger fires once"
        if ended:
            break
    assert ended, "it takes more statements than were tried"
    assert statements > 8


@pytest.mark.thorough
@pytest.mark.one_engine
def test_thirty_good_nights_are_all_published(server: Server) -> None:
    """Weekdays with fewer rows at weekends, growth, month-ends with more: none is held."""
    held = []
    for day in range(30):
        at = NOW + timedelta(days=day)
        ends_month = (at + timedelta(days=1)).month != at.month
        houses = 40 + day // 2 - (6 if at.weekday() >= 5 else 0) + (12 if ends_month else 0)
        load(server.admin, Night(houses=houses, at=at, seed=day))
        audit = audited(server.side, at=at, contract=server.contract)
        held += [(day, check.subject, check.sentence) for check in audit.holding]
        plan = planned(server.side, audit, at=at)
        apply_publish(server.side, audit, plan, approve=plan.id, approved_by="somebody")
    assert held == []


def test_names_that_cannot_be_are_refused() -> None:
    assert next_of("staging") == "staging__next"
    with pytest.raises(InputRefused, match="64"):
        next_of("s" * 50)
    with pytest.raises(InputRefused):
        next_of("staging", "Staging")
