"""The story's bad load on a guarded night: told the evening before, refused in live data, held before it goes live."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from runbook_lib.records.run import RunRecord, run_notebook
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.guarded import LOADER, guarded_night, make_loader, run_job
from runbook_lib.rehearsal.rehearse import Clock
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.rehearsal.story import Story
from runbook_lib.times import utc_now
from tests.conftest import QUICK
from tests.records_support import make_record

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Evening:
    stand_in: StandIn
    story: Story


@pytest.fixture(scope="module")
def evening(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Evening]:
    with (
        StandIn(engine, folder=tmp_path_factory.mktemp("evening"), pace=QUICK) as stand_in,
        stand_in.control.in_environment(),
    ):
        story = stand_in.tell_story(wipe=False)
        make_loader(stand_in)
        yield Evening(stand_in, story)


@pytest.mark.release
@pytest.mark.one_engine
def test_a_healthy_week_gives_the_watch_nothing_to_say(evening: Evening, tmp_path: Path) -> None:
    """It should mind its first record only, and be quiet through the notebook as long as the story goes well."""
    stand, store = evening.stand_in, Store(tmp_path)
    source = stand.control.rds.cluster(stand.cluster)
    source.kms_key_id = stand.session().client("kms").create_key()["KeyMetadata"]["Arn"]
    stand.control.vault.lock("locked")
    stand.control.vault.put(source.arn, at=utc_now() - timedelta(days=1), vault="locked")
    done = utc_now() - timedelta(minutes=30)  # and tonight's load, which the story leaves to be run
    stand.control.history.glue_run("daily_etl", started=done - timedelta(minutes=5), completed=done)
    stand.control.history.automated_snapshot(stand.cluster, at=done)
    result = {"cluster": stand.cluster, "recovery": {"proof": "proved"}}
    make_record(store, notebook="drill_restore", incident="", result=result)

    whole = yaml.safe_load((ROOT / "parameters" / "schemas.yml").read_text())
    contract = tmp_path / "contract.yml"  # silver and gold are missing from the story's first day on
    contract.write_text(yaml.safe_dump({**whole, "schemas": {"staging": whole["schemas"]["staging"]}}))

    def watch() -> RunRecord:
        parameters = {"cluster": stand.cluster, "contract": str(contract)}
        return run_notebook(
            ROOT / "notebooks" / "watch_backups.ipynb",
            parameters={**parameters, "loader": f"{LOADER.user}@%"},
            store=store,
        )

    first = watch()
    assert first.headline == f"{stand.cluster}: to mind: settings-weakened, tables-lost.", first.headline
    second = watch()
    assert (second.exit_code, second.headline) == (0, f"{stand.cluster}: all 20 checks are ok.")


@pytest.mark.release
@pytest.mark.one_engine
def test_the_storys_bad_load_is_told_the_evening_before_refused_in_live_data_and_held_beside_it(
    evening: Evening, tmp_path: Path
) -> None:
    refused = run_job(evening.stand_in, schema="staging")
    assert "denied" in refused
    assert "DROP" in refused
    night = guarded_night(
        evening.stand_in,
        evening.story,
        notebooks=ROOT / "notebooks",
        store=Store(tmp_path),
        clock=Clock(lambda _: None),
    )
    assert night.left == ()
    assert "40 gone, 7 emptied, 6 partly filled" in night.tried
    held = " ".join(night.held)
    for subject in ("tables", "empty", "rows gone"):
        assert f"{subject}:" in held, held
    assert night.proved
    tried = json.loads((night.records[1].folder / "manifest.json").read_text())
    assert tried["exit_code"] == 3
