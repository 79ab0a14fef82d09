"""Which second is proposed, and when none is: the evidence of a timeline, weighed without guessing."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from runbook_lib.timeline import LogGap, Series
from runbook_lib.timeline.second import Proposal, propose_second
from tests.builders import NOW, dropped, glue_run, timeline

LOAD = NOW - timedelta(hours=3)
WIPE = LOAD + timedelta(seconds=83)
SECOND = timedelta(seconds=1)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def volume(*sizes: float, last: datetime = NOW) -> Series:
    """A volume's sizes in GiB, one every 5 minutes up to `last`."""
    points = [(last - 5 * MINUTE * step, size) for step, size in enumerate(reversed(sizes))]
    return Series(metric="VolumeBytesUsed", title="volume size", unit="GiB", points=tuple(sorted(points)))


def seconds(proposal: Proposal) -> list[datetime]:
    return [one.second for one in proposal.candidates]


def test_the_last_second_before_the_failed_runs_first_drop_is_proposed_with_its_neighbours() -> None:
    night = glue_run(started=LOAD - 20 * HOUR)
    proposal = propose_second(
        timeline(
            runs=(night, glue_run(started=LOAD, state="FAILED")),
            destructions=(
                *dropped(night.started + MINUTE, "rooms", "tenants", back=True),
                *dropped(WIPE, "rooms", "tenants"),
                *dropped(WIPE + 20 * SECOND, "keys"),
            ),
        )
    )
    assert proposal.second == WIPE - SECOND
    assert proposal.neighbours == (
        (WIPE - SECOND - MINUTE, "one minute before"),
        (WIPE - SECOND, "proposed"),
        (WIPE - SECOND + MINUTE, "one minute after"),
    )
    assert proposal.chosen is not None
    assert "FAILED" in proposal.chosen.evidence[0]
    assert "DROP TABLE of staging.rooms" in proposal.chosen.evidence[1]
    assert "3 not made again" in proposal.chosen.evidence[2]
    assert "1 other reload dropped tables too and brought them all back" in proposal.known


def test_a_run_that_succeeded_but_lost_tables_did_the_damage() -> None:
    proposal = propose_second(
        timeline(runs=(glue_run(started=LOAD),), destructions=(*dropped(WIPE, "a", back=True), *dropped(WIPE, "b")))
    )
    assert proposal.second == WIPE - SECOND


def test_good_nights_alone_point_at_nothing() -> None:
    nights = [glue_run(started=LOAD - days * 20 * HOUR) for days in (0, 1)]
    drops = [one for night in nights for one in dropped(night.started + MINUTE, "rooms", back=True)]
    proposal = propose_second(timeline(runs=tuple(nights), destructions=tuple(drops)))
    assert (proposal.second, proposal.candidates) == (None, ())
    assert "nothing that was lost" in proposal.why


def test_a_table_that_every_night_drops_and_leaves_empty_is_no_damage() -> None:
    nights = [glue_run(started=LOAD - days * 20 * HOUR) for days in (0, 1)]
    drops = [one for night in nights for one in dropped(night.started + MINUTE, "apartments_of_basis")]
    proposal = propose_second(timeline(runs=tuple(nights), destructions=tuple(drops)))
    assert proposal.second == nights[1].started + MINUTE - SECOND, "only the first time took anything away"


def test_without_the_binary_log_the_failed_run_gives_the_second_before_its_start_and_says_so() -> None:
    runs = (glue_run(started=LOAD - 20 * HOUR), glue_run(started=LOAD, state="FAILED"))
    proposal = propose_second(timeline(runs=runs, log=False))
    assert proposal.second == LOAD - SECOND
    assert proposal.chosen is not None
    assert "not before its first statement" in proposal.chosen.doubts[0]
    assert "binary log: the server writes no binary log" in proposal.known


def test_without_glue_evidence_the_log_alone_gives_the_second_and_the_missing_evidence_is_named() -> None:
    for refused in ({}, {"Glue runs": "could not be looked at: permission glue:GetJobRuns"}):
        proposal = propose_second(timeline(destructions=dropped(WIPE, "rooms", "tenants"), unread=refused))
        assert proposal.second == WIPE - SECOND
        assert proposal.chosen is not None
        assert proposal.chosen.what == "statements of no known Glue run"
        assert any("glue:GetJobRuns" in doubt for doubt in proposal.chosen.doubts) == bool(refused)


def test_with_neither_glue_nor_log_nothing_is_proposed_and_what_is_missing_is_said() -> None:
    proposal = propose_second(timeline(log=False, unread={"Glue runs": "could not be looked at"}))
    assert (proposal.second, proposal.candidates) == (None, ())
    assert "the Glue runs could not be read, and the binary log could not be read" in proposal.why


def test_runs_that_all_succeeded_are_shown_without_a_choice_when_there_is_no_log() -> None:
    runs = (glue_run(started=LOAD - 20 * HOUR), glue_run(started=LOAD))
    proposal = propose_second(timeline(runs=runs, log=False))
    assert proposal.second is None
    assert seconds(proposal) == [run.started - SECOND for run in runs]


def test_two_wipes_are_both_shown_and_neither_is_chosen() -> None:
    first, second = glue_run(started=LOAD - 5 * HOUR), glue_run(started=LOAD, state="FAILED")
    proposal = propose_second(
        timeline(
            runs=(first, second), destructions=(*dropped(first.started + MINUTE, "rooms"), *dropped(WIPE, "tenants"))
        )
    )
    assert proposal.second is None
    assert seconds(proposal) == [first.started + MINUTE - SECOND, WIPE - SECOND]
    assert len(proposal.neighbours) == 6
    assert "disagrees" in proposal.why


def test_two_failed_runs_without_a_log_are_both_shown() -> None:
    runs = (glue_run(started=LOAD - HOUR, state="TIMEOUT"), glue_run(started=LOAD, state="FAILED"))
    proposal = propose_second(timeline(runs=runs, log=False))
    assert (proposal.second, seconds(proposal)) == (None, [run.started - SECOND for run in runs])


def test_a_failed_run_that_destroyed_nothing_and_a_wipe_of_nobody_known_are_both_shown() -> None:
    proposal = propose_second(
        timeline(
            runs=(glue_run(started=LOAD, state="FAILED"),), destructions=dropped(LOAD - 5 * HOUR, "rooms", "tenants")
        )
    )
    assert proposal.second is None
    assert seconds(proposal) == [LOAD - 5 * HOUR - SECOND, LOAD - SECOND]
    assert any("no statement of it that destroys" in doubt for doubt in proposal.candidates[1].doubts)


def test_a_failed_run_that_destroyed_nothing_does_not_compete_with_the_run_that_did() -> None:
    harmless = glue_run(started=LOAD - 5 * HOUR, state="FAILED")
    proposal = propose_second(
        timeline(runs=(harmless, glue_run(started=LOAD)), destructions=dropped(WIPE, "rooms", "tenants"))
    )
    assert proposal.second == WIPE - SECOND
    assert any("destroyed nothing that the log shows" in line for line in proposal.known)


def test_a_damage_that_lasted_an_hour_is_one_damage_and_goes_back_before_its_first_statement() -> None:
    long = tuple(one for step in range(0, 61, 10) for one in dropped(WIPE + step * MINUTE, f"table_{step}"))
    for runs in ((), (glue_run(started=LOAD, minutes=65, state="STOPPED"),)):
        proposal = propose_second(timeline(runs=runs, destructions=long))
        assert proposal.second == WIPE - SECOND
        assert proposal.chosen is not None
        assert proposal.chosen.ended == (runs[0].completed if runs else WIPE + HOUR)
        assert any(
            "it lasted 1 hour" in line and "in every second between" in line for line in proposal.chosen.evidence
        )


def test_a_volume_that_fell_before_the_failed_run_contradicts_it() -> None:
    fell = volume(600, 600, 400, 400, last=LOAD - 2 * HOUR)
    run = glue_run(started=LOAD, state="FAILED")
    proposal = propose_second(timeline(runs=(run,), series=(fell,), log=False))
    assert proposal.second is None
    assert [one.what for one in proposal.candidates] == [
        "a volume that became smaller",
        "Glue job daily_etl, run jr_220900",
    ]
    after = volume(600, 600, 400, last=LOAD + HOUR)
    assert propose_second(timeline(runs=(run,), series=(after,), log=False)).second == LOAD - SECOND


def test_a_falling_volume_alone_is_told_but_does_not_give_the_second() -> None:
    proposal = propose_second(timeline(series=(volume(600, 600, 300),), log=False))
    assert proposal.second is None
    assert "600.0 to 300.0 GiB" in proposal.candidates[0].evidence[0]


def test_a_run_that_is_still_going_on_is_to_be_stopped_first() -> None:
    run = glue_run(started=LOAD, state="RUNNING")
    going = type(run)(job=run.job, run_id=run.run_id, started=run.started, completed=None, state="RUNNING")
    chosen = propose_second(timeline(runs=(going,), destructions=dropped(WIPE, "rooms"))).chosen
    assert chosen is not None
    assert any("stop it" in doubt for doubt in chosen.doubts)


def test_a_log_that_begins_in_the_midst_of_the_damage_is_doubted() -> None:
    late = timeline(runs=(glue_run(started=LOAD, state="FAILED"),), destructions=dropped(WIPE, "rooms"))
    chosen = propose_second(type(late)(**{**vars(late), "log_since": WIPE - 5 * SECOND})).chosen
    assert chosen is not None
    assert any("binary log begins only at" in doubt for doubt in chosen.doubts)


def test_while_a_part_of_the_log_was_not_read_nothing_is_said_to_be_whole() -> None:
    gap = LogGap(since=WIPE - HOUR, until=WIPE - MINUTE, events=7, why="an event of the unknown kind 77")
    night = glue_run(started=LOAD - 20 * HOUR)
    back = dropped(night.started + MINUTE, "rooms", back=True)
    nothing = propose_second(replace(timeline(runs=(night,), destructions=back), gaps=(gap,)))
    said = " ".join((nothing.why, *nothing.known))
    assert "unknown kind 77" in said
    assert "a part was not read" in nothing.why
    assert "nothing that was lost" not in said
    assert "brought them all back" not in said
    chosen = propose_second(replace(timeline(destructions=dropped(WIPE, "rooms")), gaps=(gap,))).chosen
    assert chosen is not None
    assert any("may have begun there" in doubt for doubt in chosen.doubts)


def test_what_the_log_cannot_tell_is_said_and_never_taken_for_nothing() -> None:
    proposal = propose_second(replace(timeline(), untold=("3 statements are logged as text",)))
    assert "nothing that was lost" not in proposal.why
    assert "binary log: 3 statements are logged as text" in proposal.known


def test_a_table_of_unknown_size_that_got_some_rows_again_is_doubted_and_not_called_back() -> None:
    emptied = replace(dropped(WIPE, "rooms")[0], kind="TRUNCATE", written=3)
    alone = propose_second(timeline(destructions=(emptied,)))
    assert alone.second == WIPE - SECOND
    assert alone.chosen is not None
    assert any("does not tell how many rows" in doubt for doubt in alone.chosen.doubts)
    by_a_good_run = propose_second(timeline(runs=(glue_run(started=LOAD),), destructions=(emptied,)))
    assert (by_a_good_run.second, by_a_good_run.candidates) == (None, ())
    assert any("is back is not known" in line for line in by_a_good_run.known)
    by_a_failed_run = timeline(runs=(glue_run(started=LOAD, state="FAILED"),), destructions=(emptied,))
    assert propose_second(by_a_failed_run).second == WIPE - SECOND


def test_what_other_nights_did_too_is_no_damage_and_the_damage_beside_it_begins_with_its_own_statement() -> None:
    usual = replace(dropped(WIPE - 9 * MINUTE, "prices")[0], kind="UPDATE", rows=900, of=900, usual=True)
    wrong = replace(dropped(WIPE, "prices")[0], kind="UPDATE", rows=900, of=900, columns=("name",), flat=("name",))
    assert propose_second(timeline(destructions=(usual,))).candidates == ()
    proposal = propose_second(timeline(destructions=(usual, wrong)))
    assert proposal.second == WIPE - SECOND
    assert proposal.chosen is not None
    assert any("one value everywhere in name" in line for line in proposal.chosen.evidence)
