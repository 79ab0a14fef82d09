"""The rules for rows written since are read as they are written, and two that exclude each other are refused."""

from __future__ import annotations

import pytest

from runbook_lib.bringback.bring_back import Wanted
from runbook_lib.bringback.copy import CopyChoices
from runbook_lib.bringback.schedule import judge_schedule
from runbook_lib.errors import InputRefused
from runbook_lib.inventory import TableName
from runbook_lib.looking import Seen


def read_rules(rows: str, **more: str) -> CopyChoices:
    return Wanted(way="copy", rows=rows, **more).choices


APARTMENTS, ROOMS = TableName(schema="staging", name="apartments"), TableName(schema="staging", name="rooms")


def test_one_line_says_the_rule_for_all_and_the_exceptions() -> None:
    found = read_rules("keep new; staging.apartments: newer wins by updated_at; conflicts: source")
    assert (found.rule_of(ROOMS), found.rule_of(APARTMENTS)) == ("keep new", "newer wins")
    assert found.newer_column(APARTMENTS) == "updated_at"
    assert found.newer_column(ROOMS) == ""
    assert (found.conflicts, found.definitions) == ("source", "source")
    assert read_rules("keep new; definitions: copy").definitions == "copy"


def test_how_rows_travel_is_said_among_the_rules() -> None:
    found = read_rules("keep new; through: mydumper")
    assert (found.through, found.bucket, found.rows) == ("mydumper", "", "keep new")
    bucket = read_rules("through: s3-ap-northeast-1://recovery/tables; keep new")
    assert (bucket.through, bucket.bucket) == ("", "s3-ap-northeast-1://recovery/tables")


def test_a_column_for_all_tables_and_the_plain_default() -> None:
    assert read_rules("newer wins by updated_at").newer_column(ROOMS) == "updated_at"
    assert read_rules("").rule_of(ROOMS) == "replace"


@pytest.mark.parametrize(
    "text", ["keep new; replace", "keep it", "staging.rooms: merge", "conflicts: both", "definitions: mine"]
)
def test_what_is_no_rule_is_refused(text: str) -> None:
    with pytest.raises(InputRefused):
        read_rules(text)


@pytest.mark.parametrize(
    ("given", "hint"),
    [
        ({"rows": "keepnew"}, "replace, keep new, newer wins"),
        ({"rows": "Keep new"}, "replace, keep new, newer wins"),
        ({"rows": "newer wins"}, "newer wins by COLUMN"),
        ({"rows": "keep new by updated_at"}, "newer wins by COLUMN"),
        ({"rows": "keep new; conflict: source"}, 'Did you mean "conflicts: source"?'),
        ({"rows": "keep new; definition: copy"}, 'Did you mean "definitions: copy"?'),
        ({"rows": "keep new; replace"}, "schema.table: rule"),
        ({"rows": "keep new; conflicts: copy", "conflicts": "source"}, "Say it once"),
        ({"rows": "keep new", "conflicts": "both"}, '"copy" or "source"'),
        ({"rows": "keep new", "definitions": "mine"}, '"copy" or "source"'),
        ({"rows": "keep new", "through": "ftp"}, "mydumper"),
    ],
)
def test_a_mistyped_choice_is_never_the_default_and_is_refused_with_what_there_is(
    given: dict[str, str], hint: str
) -> None:
    with pytest.raises(InputRefused) as refused:
        Wanted(way="copy", **given)
    assert hint in refused.value.hint


def test_parameters_of_their_own_say_what_the_one_line_said() -> None:
    line = "keep new; staging.apartments: newer wins by updated_at; conflicts: source; definitions: copy; through: load"
    rows = "keep new; staging.apartments: newer wins by updated_at"
    assert read_rules(line) == read_rules(rows, conflicts="source", definitions="copy", through="load")


def test_a_way_that_is_none_is_refused_with_those_there_are() -> None:
    with pytest.raises(InputRefused) as refused:
        Wanted(way="rollback")
    assert "undo cutover" in refused.value.hint
    assert Wanted(way="undo copy").undo


def test_an_active_trigger_is_named_with_the_command_that_stops_it() -> None:
    trigger = {"Name": "nightly", "State": "ACTIVATED", "Type": "SCHEDULED", "Schedule": "cron(0 17 * * ? *)"}
    found = judge_schedule(Seen([{**trigger, "Actions": [{"JobName": "daily_etl"}]}]), region="ap-northeast-1")
    assert found.state == "warn"
    assert "nightly (cron(0 17 * * ? *)) starts daily_etl" in found.sentence
    assert "aws glue stop-trigger --region ap-northeast-1 --name nightly" in found.hint
    assert judge_schedule(Seen(why_not="could not be looked at"), region="x").state == "unknown"
    assert judge_schedule(Seen([{**trigger, "Type": "ON_DEMAND"}]), region="x").state == "ok"
