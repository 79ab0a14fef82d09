"""The notebook as it stands, asked about incidents that no DROP made: the right second, or that there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import papermill
import pytest

from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import iso, utc_now
from tests.incidents import SECOND, Incident, incidents, tell

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "inspect_backups.ipynb"
NAMES = (
    "one value everywhere",
    "a column became NULL",
    "the wrong rows joined",
    "most rows by arithmetic",
    "nothing",
)


@pytest.fixture(scope="module")
def lived(engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Incident]]:
    """Incidents that have happened to the source of a stand-in, five days apart, the last one yesterday."""
    with StandIn(engine, folder=tmp_path_factory.mktemp("lived")) as stand_in, stand_in.control.in_environment():
        last = utc_now().replace(microsecond=0) - timedelta(hours=13)
        kinds = {kind.name: kind for kind in incidents()}
        happened = [
            replace(kinds[name], at=last - (len(NAMES) - 1 - number) * timedelta(days=5))
            for number, name in enumerate(NAMES)
        ]
        with stand_in.admin() as database:
            for incident in happened:
                tell(database, incident)
        yield happened


@pytest.mark.release
def test_each_incident_is_read_by_the_notebook(lived: list[Incident], tmp_path: Path) -> None:
    for incident in lived:
        read = papermill.execute_notebook(
            NOTEBOOK,
            tmp_path / f"{incident.schema}.ipynb",
            parameters={"timestamp": iso(incident.at + timedelta(minutes=30)), "timezone": "UTC", "glue_jobs": ""},
            progress_bar=False,
            kernel_name="python3",
        )
        outputs = [output for cell in read.cells for output in cell.get("outputs", ())]
        shown = "\n".join(output["data"].get("text/plain", "") for output in outputs if "data" in output)
        if not incident.told:
            assert "No second is proposed" in shown, shown
            continue
        kind, _, table = incident.told.rpartition(" ")
        assert f'"{iso(incident.at - SECOND)}"' in shown, shown
        assert f"{kind} {incident.schema}.{table}" in shown, shown
        assert "No second is proposed" not in shown
        assert "nothing that was lost" not in shown
