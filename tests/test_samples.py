"""Five databases in the shape of public samples through eleven kinds of damage, brought back by the notebooks.

What comes of it is held to a dump of every definition and value that shares no code with the library.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.clusters import describe_cluster, find_cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.mysql import quoted
from runbook_lib.records.run import run_notebook
from runbook_lib.records.session import RunRecord
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import iso, utc_now
from tests.conftest import QUICK
from tests.samples import KINDS, SAMPLES, damage, everything, make

pytestmark = pytest.mark.release
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
# Each round gives every database another kind: after eleven each has had each. Every round takes a minute or two.
ROUNDS = int(os.environ.get("RUNBOOK_TEST_ROUNDS", "0"))
MIXED = {"films": (2, 4, 5), "staff": (0, 6), "Music": (3, 8), "models": (7, 1, 9), "world": (10,)}


@dataclass
class Lived:
    """A stand-in with the five databases, and the copy of the second before they were damaged."""

    stand_in: StandIn
    store: Store
    copy: str
    whole: dict[str, object]

    def run(self, name: str, **parameters: Any) -> RunRecord:
        """Run a notebook twice: the plan, and what was approved of it."""
        path = NOTEBOOKS / f"{name}.ipynb"
        planned = run_notebook(path, parameters=parameters, store=self.store)
        assert planned.outcome == "planned", planned.lines
        assert planned.result is not None
        done = run_notebook(path, parameters={**parameters, "approve": planned.result["plan_id"]}, store=self.store)
        assert (done.outcome, done.exit_code) == ("succeeded", 0), done.lines
        return done

    def held(self, cluster: str) -> dict[str, object]:
        """Return what the server behind a cluster's name holds."""
        found = describe_cluster(self.stand_in.session(), cluster)
        with self.stand_in.data.admin(found.resource_id) as database:
            return everything(database)

    def hurt(self, kinds: dict[str, tuple[int, ...]]) -> dict[str, object]:
        """Damage the source; return what it then holds."""
        with self.stand_in.admin() as database:
            for sample in SAMPLES:
                for kind in kinds[sample.schema]:
                    database.execute(f"USE {quoted(sample.schema)}")
                    for statement in damage(sample, KINDS[kind]):
                        database.execute(statement)
        return self.held(self.stand_in.cluster)


@pytest.fixture(scope="module")
def lived(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lived]:
    folder = tmp_path_factory.mktemp("samples")
    with StandIn(engine, folder=folder / "plane", pace=QUICK) as stand_in, stand_in.control.in_environment():
        source = find_cluster(stand_in.session(), stand_in.cluster)
        with open_database(source, credentials_for(stand_in.session(), source)) as database:
            make(database)
        time.sleep(1.1)
        second = utc_now().replace(microsecond=0)
        time.sleep(1.1)
        made = Lived(stand_in, Store(folder / "records"), "samples-restored", {})
        made.whole = made.held(stand_in.cluster)
        made.run(
            "restore_to_timestamp", timestamp=iso(second), cluster=stand_in.cluster, target=made.copy, glue_jobs=""
        )
        yield made


def same(found: dict[str, object], expected: dict[str, object], *, beside: bool = False) -> None:
    """Compare two dumps name by name; `beside`: more may be there than expected."""
    assert sorted(expected.keys() - found.keys()) == []
    if not beside:
        assert sorted(found.keys() - expected.keys()) == []
    for what, held in expected.items():
        assert found[what] == held, what


def bring_back_and_undo(lived: Lived, kinds: dict[str, tuple[int, ...]]) -> None:
    source = lived.stand_in.cluster
    had = lived.hurt(kinds)
    assert had != lived.whole
    lived.run("bring_back_data", cluster=source, copy=lived.copy, way="copy", definitions="copy")
    same(lived.held(source), lived.whole, beside=True)
    lived.run("bring_back_data", cluster=source, copy=lived.copy, way="undo copy")
    same(lived.held(source), had)


def test_the_restored_copy_holds_every_definition_and_value(lived: Lived) -> None:
    same(lived.held(lived.copy), lived.whole)


def test_eleven_kinds_of_damage_are_copied_back_undone_and_cut_over(lived: Lived) -> None:
    source = lived.stand_in.cluster
    bring_back_and_undo(lived, MIXED)
    lived.run("bring_back_data", cluster=source, copy=lived.copy, way="cutover")
    same(lived.held(source), lived.whole)
    lived.run("bring_back_data", cluster=source, way="undo cutover")
    same(lived.held(lived.copy), lived.whole)


@pytest.mark.parametrize("turn", range(ROUNDS))
def test_every_kind_of_damage_to_every_database(lived: Lived, turn: int) -> None:
    source = lived.stand_in.cluster
    if lived.held(source) != lived.whole:  # the round before left its damage
        lived.run("bring_back_data", cluster=source, copy=lived.copy, way="copy", definitions="copy")
        same(lived.held(source), lived.whole, beside=True)
    bring_back_and_undo(lived, {sample.schema: ((turn + place * 2) % 11,) for place, sample in enumerate(SAMPLES)})
