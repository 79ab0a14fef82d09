"""The notebook as it stands, asked about incidents of every kind: the right second, or that there is none."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import papermill
import pytest

from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import iso, utc_now
from tests.incidents import NIGHTS_MADE, SECOND, Incident, at, incidents, night, tell
from tests.stepping import Stepped

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "inspect_backups.ipynb"
NAMES = (
    "one value everywhere",
    "a column became NULL",
    "the wrong rows joined",
    "most rows by arithmetic",
    "nothing",
)


@pytest.fixture
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
        require_told(
            incident, "\n".join(output["data"].get("text/plain", "") for output in outputs if "data" in output)
        )


def require_told(incident: Incident, shown: str) -> None:
    """Hold what the notebook showed against the incident."""
    if not incident.told:
        assert "No second is proposed" in shown, (incident.name, shown)
        return
    kind, _, table = incident.told.rpartition(" ")
    assert f'"{iso(incident.at - SECOND)}"' in shown, (incident.name, shown)
    assert f"{kind} {incident.schema}.{table}".rstrip(".") in shown, (incident.name, shown)
    assert "No second is proposed" not in shown, incident.name
    assert "nothing that was lost" not in shown, incident.name
    assert "brought them all back" not in shown, incident.name


@pytest.fixture
def every_kind(engine: Engine, tmp_path: Path) -> Iterator[tuple[list[Incident], list[datetime]]]:
    """Every kind on one server, five days apart, then thirty ordinary nights, the last one yesterday.

    Four more stand before them: what a job's updates usually are is known by past nights.
    """
    with StandIn(engine, folder=tmp_path) as stand_in, stand_in.control.in_environment():
        last = utc_now().replace(microsecond=0) - timedelta(hours=13)
        nights = [last - timedelta(days=33 - number) for number in range(34)]
        kinds = list(incidents())
        first = nights[0] - (len(kinds) + 1) * timedelta(days=5)
        happened = [replace(kind, at=first + number * timedelta(days=5)) for number, kind in enumerate(kinds)]
        with stand_in.admin() as database:
            for incident in happened:
                tell(database, incident)
                database.execute("FLUSH BINARY LOGS")
            at(database, nights[0] - timedelta(days=1), *NIGHTS_MADE)
            for number, moment in enumerate(nights):
                night(database, moment, number)
                database.execute("FLUSH BINARY LOGS")
        yield happened, nights


@pytest.mark.release
def test_every_kind_and_thirty_nights_are_read_by_the_notebook(
    every_kind: tuple[list[Incident], list[datetime]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Cell after cell in one process: a kernel for each would take most of the time."""
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    happened, nights = every_kind

    def shown(name: str, moment: datetime) -> str:
        typed = {"timestamp": iso(moment), "timezone": "UTC", "glue_jobs": ""}
        page = Stepped("inspect_backups", tmp_path / name, **typed)
        try:
            page.run_to(page.code[-1])
            assert page.errors == {}
            return "\n".join(page.texts.values())
        finally:
            page.stop()

    wrong = []
    for incident in happened:
        try:
            require_told(incident, shown(incident.schema, incident.at + timedelta(minutes=30)))
        except AssertionError as error:
            wrong.append(str(error))
    for number, moment in enumerate(nights[4:]):
        text = shown(f"night_{number}", moment + timedelta(minutes=30))
        wrong += [] if "No second is proposed" in text else [f"{moment}: {text}"]
    assert wrong == []
    assert (sum(bool(kind.told) for kind in happened), len(nights[4:])) >= (24, 30)
