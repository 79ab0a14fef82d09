"""A proof can be stopped and taken up again, keeps personal values out, spares a busy server, and lasts as a record."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest

from runbook_lib.cli import main
from runbook_lib.errors import InputRefused, NotFound, TimedOut
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database
from runbook_lib.proof import Guard, Pair, Proof, ProofOptions, Side, hold, prove
from tests.proving import SCHEMA, TwoServers, counts, numbers

TABLE = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20), mail VARCHAR(40))"
PEOPLE = numbers("t", "", range(1, 20001), "{n}, 'name {n}', 'mail{n}@example.com'")


class _Stopped(Exception):
    pass


def test_a_stopped_proof_goes_on_where_it_was_and_comes_to_the_same(two_servers: TwoServers, tmp_path: Path) -> None:
    two_servers.begin(TABLE, PEOPLE, TABLE.replace(" t ", " u "), "INSERT INTO u VALUES (1, '', '')")
    two_servers.change("UPDATE t SET name = 'x' WHERE id IN (3, 19990)", "DELETE FROM t WHERE id = 9000")
    whole = two_servers.prove()
    kept = tmp_path / "kept.jsonl"
    said: list[int] = []

    def stop_after(rows: int) -> None:
        def progress(done: int, _all: int, _text: str) -> None:
            said.append(done)
            if done > rows:
                raise _Stopped

        with pytest.raises(_Stopped):
            two_servers.prove(keep=kept, progress=progress, workers=1)

    stop_after(100)
    with kept.open("a") as file:
        file.write('{"pair": ["torn')
    stop_after(15_000)
    assert said[-1] > 15_000
    again: list[int] = []
    resumed = two_servers.prove(keep=kept, progress=lambda done, _all, _text: again.append(done))
    assert min(done for done in again if done) > 100
    assert resumed.tables == whole.tables
    assert two_servers.prove(keep=kept).tables == whole.tables
    assert counts(resumed.tables[0]) == (1, 0, 2)
    two_servers.change("ALTER TABLE u ADD c INT")
    with pytest.raises(InputRefused, match="another proof"):
        two_servers.prove(keep=kept)


def test_values_of_personal_columns_are_nowhere_in_a_proof(two_servers: TwoServers) -> None:
    two_servers.begin(
        "CREATE TABLE t (mail VARCHAR(40) PRIMARY KEY, name VARCHAR(20), n INT)",
        "CREATE TABLE bag (mail VARCHAR(40), n INT)",
        *(numbers(t, "(mail, n)", range(9), "'secret{n}@example.com', {n}") for t in ("t", "bag")),
        "UPDATE t SET name = 'hidden'",
    )
    two_servers.change(
        "DELETE FROM t WHERE n < 2", "UPDATE t SET name = NULL, n = 70 WHERE n = 7", "DELETE FROM bag WHERE n = 5",
        "INSERT INTO bag VALUES ('secret', 1)", "INSERT INTO t VALUES ('secret', 'hidden', 99)",
    )  # fmt: skip
    proof = two_servers.prove(personal=("trap.*.mail", "trap.t.name"))
    said = json.dumps(proof.to_json())
    assert "secret" not in said
    assert "hidden" not in said
    assert counts(proof.table(TableName(schema=SCHEMA, name="t"))) == (2, 1, 1)
    (changed,) = (row for row in proof.tables[1].samples if row.kind == "changed")
    assert changed.key == (("mail", "(personal)"),)
    assert dict(zip(changed.columns, zip(changed.expected, changed.found, strict=True), strict=True)) == {
        "name": ("(personal)", "NULL"),
        "n": ("7", "70"),
    }
    assert "secret" in json.dumps(two_servers.prove().to_json())
    assert "secret" not in json.dumps(two_servers.prove().to_json(samples=False))


def test_a_proof_survives_json(two_servers: TwoServers) -> None:
    two_servers.begin(TABLE, PEOPLE)
    two_servers.change("UPDATE t SET name = NULL WHERE id = 5", "CREATE TABLE more (id INT)")
    proof = two_servers.prove()
    assert Proof.from_json(json.loads(json.dumps(proof.to_json()))).tables == proof.tables
    assert (proof.verdict, proof.schemas[SCHEMA]["damaged"], proof.schemas[SCHEMA]["new since"]) == ("different", 1, 1)


def test_a_later_server_is_held_against_the_proof_of_an_earlier_record(two_servers: TwoServers) -> None:
    kinds = "f FLOAT, d DATETIME(3), c VARCHAR(9) CHARACTER SET latin1"
    two_servers.begin(
        *(f"CREATE TABLE {name} (id INT PRIMARY KEY, {kinds})" for name in ("t", "wiped", "gone", "odd", "narrow")),
        *(numbers(name, "", range(3000), "{n}, {n} / 3, '2026-01-01', 'é'") for name in ("t", "wiped", "gone", "odd",
                                                                                       "narrow")),
        "CREATE TABLE bag (a INT)", "INSERT INTO bag VALUES (1), (1), (2)",
    )  # fmt: skip
    earlier = Proof.from_json(json.loads(json.dumps(two_servers.prove().to_json(samples=False))))
    assert hold(two_servers.side("found"), earlier).verdict == "same"
    two_servers.change(
        "DELETE FROM wiped", "DROP TABLE gone", "UPDATE odd SET c = 'è' WHERE id = 7", "ALTER TABLE narrow DROP d",
        "UPDATE bag SET a = 2 WHERE a = 1 LIMIT 1", "ALTER TABLE t ADD more INT",
    )  # fmt: skip
    held = hold(two_servers.side("found"), earlier)
    assert {table.pair.expected.name: table.verdict for table in held.tables} == {
        "t": "same", "wiped": "emptied", "gone": "missing", "odd": "damaged", "narrow": "damaged", "bag": "damaged",
    }  # fmt: skip
    assert held.table(TableName(schema=SCHEMA, name="wiped")).missing == 3000


class _Busy:
    """A guarded side: its own threads and lag are what the test says, everything else is real."""

    def __init__(self, servers: TwoServers) -> None:
        self.side = Side(name="the source", connect=lambda: self._watched(servers.plane.admin("found")))
        self.threads, self.lag = [1], [0.0]
        self.looks = 0

    def _watched(self, database: Database) -> Database:
        rows, named = database.rows, database.named_rows

        def answered(sql: str, values: object = None) -> list[tuple[object, ...]]:
            if "Threads_running" in sql:
                self.looks += 1
                return [("Threads_running", self.threads.pop(0) if len(self.threads) > 1 else self.threads[0])]
            return rows(sql)

        def lagging(sql: str, values: object = None) -> list[dict[str, object]]:
            if "REPLICA STATUS" in sql:
                return [{"Seconds_Behind_Source": self.lag.pop(0) if len(self.lag) > 1 else self.lag[0]}]
            return named(sql)

        database.rows, database.named_rows = answered, lagging  # type: ignore[method-assign]
        return database


def test_the_proof_pauses_while_the_source_is_busy_or_lags(
    two_servers: TwoServers, caplog: pytest.LogCaptureFixture
) -> None:
    two_servers.begin(TABLE, PEOPLE)
    busy = _Busy(two_servers)
    busy.threads, busy.lag = [90, 80, 3], [0.0, 0.0, 70.0, 0.0]
    caplog.set_level("INFO", "runbook_lib")
    quick = Guard(threads_running=40, replica_lag_s=60, every_s=0.01, patience_s=30)
    expected = two_servers.side("expected")
    assert prove(expected, busy.side, schemas=(SCHEMA,), options=ProofOptions(guard=quick, workers=1)).verdict == "same"
    pauses = [record.getMessage() for record in caplog.records if "pausing" in record.getMessage()]
    assert pauses == [
        "pausing: the source has 90 threads running, the bound is 40",
        "pausing: the source has 80 threads running, the bound is 40",
        "pausing: the source has a replica 70 s behind, the bound is 60 s",
    ]
    assert busy.looks > 3
    busy.threads = [99]
    impatient = Guard(threads_running=40, every_s=0.01, patience_s=0.05)
    with pytest.raises(TimedOut, match="the source has been too busy"):
        prove(expected, busy.side, schemas=(SCHEMA,), options=ProofOptions(guard=impatient))


def test_the_load_of_a_real_server_is_read(two_servers: TwoServers) -> None:
    two_servers.begin(TABLE, PEOPLE)
    # what a server without replicas and without Aurora's table is asked, answers "no bound is exceeded"
    assert two_servers.prove(guard=Guard(every_s=0)).verdict == "same"
    with pytest.raises(TimedOut):
        two_servers.prove(guard=Guard(threads_running=0, every_s=0.01, patience_s=0.03))


def test_a_table_without_a_key_is_read_by_a_statement_that_the_guard_comes_before_and_bounds(
    two_servers: TwoServers,
) -> None:
    two_servers.begin("CREATE TABLE bag (a INT)", "INSERT INTO bag VALUES (1), (1), (2)")
    guard = Guard(statement_s=0.2)
    assert two_servers.prove(guard=guard).verdict == "same"
    with pytest.raises(TimedOut, match="too busy"):
        two_servers.prove(guard=Guard(threads_running=0, every_s=0.01, patience_s=0.03))
    two_servers.found.execute("LOCK TABLES bag WRITE")  # a statement that cannot end by itself
    try:
        with pytest.raises(TimedOut, match=r"trap\.bag has no unique key .* took longer than the 0\.2 s"):
            two_servers.prove(guard=guard)
    finally:
        two_servers.found.execute("UNLOCK TABLES")
    assert two_servers.prove(guard=guard).verdict == "same"


def test_an_error_on_one_side_ends_the_proof_with_its_reason_and_leaves_no_thread(two_servers: TwoServers) -> None:
    two_servers.begin(TABLE)
    nowhere = TableName(schema=SCHEMA, name="nowhere")
    with pytest.raises(NotFound, match=r"trap\.nowhere"):
        two_servers.prove(pairs=[Pair(expected=nowhere, found=nowhere)])

    def refused() -> Database:
        raise InputRefused("no way in")

    with pytest.raises(InputRefused, match="no way in"):
        prove(two_servers.side("expected"), Side(name="shut", connect=refused), schemas=(SCHEMA,))
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("proof")]


def test_the_command_proves_two_servers_and_one_against_a_record(
    two_servers: TwoServers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    two_servers.begin(TABLE, "INSERT INTO t VALUES (1, 'secret', NULL), (2, '', '')")
    for name, value in {"USER": "admin", "PASSWORD": "two-servers-7"}.items():
        monkeypatch.setenv(f"RUNBOOK_MYSQL_{name}", value)
    here, there = (str(two_servers.plane.endpoint(name)) for name in ("expected", "found"))
    (tmp_path / "proof.json").write_text(json.dumps(two_servers.prove().to_json(samples=False)))

    def ends(*arguments: str) -> object:
        with pytest.raises(SystemExit) as ended:
            main(["proof", *arguments])
        return ended.value.code or 0

    assert ends(there, "--against", here, "--schema", SCHEMA, "--longest", "60") == 0
    assert ends(there, "--record", str(tmp_path)) == 0
    two_servers.change("UPDATE t SET name = 'x' WHERE id = 1")
    capsys.readouterr()
    assert ends(there, "--against", here, "--schema", SCHEMA) == 3
    said = capsys.readouterr().out
    assert "trap.t" in said
    assert "name: (personal) → (personal)" in said
    assert ends(there, "--record", str(tmp_path)) == 3
    assert ends(there) == 2
    assert ends("nowhere", "--against", here) == 2
