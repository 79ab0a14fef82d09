"""Copy back of schemas as they are: odd names, definitions and engines, keys equal and not, values that moved."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from runbook_lib.bringback.copy import (
    CopiedBack,
    CopyChoices,
    apply_copy_back,
    apply_undo,
    propose_copy_back,
    propose_undo,
    verify_copied,
)
from runbook_lib.bringback.copy.planning import propose_with_checks
from runbook_lib.errors import CheckFailed, StepFailed
from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted
from runbook_lib.proof import Side, prove
from runbook_lib.swap.definition import constraints_of, take_apart, without_counter
from runbook_lib.swap.names import dated_schema, is_ours
from tests.copying import NOW, Estate

LONG = "a_schema_with_a_name_that_is_as_long_as_a_tenant_0001", "a_schema_with_a_name_that_is_as_long_as_a_tenant_0002"
ODD = (
    "CREATE DATABASE odd",
    "CREATE TABLE odd.`orders (old` (id INT PRIMARY KEY) COMMENT='was AUTO_INCREMENT=77 once, KEY `k` (x) ('",
    "CREATE TABLE odd.texts (id INT AUTO_INCREMENT PRIMARY KEY, a TEXT, b TEXT, FULLTEXT KEY `of (a` (a),"
    " FULLTEXT KEY of_b (b), KEY `in``a` (a(9))) COMMENT='it''s AUTO_INCREMENT=5 \\\\'",
    "CREATE TABLE odd.`FOREIGN KEY` (id INT PRIMARY KEY, t INT, CONSTRAINT `c REFERENCES ``odd`` (` FOREIGN KEY (t)"
    " REFERENCES odd.texts (id), CONSTRAINT `said` CHECK (t <> 7))",
    "CREATE TABLE odd.parts (id INT AUTO_INCREMENT PRIMARY KEY, v INT) PARTITION BY HASH (id) PARTITIONS 2",
    "CREATE TABLE odd.isam (id INT PRIMARY KEY, v VARCHAR(9)) ENGINE=MyISAM",
    "CREATE TABLE odd.listed (id INT NOT NULL, v VARCHAR(9) NOT NULL) ENGINE=CSV",
    "CREATE TABLE odd.kept_in_mind (id INT PRIMARY KEY) ENGINE=MEMORY",
    "SET sql_mode = ''",
    "CREATE VIEW odd.grouped AS SELECT a, b, COUNT(*) AS c FROM odd.texts GROUP BY a",
    "INSERT INTO odd.`orders (old` VALUES (1)",
    "INSERT INTO odd.texts VALUES (1, 'x', 'y')",
    "INSERT INTO odd.`FOREIGN KEY` VALUES (1, 1)",
    "INSERT INTO odd.parts (v) VALUES (1), (2)",
    "INSERT INTO odd.isam VALUES (1, 'a')",
    "INSERT INTO odd.listed VALUES (1, 'a')",
    "INSERT INTO odd.kept_in_mind VALUES (1)",
    *(
        statement
        for number, schema in enumerate(LONG)
        for statement in (
            f"CREATE DATABASE {schema}",
            f"CREATE TABLE {schema}.t (id INT PRIMARY KEY)",
            f"INSERT INTO {schema}.t VALUES ({number})",
        )
    ),
)
OF_MARIADB = (
    "CREATE SEQUENCE odd.numbers START WITH 100",
    "CREATE TABLE odd.numbered (id INT PRIMARY KEY DEFAULT NEXT VALUE FOR odd.numbers, u UUID UNIQUE, i INET6,"
    " j INET4)",
    "INSERT INTO odd.numbered (u, i, j) VALUES ('123e4567-e89b-12d3-a456-426655440000', '::1', '1.2.3.4'), (NULL,"
    " NULL, NULL)",
    "CREATE TABLE odd.versions (id INT PRIMARY KEY, v INT) WITH SYSTEM VERSIONING",
    "INSERT INTO odd.versions VALUES (1, 1)",
    "UPDATE odd.versions SET v = 2",
    "SET sql_mode = 'ORACLE'",
    "CREATE PACKAGE odd.pack AS FUNCTION f RETURN INT; END",
    "CREATE PACKAGE BODY odd.pack AS FUNCTION f RETURN INT AS BEGIN RETURN 1; END; END",
    "SET sql_mode = ''",
)
DAMAGE = (
    "SET foreign_key_checks = 0",
    "DELETE FROM odd.`orders (old`",
    "DROP TABLE odd.texts",
    "DROP VIEW odd.grouped",
    "ALTER TABLE odd.`FOREIGN KEY` DROP FOREIGN KEY `c REFERENCES ``odd`` (`",
    "TRUNCATE odd.parts",
    "DELETE FROM odd.isam",
    "DELETE FROM odd.listed",
    "DELETE FROM odd.kept_in_mind",
    *(f"DELETE FROM {schema}.t" for schema in LONG),
)


def held(side: Side, schemas: tuple[str, ...] = ("odd", *LONG)) -> dict[str, Any]:
    """Return every definition and every row of the schemas, read without the library that copies them."""
    found: dict[str, Any] = {}
    with side.connect() as database:
        database.execute("SET sql_mode = ''")
        for schema, name, kind in database.rows(
            "SELECT table_schema, table_name, table_type FROM information_schema.tables"
        ):
            if schema in schemas:
                rows = [] if kind == "SEQUENCE" else database.rows(f"SELECT * FROM {quoted(schema, name)}")
                found[f"{schema}.{name}"] = (
                    database.rows(f"SHOW CREATE TABLE {quoted(schema, name)}")[0][1],
                    sorted(map(str, rows)),
                )
        of_routines = (
            "SELECT routine_schema, routine_name, routine_type, routine_definition FROM information_schema.routines"
        )
        found["routines"] = sorted(row for row in database.rows(of_routines) if row[0] in schemas)
    return found


def run(side: Side, *statements: str) -> None:
    with side.connect() as database:
        for statement in statements:
            database.execute(statement)


def bring_back(estate: Estate, **choices: Any) -> CopiedBack:
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=CopyChoices(**choices), now=NOW)
    return apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)


@pytest.fixture
def odd(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> Estate:
    """Return both servers with tables of odd shapes, large enough to get their indexes after the rows."""
    monkeypatch.setattr("runbook_lib.bringback.copy.planning.KEYS_LATER_FROM", 1)
    estate.make(*ODD, *(OF_MARIADB if estate.plane.engine.is_mariadb else ()))
    return estate


def test_odd_names_definitions_and_engines_come_back_as_they_were_and_go_again_on_undo(odd: Estate) -> None:
    mariadb = odd.plane.engine.is_mariadb
    whole = held(odd.copy)
    lost = (
        "DROP TABLE odd.numbered",
        "DROP SEQUENCE odd.numbers",
        "DELETE FROM odd.versions",
        "SET sql_mode = 'ORACLE'",
        "DROP PACKAGE odd.pack",
    )
    run(odd.source, *DAMAGE, *(lost if mariadb else ()))
    had = held(odd.source)
    done = bring_back(odd, tables=("odd", *LONG))
    assert done.problems == ()
    assert held(odd.source) == whole
    found = verify_copied(odd.copy, odd.source, done)
    assert found is not None
    assert found.failures == ()
    if mariadb:
        notes = {str(table.name): table.notes for table in done.plan.tables}
        assert any("history" in note for note in notes["odd.versions"])
        run(odd.source, "INSERT INTO odd.numbered (u) VALUES (NULL)")
        with odd.source.connect() as source:
            assert source.value("SELECT MAX(id) FROM odd.numbered") > 101, "no number is given twice"
    undo = propose_undo(odd.source)
    undone = apply_undo(odd.source, undo, approve=undo.id)
    assert undone.problems == ()
    assert held(odd.source) == had


def test_an_index_and_a_foreign_key_that_are_lost_alone_are_seen_and_brought_back(odd: Estate) -> None:
    run(odd.source, DAMAGE[4], "ALTER TABLE odd.texts DROP KEY of_b")
    proof = prove(odd.copy, odd.source)
    plan = propose_copy_back(odd.copy, odd.source, proof=proof, now=NOW)
    notes = {str(table.name): "\n".join(table.notes) for table in plan.tables}
    assert "brought back: CONSTRAINT `c REFERENCES" in notes["odd.FOREIGN KEY"]
    assert "FULLTEXT KEY `of_b`" in notes["odd.texts"]
    apply_copy_back(odd.copy, odd.source, plan, approve=plan.id)
    assert held(odd.source) == held(odd.copy)


RENAMED = (
    "CREATE DATABASE odd",
    "CREATE TABLE odd.p (id INT PRIMARY KEY)",
    "CREATE TABLE odd.c (id INT PRIMARY KEY, p INT, CONSTRAINT tied FOREIGN KEY (p) REFERENCES odd.p (id),"
    " CONSTRAINT said CHECK (p <> 7))",
    "CREATE TABLE odd.alone (id INT PRIMARY KEY, v INT, CONSTRAINT solvent CHECK (v >= 0))",
    "INSERT INTO odd.p VALUES (1)",
    "INSERT INTO odd.c VALUES (1, 1)",
    "INSERT INTO odd.alone VALUES (1, 1)",
)


def test_tables_that_were_renamed_away_give_up_the_names_of_their_constraints(estate: Estate) -> None:
    estate.make(*RENAMED)
    whole = held(estate.copy)
    run(estate.source, "RENAME TABLE odd.c TO odd.c_old, odd.alone TO odd.alone_old")
    had = held(estate.source)
    done = bring_back(estate, tables=("odd",))
    assert done.problems == ()
    assert any("odd.c_old: its constraint tied will be called tied_1" in note for note in done.plan.notes)
    found = held(estate.source)
    assert {name: found[name] for name in whole} == whole
    assert "CONSTRAINT `tied_1` FOREIGN KEY (`p`) REFERENCES `p` (`id`)" in found["odd.c_old"][0]
    assert found["odd.alone_old"][1] == ["(1, 1)"]
    verified = verify_copied(estate.copy, estate.source, done)
    assert verified is not None
    assert verified.failures == ()
    undo = propose_undo(estate.source)
    assert apply_undo(estate.source, undo, approve=undo.id).problems == ()
    assert held(estate.source) == had


def test_a_trigger_whose_column_is_gone_keeps_no_undo_from_ending(estate: Estate) -> None:
    estate.make(
        "CREATE DATABASE odd",
        "CREATE TABLE odd.t (id INT PRIMARY KEY, v INT)",
        "CREATE TRIGGER odd.g BEFORE INSERT ON odd.t FOR EACH ROW SET NEW.v = 1",
        "CREATE TRIGGER odd.h BEFORE UPDATE ON odd.t FOR EACH ROW SET NEW.id = NEW.id",
        "INSERT INTO odd.t VALUES (1, 1)",
    )
    run(estate.source, "ALTER TABLE odd.t DROP COLUMN v")
    done = bring_back(estate, tables=("odd",))
    assert done.problems == ()
    assert held(estate.source) == held(estate.copy)
    undo = propose_undo(estate.source)
    undone = apply_undo(estate.source, undo, approve=undo.id)
    assert len(undone.problems) == 1
    assert "odd.g cannot be made again" in undone.problems[0]
    with estate.source.connect() as source:
        assert source.rows("SELECT trigger_name FROM information_schema.triggers WHERE trigger_schema = 'odd'") == [
            ("h",)
        ]
        assert source.rows("SELECT * FROM odd.t") == [(1,)]


MERGED = (
    "CREATE DATABASE m",
    "CREATE TABLE m.two (id INT PRIMARY KEY, a INT, b INT, c INT AS (b * 2) STORED, UNIQUE (a), UNIQUE (b),"
    " UNIQUE (c))",
    "INSERT INTO m.two (id, a, b) VALUES (1, 1, 1), (2, 2, 2), (3, 3, 3)",
    "CREATE TABLE m.letters (k VARCHAR(9) COLLATE utf8mb4_general_ci PRIMARY KEY, v INT)",
    "INSERT INTO m.letters VALUES ('abc', 1), ('x', 2), ('pad', 3)",
    "CREATE TABLE m.alike (n INT, k VARCHAR(9) COLLATE utf8mb4_general_ci, PRIMARY KEY (n, k))",
    "INSERT INTO m.alike VALUES (1, 'cafe'), (2, 'end'), (3, 'ok')",
    "CREATE TABLE m.moved (id INT PRIMARY KEY, mail VARCHAR(9) UNIQUE, u INT)",
    "INSERT INTO m.moved VALUES (1, 'a', 1), (2, 'b', 1), (3, 'c', 1)",
    "CREATE TABLE m.keyless (a INT UNIQUE, b INT)",
    "INSERT INTO m.keyless VALUES (1, 1), (2, 2), (NULL, 3), (NULL, 3)",
    "CREATE TABLE m.zero (id INT AUTO_INCREMENT PRIMARY KEY, v INT)",
    "INSERT INTO m.zero VALUES (1, 1)",
    "CREATE TABLE m.isam (id INT PRIMARY KEY, v INT UNIQUE) ENGINE=MyISAM",
    "INSERT INTO m.isam VALUES (1, 1), (2, 2)",
    "CREATE TABLE m.less (id INT PRIMARY KEY, a INT, b VARCHAR(9) NOT NULL DEFAULT 'd')",
    "INSERT INTO m.less VALUES (1, 1, 'x'), (2, 2, 'y')",
)
WRITTEN = (
    "SET sql_mode = 'NO_AUTO_VALUE_ON_ZERO'",
    "DELETE FROM m.two",
    "INSERT INTO m.two (id, a, b) VALUES (8, 1, 80), (9, 90, 2), (10, 10, 10)",
    "DELETE FROM m.letters",
    "INSERT INTO m.letters VALUES ('ABC', 1), ('new', 9), ('pad', 3)",
    "DELETE FROM m.alike",
    "INSERT INTO m.alike VALUES (1, 'café'), (2, 'end  '), (3, 'ok'), (4, 'cafe')",
    "DELETE FROM m.moved WHERE id = 3",
    "UPDATE m.moved SET mail = 'z', u = 2 WHERE id = 2",
    "UPDATE m.moved SET mail = 'b', u = 2 WHERE id = 1",
    "DELETE FROM m.keyless",
    "INSERT INTO m.keyless VALUES (1, 9), (NULL, 3), (NULL, 3), (NULL, 3), (7, 7)",
    "DELETE FROM m.zero",
    "INSERT INTO m.zero VALUES (0, 9)",
    "DELETE FROM m.isam",
    "INSERT INTO m.isam VALUES (1, 2), (9, 9)",
    "ALTER TABLE m.less DROP COLUMN b",
    "UPDATE m.less SET a = 22 WHERE id = 2",
    "INSERT INTO m.less VALUES (5, 5)",
)
BY_COPY = {
    "two": [(1, 1, 1), (2, 2, 2), (3, 3, 3), (10, 10, 10)],
    "letters": [("abc", 1), ("new", 9), ("pad", 3), ("x", 2)],
    "alike": [(1, "cafe"), (2, "end"), (3, "ok"), (4, "cafe")],
    "moved": [(1, "a", 1), (2, "b", 1), (3, "c", 1)],
    "keyless": [(None, 3), (None, 3), (None, 3), (1, 1), (2, 2), (7, 7)],
    "zero": [(0, 9), (1, 1)],
    "isam": [(1, 1), (2, 2), (9, 9)],
    "less": [(1, 1, "x"), (2, 2, "y"), (5, 5, "d")],
}
BY_SOURCE = {
    "two": [(3, 3, 3), (8, 1, 80), (9, 90, 2), (10, 10, 10)],
    "letters": [("ABC", 1), ("new", 9), ("pad", 3), ("x", 2)],
    "alike": [(1, "café"), (2, "end  "), (3, "ok"), (4, "cafe")],
    "moved": [(1, "b", 2), (2, "z", 2), (3, "c", 1)],
    "keyless": [(None, 3), (None, 3), (None, 3), (1, 9), (2, 2), (7, 7)],
    "zero": [(0, 9), (1, 1)],
    "isam": [(1, 2), (9, 9)],
    "less": [(1, 1, "x"), (2, 22, "y"), (5, 5, "d")],
}
ROWS = dict.fromkeys(("moved", "keyless", "zero", "isam", "less", "alike"), "*")
ROWS |= {"two": "id, a, b", "letters": "k, v"}


def rows_of(estate: Estate) -> dict[str, list[Any]]:
    with estate.source.connect() as source:
        return {name: source.rows(f"SELECT {what} FROM m.{name} ORDER BY 1, 2") for name, what in ROWS.items()}


def test_rows_written_since_are_put_beside_the_restored_ones_whatever_key_they_share(estate: Estate) -> None:
    estate.make(*MERGED)
    run(estate.source, *WRITTEN)
    with pytest.raises(CheckFailed) as told:
        bring_back(estate, tables=("m",), rows="keep new")
    for said in ("m.two: 3 (keys a = 1 · b = 2 · c = 4)", "m.letters: 1 (keys ABC)", "m.moved: 2 (keys 1 · 2)"):
        assert said in told.value.message
    done = bring_back(estate, tables=("m",), rows="keep new", conflicts="copy")
    assert rows_of(estate) == BY_COPY
    left = {table.table: table.rows for table in done.left}
    assert left == {"m.two": 2, "m.letters": 1, "m.alike": 2, "m.moved": 2, "m.keyless": 1, "m.isam": 1, "m.less": 1}
    notes = {str(table.name): "\n".join(table.notes) for table in done.plan.tables}
    assert "dropped since: b" in notes["m.less"]
    undo = propose_undo(estate.source)
    apply_undo(estate.source, undo, approve=undo.id)
    done = bring_back(estate, tables=("m",), rows="keep new", conflicts="source")
    assert rows_of(estate) == BY_SOURCE
    found = verify_copied(estate.copy, estate.source, done)
    assert found is not None
    assert found.failures == ()


def test_a_value_that_moved_is_decided_by_the_newer_row(estate: Estate) -> None:
    estate.make(*MERGED)
    run(estate.source, *WRITTEN)
    bring_back(estate, tables=("m.moved",), rows="newer wins", newer_by={"*": "u"})
    assert rows_of(estate)["moved"] == BY_SOURCE["moved"]


@pytest.mark.parametrize(
    ("now", "row", "said"),
    [
        (
            "id BIGINT PRIMARY KEY, a VARCHAR(9), b VARCHAR(9)",
            "(5, 'many', 'b')",
            r"m\.less: .*many.*Nothing was",
        ),
        ("id INT PRIMARY KEY, a INT, b VARCHAR(9) CHARACTER SET latin1", "(5, 5, 'é')", ""),
    ],
)
def test_a_row_that_does_not_fit_the_restored_type_is_a_sentence_and_one_that_does_is_kept(
    estate: Estate, now: str, row: str, said: str
) -> None:
    estate.make(*MERGED)
    run(estate.source, "DROP TABLE m.less", f"CREATE TABLE m.less ({now})", f"INSERT INTO m.less VALUES {row}")
    if said:
        with pytest.raises(StepFailed, match=said):
            bring_back(estate, tables=("m.less",), rows="keep new")
        assert rows_of(estate)["less"] == [(5, "many", "b")]
    else:
        bring_back(estate, tables=("m.less",), rows="keep new")
        assert rows_of(estate)["less"] == [(1, 1, "x"), (2, 2, "y"), (5, 5, "é")]


def test_definitions_are_read_by_their_marks() -> None:
    shown = (
        "CREATE TABLE `a (b` (\n  `id` int NOT NULL AUTO_INCREMENT COMMENT 'KEY `x` (',\n  `t` int DEFAULT NULL,\n"
        "  PRIMARY KEY (`id`),\n  KEY `REFERENCES ``x`` (` (`t`),\n"
        "  CONSTRAINT `f, (` FOREIGN KEY (`t`) REFERENCES `p``(` (`id`),\n  CONSTRAINT `c` CHECK (`t` <> ')')\n"
        ") ENGINE=InnoDB AUTO_INCREMENT=7 COMMENT='was AUTO_INCREMENT=77, it''s \\' AUTO_INCREMENT=78'"
    )
    table = take_apart(
        shown,
        table=TableName(schema="s", name="a (b"),
        place=lambda name: replace(name, schema="new"),
        counted="id",
        keys_later=True,
    )
    assert table.keys == ("ADD KEY `REFERENCES ``x`` (` (`t`)",)
    assert table.foreign_keys == ("ADD CONSTRAINT `f, (` FOREIGN KEY (`t`) REFERENCES `new`.`p``(` (`id`)",)
    assert table.create.endswith(") ENGINE=InnoDB COMMENT='was AUTO_INCREMENT=77, it''s \\' AUTO_INCREMENT=78'")
    assert without_counter(shown) == shown.replace(" AUTO_INCREMENT=7 C", " C")
    assert len(constraints_of(shown)) == 4


def test_names_that_must_be_cut_stay_apart() -> None:
    made = {dated_schema(schema, NOW) for schema in (*LONG, LONG[0] + "x", "x" * 64, "x" * 63 + "y")}
    assert len(made) == 5
    assert all(is_ours(schema) and len(schema) <= 64 for schema in made)


HUNG = (
    "CREATE DATABASE hung",
    "CREATE TABLE hung.p (id INT PRIMARY KEY)",
    "CREATE TABLE hung.c (id INT PRIMARY KEY, p INT, v INT, FOREIGN KEY (p) REFERENCES hung.p (id))",
    "CREATE TABLE hung.r (id INT PRIMARY KEY, v INT)",
    "CREATE TABLE hung.s (id INT PRIMARY KEY, v INT)",
    "CREATE TRIGGER hung.lost BEFORE INSERT ON hung.c FOR EACH ROW SET NEW.v = 1",
    "CREATE TRIGGER hung.changed BEFORE UPDATE ON hung.c FOR EACH ROW SET NEW.v = 2",
    "CREATE TRIGGER hung.taken BEFORE INSERT ON hung.r FOR EACH ROW SET NEW.v = 3",
    "CREATE TRIGGER hung.quiet BEFORE INSERT ON hung.s FOR EACH ROW SET NEW.v = 4",
    "INSERT INTO hung.p VALUES (1), (2)",
    "INSERT INTO hung.c VALUES (1, 1, 0)",
    "INSERT INTO hung.r VALUES (1, 0)",
    "INSERT INTO hung.s VALUES (1, 0)",
)
UNHUNG = (
    "DELETE FROM hung.p WHERE id = 2",  # ties hung.c to what is brought back, and that has lost no row
    "DROP TRIGGER hung.lost",
    "DROP TRIGGER hung.changed",
    "CREATE TRIGGER hung.changed BEFORE UPDATE ON hung.c FOR EACH ROW SET NEW.v = 22",
    "RENAME TABLE hung.r TO hung.r_old",
    "DROP TRIGGER hung.quiet",
    "CREATE TRIGGER hung.quiet BEFORE INSERT ON hung.s FOR EACH ROW SET NEW.v = 44",
)


def triggers(estate: Estate) -> dict[str, tuple[str, str]]:
    """Return the triggers of the schema `hung`, by name: table and what they do."""
    with estate.source.connect() as database:
        rows = database.rows("SELECT trigger_name, event_object_table, action_statement"
                             " FROM information_schema.triggers WHERE trigger_schema = 'hung'")  # fmt: skip
    return {name: (table, does) for name, table, does in rows}


@pytest.mark.parametrize("definitions", ["source", "copy"])
def test_triggers_come_back_on_tables_that_lost_no_row_and_beside_one_that_was_renamed_away(
    estate: Estate, definitions: str
) -> None:
    estate.make(*HUNG)
    run(estate.source, *UNHUNG)
    had = triggers(estate)
    proof, choices = prove(estate.copy, estate.source), CopyChoices(definitions=definitions)
    plan = propose_copy_back(estate.copy, estate.source, proof=proof, choices=choices, now=NOW)
    done = apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
    found = verify_copied(estate.copy, estate.source, done)
    assert found is not None
    assert found.failures == ()
    changed, quiet = ("2", "4") if definitions == "copy" else ("22", "44")
    assert triggers(estate) == {
        "lost": ("c", "SET NEW.v = 1"), "changed": ("c", f"SET NEW.v = {changed}"), "taken": ("r", "SET NEW.v = 3"),
        "quiet": ("s", f"SET NEW.v = {quiet}"), "taken_1": ("r_old", "SET NEW.v = 3"),
    }  # fmt: skip
    said = "becomes again what it was" if definitions == "copy" else "is left so"
    for name in ("changed", "quiet"):
        assert any(note.startswith(f"trigger hung.{name} was changed since") and said in note for note in plan.notes)
    undo = propose_undo(estate.source)
    apply_undo(estate.source, undo, approve=undo.id)
    assert triggers(estate) == had


def test_names_that_something_else_has_now_and_definitions_that_are_left_are_said_in_the_plan(estate: Estate) -> None:
    estate.make(
        "CREATE DATABASE odd", "CREATE TABLE odd.t (id INT PRIMARY KEY)", "CREATE VIEW odd.v AS SELECT 1 AS id",
        "CREATE TABLE odd.k (id INT PRIMARY KEY, a INT, b INT, KEY k (a))",
    )  # fmt: skip
    run(
        estate.source, "DROP TABLE odd.t", "CREATE VIEW odd.t AS SELECT 1 AS id", "DROP VIEW odd.v",
        "CREATE TABLE odd.v (id INT PRIMARY KEY)", "ALTER TABLE odd.k DROP KEY k, ADD KEY k (b)",
    )  # fmt: skip
    proof = prove(estate.copy, estate.source)
    plan, checks = propose_with_checks(estate.copy, estate.source, proof=proof, now=NOW)
    notes = "\n".join(plan.notes)
    assert "view odd.v is lost, and is not brought back: a table has its name now" in notes
    assert "defined otherwise since, and left so: odd.k" in notes
    (stop,) = (check for check in checks if check.subject == "names of lost tables")
    assert (stop.state, "view odd.t" in stop.sentence) == ("bad", True)
    with pytest.raises(CheckFailed, match=r"view odd\.t"):
        apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
