"""The timeline of the told story, read from the stand-in as the notebook reads it, and the second proposed from it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from runbook_lib.backups import look_at_backups
from runbook_lib.clusters import find_cluster
from runbook_lib.restore import propose_second
from runbook_lib.timeline import Asked, Timeline, read_timeline
from runbook_lib.times import utc_now
from tests.builders import dropped, glue_run
from tests.conftest import Told

SECOND = timedelta(seconds=1)


def read(told: Told, **asked: object) -> Timeline:
    session = told.session
    cluster = find_cluster(session, told.stand_in.cluster)
    held = look_at_backups(session, cluster)
    question = Asked(now=utc_now(), **{"moment": None, "jobs": "daily_etl", **asked})
    return read_timeline(session, cluster, asked=question, snapshots=held.snapshots)


@pytest.fixture(scope="module")
def facts(told: Told) -> Timeline:
    return read(told)


@pytest.fixture
def refusing(told: Told) -> Iterator[Told]:
    yield told
    told.stand_in.control.faults.clear()


def test_every_source_of_the_story_is_read(told: Told) -> None:
    facts = read(told, hours=60)  # whatever the time of day is now: the failing night and one or two good ones
    assert [source.name for source in facts.sources if not source.was_read] == []
    assert facts.snapshots
    assert len([one for one in facts.destructions if one.at >= told.story.wiped_from]) == 81
    good = [run for run in facts.runs if facts.since <= run.started < told.story.wiped_from - timedelta(hours=1)]
    assert good
    for run in good:
        assert run.completed
        assert [one for one in facts.destructions if run.started <= one.at <= run.completed], run


def test_exactly_the_storys_second_is_proposed(told: Told, facts: Timeline) -> None:
    proposal = propose_second(facts)
    assert proposal.second == told.story.restore_point
    assert proposal.chosen is not None
    assert proposal.chosen.exact
    assert proposal.chosen.doubts == ()
    assert any("FAILED" in line for line in proposal.chosen.evidence)


@pytest.mark.one_engine
def test_it_is_the_same_whichever_moment_near_it_is_asked_about(told: Told) -> None:
    for moment in (told.story.restore_point, told.story.wiped_until + timedelta(minutes=5)):
        assert propose_second(read(told, moment=moment)).second == told.story.restore_point


def test_without_glue_evidence_the_log_gives_the_same_second(refusing: Told) -> None:
    refusing.stand_in.control.faults.deny("glue:*")
    proposal = propose_second(read(refusing))
    assert proposal.second == refusing.story.restore_point
    assert proposal.chosen is not None
    assert any("permission glue:GetJobRuns" in line for line in proposal.chosen.doubts)


def test_without_access_to_the_database_the_second_before_the_runs_start_is_proposed(refusing: Told) -> None:
    refusing.stand_in.control.faults.deny("secretsmanager:GetSecretValue")
    proposal = propose_second(read(refusing))
    assert proposal.second == refusing.story.glue_runs[-1].started_on - SECOND
    assert any("permission secretsmanager:GetSecretValue" in line for line in proposal.known)


@pytest.mark.one_engine
def test_with_neither_nothing_is_proposed(refusing: Told) -> None:
    refusing.stand_in.control.faults.deny("glue:*", "secretsmanager:GetSecretValue")
    proposal = propose_second(read(refusing))
    assert (proposal.second, proposal.candidates) == (None, ())
    assert len(proposal.known) == 3


def test_with_a_second_wipe_both_are_shown_and_none_is_chosen(told: Told, facts: Timeline) -> None:
    earlier = glue_run(started=told.story.wiped_from - timedelta(hours=6), state="FAILED")
    drop = dropped(earlier.started + timedelta(minutes=2), "seeds")
    proposal = propose_second(replace(facts, runs=(earlier, *facts.runs), destructions=(*drop, *facts.destructions)))
    assert proposal.second is None
    assert [one.second for one in proposal.candidates] == [drop[0].at - SECOND, told.story.restore_point]


@pytest.mark.thorough
def test_a_wipe_that_took_an_hour_goes_back_to_before_its_first_statement(told: Told, facts: Timeline) -> None:
    story = told.story
    wipe = [one for one in facts.destructions if one.at >= story.wiped_from]
    late = [
        replace(
            one,
            at=story.wiped_from + number * timedelta(seconds=45),
            until=story.wiped_from + number * timedelta(seconds=45),
        )
        for number, one in enumerate(wipe)
    ]
    runs = (*facts.runs[:-1], replace(facts.runs[-1], completed=story.wiped_from + timedelta(minutes=63)))
    proposal = propose_second(replace(facts, runs=runs, destructions=tuple(late)))
    assert proposal.second == story.restore_point
    assert proposal.chosen is not None
    assert any("it lasted 1 hour" in line for line in proposal.chosen.evidence)
