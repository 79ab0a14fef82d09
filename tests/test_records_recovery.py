"""Measured recovery: every figure is a difference of recorded moments, and what nobody recorded stays unknown."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from runbook_lib.records.recovery import Part, measure, recovery_lines

DAMAGE = datetime(2026, 2, 4, 17, 1, 20, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return DAMAGE + timedelta(minutes=minutes)


INSPECTED = Part(notebook="inspect_backups", started=at(240), began=None, finished=None, phases={}, damage_began=DAMAGE)
RESTORED = Part(
    notebook="restore_to_timestamp",
    started=at(250),
    began=at(251),
    finished=at(281),
    phases={
        "request the restore": 60,
        "wait for the cluster": 840,
        "create the writer": 60,
        "wait for the writer": 540,
    },
    restored=DAMAGE - timedelta(seconds=1),
)
BROUGHT_BACK = Part(
    notebook="bring_back_data",
    started=at(290),
    began=at(300),
    finished=at(312),
    phases={"take the name off": 240, "give the name": 120},
)


def seconds(*parts: Part, why: str = "") -> dict[str, float | None]:
    return {step.name: step.seconds for step in measure(parts, why_alone=why).steps}


def test_the_whole_incident_adds_up_to_the_time_from_the_damage_to_the_proof() -> None:
    found = measure([INSPECTED, RESTORED, BROUGHT_BACK])
    assert found.lost_seconds == 1
    assert found.total_seconds == 312 * 60
    steps = seconds(INSPECTED, RESTORED, BROUGHT_BACK)
    assert steps == {
        "detect": 240 * 60,
        "plan": 11 * 60,
        "restore": 900,
        "instances": 600,
        "proof": 300,
        "decide": 19 * 60,
        "bring back": 360,
        "proof afterwards": 360,
    }
    assert sum(took or 0 for took in steps.values()) == found.total_seconds


def test_without_a_look_at_the_damage_there_is_no_total_and_it_is_said_why() -> None:
    found = measure([RESTORED, BROUGHT_BACK])
    assert (found.lost_seconds, found.total_seconds) == (None, None)
    said = dict(recovery_lines(found.as_json()))
    assert said["recovery time achieved"] == said["recovery point achieved"] == "not known"
    assert "detect: not known: no record says when it began" in said["of that"]
    assert "restore: 15 minutes" in said["of that"]


def test_a_restore_alone_ends_when_the_copy_was_there() -> None:
    found = measure([INSPECTED, RESTORED])
    assert found.until == "the copy was there"
    assert found.total_seconds == 281 * 60
    assert seconds(INSPECTED, RESTORED)["bring back"] is None


def test_a_run_that_belongs_to_no_incident_claims_nothing_of_others() -> None:
    assert seconds(BROUGHT_BACK, why="no incident")["restore"] is None
    assert seconds(BROUGHT_BACK, why="no incident")["bring back"] == 360
