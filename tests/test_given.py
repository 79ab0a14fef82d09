"""What was made from choices is refused once the choices are others, whatever was run in between."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from runbook_lib.approval import is_approved, require_checks
from runbook_lib.checks import bad
from runbook_lib.errors import ApprovalRefused, CheckFailed
from runbook_lib.given import Given


@dataclass(frozen=True, kw_only=True)
class Choices:
    rows: str = "replace"
    tables: str = ""


@dataclass(frozen=True)
class Plan:
    id: str = "abc123"


def planned(names: dict[str, Any]) -> tuple[Given, Plan]:
    given = Given(names)
    return given, given.keep(Plan(), given.choices(Choices))


def test_a_plan_of_the_choices_is_approved_by_its_id_alone() -> None:
    names = {"rows": "keep new", "tables": "", "approve": ""}
    given, plan = planned(names)
    assert not is_approved(plan, given)
    names["approve"] = " abc123 "
    assert is_approved(plan, given)
    names["approve"] = "zzz"
    with pytest.raises(ApprovalRefused, match="is not the id of this plan"):
        is_approved(plan, given)


def test_a_plan_of_other_choices_is_refused_approved_or_not() -> None:
    names = {"rows": "replace", "tables": "", "approve": "abc123"}
    given, plan = planned(names)
    names["rows"] = "keep new"
    with pytest.raises(ApprovalRefused) as refused:
        is_approved(plan, given)
    assert 'rows was "replace" then and is "keep new" now' in refused.value.message
    assert 'choose rows = "replace" again' in refused.value.hint
    with pytest.raises(ApprovalRefused):
        require_checks([bad("room", "none", "make some")], plan, approve=given)
    names["approve"] = ""
    with pytest.raises(ApprovalRefused):
        is_approved(plan, given)
    names |= {"rows": "replace", "approve": "abc123"}
    assert is_approved(plan, given), "the choices are those of the plan again"
    with pytest.raises(CheckFailed):
        require_checks([bad("room", "none", "make some")], plan, approve=given)


def test_what_is_made_of_something_stale_cannot_be_made() -> None:
    names: dict[str, Any] = {"cluster": "prod", "rows": "replace", "tables": "", "approve": ""}
    given = Given(names)
    pairing = given.keep(object(), "cluster", where='the cell under "Which two clusters?"')
    names["cluster"] = "other"
    with pytest.raises(ApprovalRefused, match="cluster was") as refused:
        given.keep(Plan(), pairing, given.choices(Choices))
    assert "Which two clusters?" in refused.value.hint


def test_what_was_done_belongs_to_the_plan_it_was_done_for() -> None:
    names = {"rows": "replace", "tables": "", "approve": ""}
    given, plan = planned(names)
    done = given.keep(object(), plan)
    assert given.same(done, of=plan) is done
    again = given.keep(Plan(), given.choices(Choices))
    with pytest.raises(ApprovalRefused, match="made again"):
        given.same(done, of=again)


def test_what_no_cell_has_made_is_refused() -> None:
    with pytest.raises(ApprovalRefused, match="since the kernel started"):
        is_approved(Plan(), Given({"approve": "abc123"}))


def test_the_moment_that_latest_was_is_the_same_choice() -> None:
    names = {"timestamp": "latest", "approve": ""}
    given = Given(names)
    plan = given.keep(Plan(), "timestamp")
    given.fix(plan, {"timestamp": "2026-02-04T10:00:00Z"})
    names |= {"timestamp": "2026-02-04T10:00:00Z", "approve": "abc123"}
    assert is_approved(plan, given)
    names["timestamp"] = "2026-02-04T10:00:01Z"
    with pytest.raises(ApprovalRefused):
        is_approved(plan, given)
