"""Each kind of incident alone, on real servers: the right second, or a sentence on what the log cannot tell."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from runbook_lib.mysql import Credentials
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.timeline import SourceRead, Timeline
from runbook_lib.timeline.destructions import LogReading, read_destructions
from runbook_lib.timeline.second import Proposal, propose_second
from runbook_lib.times import utc_text
from tests.incidents import BEGIN, NIGHTS_MADE, SECOND, Incident, at, incidents, night, tell

pytestmark = pytest.mark.thorough  # test_timeline_log and test_timeline_borders show most of it

MASTER = Credentials(user="admin", password="kinds-of-7")
KINDS = list(incidents())
LATER = KINDS[-1].at + timedelta(days=60)
NIGHTS = [LATER + timedelta(days=number) for number in range(31)]


@pytest.fixture(scope="module")
def reading(shared_plane: DataPlane) -> LogReading:
    """What the log of a server on which all of it happened tells, read once."""
    shared_plane.create("kinds", master=MASTER)
    shared_plane.open("kinds")
    with shared_plane.admin("kinds") as database:
        for incident in KINDS:
            tell(database, incident)
        at(database, NIGHTS[0] - timedelta(days=1), *NIGHTS_MADE)
        for number, moment in enumerate(NIGHTS):
            night(database, moment, number)
        at(database, NIGHTS[-1] + timedelta(hours=4), "UPDATE prices SET name = 'x'")
    return read_destructions(
        shared_plane.endpoint("kinds"), MASTER, since=BEGIN - timedelta(days=2), until=LATER + timedelta(days=60)
    )


def around(reading: LogReading, since: datetime, until: datetime) -> Proposal:
    """Propose a second from what a timeline of that time would hold."""
    return propose_second(
        Timeline(
            since=since,
            until=until,
            destructions=tuple(loss for loss in reading.destructions if since <= loss.at <= until),
            sources=(SourceRead(name="Glue runs"), SourceRead(name="binary log")),
            gaps=tuple(gap for gap in reading.gaps if since <= gap.since <= until),
            log_since=since,
        )
    )


@pytest.mark.parametrize("incident", [kind for kind in KINDS if kind.told], ids=lambda kind: kind.name)
def test_the_second_before_the_first_statement_is_proposed_and_what_it_took_is_named(
    reading: LogReading, incident: Incident
) -> None:
    proposal = around(reading, incident.since, incident.until)
    assert proposal.second == incident.at - SECOND, (proposal.why, proposal.candidates)
    assert proposal.chosen is not None
    kind, _, table = incident.told.rpartition(" ")
    named = f"{kind} {incident.schema}.{table}" if table else f"{kind} {incident.schema}"
    assert any(named in line for line in proposal.chosen.evidence), proposal.chosen.evidence
    said = " ".join((proposal.why, *proposal.known))
    assert "nothing that was lost" not in said
    assert "brought them all back" not in said


@pytest.mark.parametrize("incident", [kind for kind in KINDS if not kind.told], ids=lambda kind: kind.name)
def test_what_came_back_points_at_nothing(reading: LogReading, incident: Incident) -> None:
    proposal = around(reading, incident.since, incident.until)
    assert (proposal.second, proposal.candidates) == (None, ()), proposal.candidates


def test_thirty_ordinary_nights_with_updates_point_at_nothing(reading: LogReading) -> None:
    for moment in NIGHTS[1:-1]:
        proposal = around(reading, moment - timedelta(hours=12), moment + timedelta(hours=12))
        assert (proposal.second, proposal.candidates) == (None, ()), proposal.candidates


def test_an_update_that_no_other_night_made_is_found_beside_those_that_all_made(reading: LogReading) -> None:
    proposal = around(reading, NIGHTS[-1] - timedelta(hours=24), NIGHTS[-1] + timedelta(hours=24))
    assert proposal.second == NIGHTS[-1] + timedelta(hours=4) - SECOND
    assert proposal.chosen is not None
    evidence = " ".join(proposal.chosen.evidence)
    assert "200 rows of 200 (100%), one value everywhere in name" in evidence
    assert any("beside changes that other nights made too" in line for line in proposal.known)


def test_the_largest_transactions_are_known_by_what_they_changed(reading: LogReading) -> None:
    changes = [change for one in reading.transactions for change in one.tables]
    update = next(change for change in changes if change.updated == 900 and change.table.name == "parents")
    assert (update.columns, update.of, update.inserted, update.deleted) == (("name",), 900, 0, 0)
    assert reading.gaps == ()


def test_it_is_said_that_the_log_does_not_tell_what_another_type_cut(reading: LogReading) -> None:
    (wider,) = (kind for kind in KINDS if kind.name == "a column made wider")
    told = [sentence for sentence in reading.untold if "another type or character set" in sentence]
    assert told == [
        f"ALTER TABLE gave columns of {wider.schema}.parents another type or character set, the first at "
        f"{utc_text(wider.at)}: whether values were cut by it is not in the log"
    ]
