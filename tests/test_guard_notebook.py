"""publish_load as it stands: a person approves, a standing approval lets a good night through and holds a bad one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.errors import InputRefused, RunbookError
from runbook_lib.guard.load import Wanted
from runbook_lib.guard.standing import read_standing
from runbook_lib.mysql import Database
from runbook_lib.records.earlier import past_loads
from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import utc_now
from tests.conftest import QUICK
from tests.publishing import LIVE, NEXT, Night, clear, load, make_live
from tests.test_policy import run_notebook as run_notebook_here

NOTEBOOK = Path(__file__).parents[1] / "notebooks" / "publish_load.ipynb"
STANDING = """
version: 1
covers: {covers}
live: {live}
signed_by: the owner
until: {until}
bounds: {{rows_gone_percent: 5, rows_changed_percent: 100, rows_added_percent: 20}}
"""


@dataclass
class Loaded:
    """A stand-in with a live schema that a load is published into, and the runs of the notebook against it."""

    admin: Database
    store: Store
    stand_in: StandIn
    folder: Path
    last: dict[str, Any] = field(default_factory=dict)

    def run(self, **parameters: Any) -> int:
        record = run_notebook(NOTEBOOK, parameters={"live": LIVE, **parameters}, store=self.store)
        content = json.loads((record.folder / "record.ipynb").read_text())
        outputs = [output for cell in content["cells"] for output in cell.get("outputs", ())]
        results = [o["data"]["application/json"] for o in outputs if "application/json" in o.get("data", {})]
        self.last = next((result["runbook_result"] for result in results if "runbook_result" in result), {})
        return record.exit_code

    def cells(self, **parameters: Any) -> int:
        """Run the cells in this process, as a kernel would; return the exit code that a headless run would end with."""
        try:
            result = run_notebook_here("publish_load", live=LIVE, **parameters)["result"]
        except RunbookError as error:
            return error.exit_code
        return 3 if result.outcome == "check-failed" else 0

    def standing(self, *, live: str = LIVE, until: date | None = None, covers: str = "publish") -> str:
        path = self.folder / "standing.yml"
        path.write_text(STANDING.format(live=live, until=until or utc_now().date() + timedelta(days=9), covers=covers))
        return str(path)

    def rooms(self) -> int:
        return int(self.admin.value(f"SELECT COUNT(*) FROM {LIVE}.rooms"))


@pytest.fixture(scope="module")
def stand_in(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandIn]:
    with (
        StandIn(engine, folder=tmp_path_factory.mktemp("loads"), pace=QUICK) as stand_in,
        stand_in.control.in_environment(),
    ):
        yield stand_in


@pytest.fixture
def loaded(stand_in: StandIn, tmp_path: Path) -> Iterator[Loaded]:
    with stand_in.admin() as admin:
        make_live(admin, definer="'admin'@'%'")
        yield Loaded(admin=admin, store=Store(tmp_path / "store"), stand_in=stand_in, folder=tmp_path)
        clear(admin)


@pytest.mark.both_at_release
@pytest.mark.thorough
def test_a_person_reads_the_plan_approves_it_and_takes_it_back(loaded: Loaded) -> None:
    assert loaded.run() == 3
    assert loaded.last["headline"] == f"There is no load to publish: `{NEXT}` is not there."
    load(loaded.admin, Night(houses=42, seed=2))
    assert (loaded.run(), loaded.last["outcome"], loaded.rooms()) == (0, "planned", 200)
    approve = loaded.last["next"][0].partition('approve="')[2].partition('"')[0]
    assert (loaded.run(approve="of-another"), loaded.rooms()) == (4, 200)
    assert (loaded.run(approve=approve), loaded.last["outcome"], loaded.rooms()) == (0, "succeeded", 210)
    assert (loaded.last["plan_id"], loaded.last["next"]) == (approve, ['To take it back: run again with way="undo".'])
    assert loaded.run(way="undo") == 0
    undo = loaded.last["next"][0].partition('approve="')[2].partition('"')[0]
    assert len(past_loads(LIVE, cluster=loaded.stand_in.cluster, store=loaded.store)) == 1
    assert (loaded.run(way="undo", approve=undo), loaded.last["outcome"], loaded.rooms()) == (0, "succeeded", 200)
    assert past_loads(LIVE, cluster=loaded.stand_in.cluster, store=loaded.store) == ()


@pytest.mark.one_engine
def test_a_standing_approval_publishes_within_its_bounds_and_holds_outside(loaded: Loaded) -> None:
    standing = loaded.standing()
    load(loaded.admin, Night(houses=42, seed=2))
    assert (loaded.run(standing=standing), loaded.rooms()) == (0, 210)
    assert "standing approval of the owner" in loaded.last["approved_by"]
    assert "sha256" in loaded.last["approved_by"]
    (past,) = past_loads(LIVE, cluster=loaded.stand_in.cluster, store=loaded.store)
    assert past.rows == {"houses": 42, "rooms": 210, "rates": 3}
    load(loaded.admin, Night(houses=36, seed=3))  # a seventh of the rows would go: no alarm, and outside the bounds
    assert (loaded.cells(standing=standing), loaded.rooms()) == (3, 210)
    loaded.admin.execute(f"DELETE FROM {NEXT}.rates")
    assert (loaded.cells(standing=standing), loaded.rooms()) == (3, 210)


@pytest.mark.thorough
@pytest.mark.one_engine
def test_a_trigger_of_an_account_that_may_not_be_spoken_for_stops_it_before_anything(loaded: Loaded) -> None:
    if loaded.admin.is_mariadb:
        pytest.skip("MariaDB's master user may name any definer")
    make_live(loaded.admin)  # its trigger belongs to the server's own superuser
    load(loaded.admin, Night(houses=42, seed=2))
    assert loaded.run(standing=loaded.standing()) == 3
    assert loaded.rooms() == 200
    assert not [name for (name,) in loaded.admin.rows("SHOW DATABASES") if str(name).startswith("runbook_publish_")]


@pytest.mark.thorough
@pytest.mark.one_engine
@pytest.mark.parametrize(
    "wrong", [{"live": "other"}, {"until": date(2026, 1, 1)}, {"covers": "restore"}, {"covers": "drop"}], ids=str
)
def test_a_standing_approval_that_does_not_count_is_refused(loaded: Loaded, wrong: dict[str, Any]) -> None:
    load(loaded.admin, Night(houses=42, seed=2))
    assert (loaded.cells(standing=loaded.standing(**wrong)), loaded.rooms()) == (2, 200)


def test_files_that_a_load_is_held_against_are_told_apart_and_others_refused() -> None:
    wanted = Wanted(live="staging", against="parameters/schemas.yml, target/run_results.json")
    assert (wanted.contract, wanted.run_results) == ("parameters/schemas.yml", "target/run_results.json")
    for against in ("schemas.txt", "a.yml, b.yaml", "a.json, b.json"):
        with pytest.raises(InputRefused, match="against"):
            Wanted(live="staging", against=against)


def test_a_file_that_covers_nothing_approves_nothing_and_says_where_the_load_is(tmp_path: Path) -> None:
    path = tmp_path / "publish.yml"
    path.write_text("version: 1\ncovers: nothing\nlive: staging\ninto: staging_new\nkeep: 5\n")
    signed = read_standing(str(path))
    assert (signed.covers_nothing, signed.approval.into, signed.approval.keep) == (True, "staging_new", 5)
    assert signed.refuses(live="staging", now=utc_now()) == ""
    for text in ("covers: publish", "covers: publish\nsigned_by: me", "covers: nothing\nkeep: 0", "covers: cutover"):
        path.write_text(f"version: 1\nlive: staging\n{text}\n")
        with pytest.raises(InputRefused, match="wrong at"):
            read_standing(str(path))
