"""The shapes that a copy back meets, each brought back by the notebook's own cells on a restored cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from runbook_lib.clusters import describe_cluster, find_cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.errors import CheckFailed
from runbook_lib.mysql import Database
from runbook_lib.proof import Side
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import iso, utc_now
from tests.conftest import QUICK
from tests.test_bringback_copy_shapes import (
    BY_COPY,
    BY_SOURCE,
    DAMAGE,
    LONG,
    MERGED,
    ODD,
    OF_MARIADB,
    ROWS,
    WRITTEN,
    held,
    run,
)
from tests.test_policy import run_notebook

pytestmark = pytest.mark.release
EQUAL = "keys that are equal and not the same"
SCHEMAS = ("odd", "alone", *LONG)
ALONE = (
    "CREATE DATABASE alone",
    "CREATE TABLE alone.t (id INT PRIMARY KEY, v INT)",
    "CREATE TRIGGER alone.g BEFORE INSERT ON alone.t FOR EACH ROW SET NEW.v = 5",
    "CREATE FUNCTION alone.f(a INT) RETURNS INT DETERMINISTIC RETURN a + 1",
    "CREATE VIEW alone.w AS SELECT alone.f(id) AS x FROM alone.t",
    "CREATE PROCEDURE alone.p() SELECT 1",
    "CREATE EVENT alone.e ON SCHEDULE EVERY 1 DAY STARTS '2036-01-01 00:00:00' DO SET @a = 1",
)
LOST_ALONE = ("TRIGGER alone.g", "VIEW alone.w", "FUNCTION alone.f", "PROCEDURE alone.p", "EVENT alone.e")
LOST_OF_MARIADB = (
    "DROP TABLE odd.numbered", "DROP SEQUENCE odd.numbers", "DELETE FROM odd.versions", "SET sql_mode = 'ORACLE'",
    "DROP PACKAGE odd.pack",
)  # fmt: skip


@dataclass
class Case:
    """A damaged source and its restored copy, and what the notebook is asked."""

    stand_in: StandIn
    copy_name: str
    whole: dict[str, Any]

    @property
    def source(self) -> Side:
        return Side(name="source", connect=self.open_source)

    def open_source(self) -> Database:
        """Connect as the account that notebooks use: what it makes, it may make again."""
        session = self.stand_in.session()
        source = find_cluster(session, self.stand_in.cluster)
        return open_database(source, credentials_for(session, source))

    def notebook(self, **typed: str) -> dict[str, Any]:
        return run_notebook("bring_back_data", cluster=self.stand_in.cluster, copy=self.copy_name, **typed)

    def bring_back(self, **typed: str) -> dict[str, Any]:
        """Read the plan, approve it, and require that all of it was done and found right."""
        planned = self.notebook(**typed)
        assert planned["result"].outcome == "planned", planned["result"].headline
        done = self.notebook(**typed, approve=planned["proposed"].id)
        assert done["result"].outcome == "succeeded", done["result"].headline
        return done

    def rows(self) -> dict[str, list[Any]]:
        with self.stand_in.admin() as database:
            return {name: database.rows(f"SELECT {what} FROM m.{name} ORDER BY 1, 2") for name, what in ROWS.items()}


@pytest.fixture(scope="module")
def case(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Case]:
    folder = tmp_path_factory.mktemp("cases")
    with StandIn(engine, folder=folder, pace=QUICK) as stand_in, stand_in.control.in_environment():
        made = Case(stand_in, "cases-restored", {})
        own = OF_MARIADB if engine.is_mariadb else ()
        run(made.source, *_kept(ODD), *own, "SET sql_mode = DEFAULT", *MERGED, *ALONE)
        made.whole = held(made.source, SCHEMAS) | objects(stand_in.admin())
        time.sleep(1.1)
        second = utc_now().replace(microsecond=0)
        time.sleep(1.1)
        typed = {"timestamp": iso(second), "cluster": stand_in.cluster, "target": made.copy_name, "glue_jobs": ""}
        planned = run_notebook("restore_to_timestamp", **typed)
        run_notebook("restore_to_timestamp", **typed, approve=planned["plan"].id)
        assert describe_cluster(stand_in.session(), made.copy_name).status == "available"
        lost = LOST_OF_MARIADB if engine.is_mariadb else ()
        run(made.source, *_kept(DAMAGE), *lost, *WRITTEN, *(f"DROP {what}" for what in LOST_ALONE))
        yield made


def _kept(statements: tuple[str, ...]) -> tuple[str, ...]:
    """Leave out the table in memory: no restore brings its rows."""
    return tuple(statement for statement in statements if "kept_in_mind" not in statement)


def objects(database: Database) -> dict[str, Any]:
    """Return the triggers, views and events of the schema `alone`, as the server shows them."""
    with database:
        return {
            "triggers": database.rows("SELECT trigger_name, action_statement FROM information_schema.triggers"
                                      " WHERE trigger_schema = 'alone'"),
            "events": database.rows("SELECT event_name, event_definition FROM information_schema.events"
                                    " WHERE event_schema = 'alone'"),
        }  # fmt: skip


def test_odd_shapes_and_lost_objects_come_back_and_go_again_on_undo(case: Case) -> None:
    had = held(case.source, SCHEMAS) | objects(case.stand_in.admin())
    assert had != case.whole
    case.bring_back(way="copy", tables=", ".join(SCHEMAS), definitions="copy")
    assert held(case.source, SCHEMAS) | objects(case.stand_in.admin()) == case.whole
    case.bring_back(way="undo copy")
    assert held(case.source, SCHEMAS) | objects(case.stand_in.admin()) == had


def test_rows_written_since_are_decided_or_listed_whatever_key_they_share(case: Case) -> None:
    stopped = case.notebook(way="copy", tables="m", rows="keep new")
    for name in ("m.two", "m.moved"):
        assert any(name in check.sentence for check in stopped["proposed"].checks if check.state == "bad"), name
    alike = {"way": "copy", "tables": "m.letters, m.alike", "rows": "keep new"}
    planned = case.notebook(**alike)["proposed"]
    (foreseen,) = (check.sentence for check in planned.checks if check.subject == EQUAL)
    for said in ("m.letters: 1 rows (k: 'ABC' and 'abc')", "m.alike: 2 rows (n, k: 1, 'café' and 1, 'cafe'"):
        assert said in foreseen
    with pytest.raises(CheckFailed, match=EQUAL):
        case.notebook(**alike, approve=planned.id)
    for conflicts, right in (("copy", BY_COPY), ("source", BY_SOURCE)):
        case.bring_back(way="copy", tables="m", rows="keep new", conflicts=conflicts)
        assert case.rows() == right
        case.bring_back(way="undo copy")
    case.bring_back(way="copy", tables="m.moved", rows="newer wins by u")
    assert case.rows()["moved"] == BY_SOURCE["moved"]
