"""A click chooses the value of a parameter; without a reader each widget is the static value that it stands beside."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from runbook_lib.display import interactive
from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown
from runbook_lib.given import Given


@dataclass(frozen=True)
class Plan:
    id: str = "abc123"


def sheet(plan: Plan, *, approve: str) -> str:
    return f"{plan.id} {'approved' if approve == plan.id else 'waits'}"


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Return the names of a notebook that somebody steps through."""
    monkeypatch.setenv(front.KERNEL_VARIABLE, str(os.getpid()))
    monkeypatch.setenv(front.NOTEBOOK_VARIABLE, "/project/lab/now/restore_to_timestamp.ipynb")
    shell = InteractiveShell.instance()
    yield shell.user_ns
    InteractiveShell.clear_instance()


def widgets(shown: Shown, kind: str) -> list[Any]:
    def below(one: Any) -> Iterator[Any]:
        yield one
        for child in getattr(one, "children", ()):
            yield from below(child)

    return [one for box in shown.widgets for one in below(box) if type(one).__name__ == kind]


def test_without_a_reader_a_plan_is_only_shown() -> None:
    assert not interactive.reader_is_there()
    assert interactive.approval(Plan(), sheet, Plan(), approve="") == "abc123 waits"


def test_a_process_started_from_the_notebook_has_no_reader(names: dict[str, Any]) -> None:
    assert interactive.reader_is_there()
    os.environ[front.KERNEL_VARIABLE] = "1"
    assert not interactive.reader_is_there()


def test_a_click_writes_the_plans_id_where_a_headless_run_takes_it(names: dict[str, Any]) -> None:
    shown = interactive.approval(Plan(), sheet, Plan(), approve="")
    assert shown.value == "abc123 waits"
    (button,) = widgets(shown, "Button")
    assert "abc123" in button.description
    button.click()
    assert names["approve"] == "abc123"
    assert 'approve = "abc123"' in widgets(shown, "HTML")[0].value.replace("&quot;", '"')


def test_what_touches_the_source_wants_its_name_typed(names: dict[str, Any]) -> None:
    shown = interactive.approval(Plan(), sheet, Plan(), approve="", touches="prod-aurora")
    (button,) = widgets(shown, "Button")
    (field,) = widgets(shown, "Text")
    assert button.disabled
    field.value = "prod"
    assert button.disabled
    field.value = "prod-aurora"
    assert not button.disabled


def test_a_plan_with_nothing_to_do_has_no_button(names: dict[str, Any]) -> None:
    assert interactive.approval(Plan(), sheet, Plan(), approve="", anything=()) == "abc123 waits"
    assert interactive.approval(Plan(id=""), sheet, Plan(), approve="") == "abc123 waits"


def test_a_button_is_closed_once_the_choices_are_others_and_opens_again_with_them(names: dict[str, Any]) -> None:
    names |= {"rows": "replace", "approve": ""}
    given = Given(names)
    plan = given.keep(Plan(), "rows")
    shown = interactive.approval(plan, sheet, plan, approve=given)
    (button,), (said,) = widgets(shown, "Button"), widgets(shown, "HTML")
    front.choose({"rows": "keep new", "approve": ""}, cell="ways")
    assert button.disabled
    assert "rows was &quot;replace&quot; then and is &quot;keep new&quot; now" in said.value
    front.choose({"rows": "replace"}, cell="ways")
    assert not button.disabled
    names["rows"] = "keep new"  # typed into the parameters cell and run: nobody tells the button
    button.click()
    assert names["approve"] == ""
    assert button.disabled


def test_a_plan_that_a_check_speaks_against_has_a_closed_button(names: dict[str, Any]) -> None:
    shown = interactive.approval(Plan(), sheet, Plan(), approve="", closed="STOP: room.")
    (button,) = widgets(shown, "Button")
    assert button.disabled
    assert "STOP: room." in widgets(shown, "HTML")[0].value


def test_what_the_page_says_and_nobody_ran_is_not_approved(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    names |= {"rows": "replace", "approve": ""}
    given = Given(names)
    plan = given.keep(Plan(), "rows")
    shown = interactive.approval(plan, sheet, plan, approve=given)
    (button,), (said,) = widgets(shown, "Button"), widgets(shown, "HTML")
    monkeypatch.setattr(front, "ask_page", lambda answer: answer('rows: str = "keep new"  # typed\napprove: str = ""'))
    button.click()
    assert names["approve"] == ""
    assert "rows = &quot;keep new&quot;" in said.value


@dataclass(frozen=True)
class Two:
    state: str = "apart"


@dataclass(frozen=True)
class Chosen:
    way: str = "compare"
    rows: str = "replace"
    conflicts: str = ""


def test_a_way_back_is_written_with_its_rule_and_takes_an_earlier_approval_away(names: dict[str, Any]) -> None:
    names["approve"] = "abc123"
    shown = interactive.way_chooser("the table", Two(), wanted=Chosen())  # type: ignore[arg-type]
    (choice,), (rule,), (button,) = (widgets(shown, kind) for kind in ("RadioButtons", "Combobox", "Button"))
    assert shown.value == "the table"
    assert rule.layout.display == "none"
    assert "undo cutover" not in [value for _, value in choice.options], "nothing of it has been cut over"
    choice.value, rule.value = "copy", "newer wins by COLUMN"
    assert button.disabled
    rule.value = "keep new"
    assert not button.disabled
    (side,) = widgets(shown, "Dropdown")
    side.value = "source"
    button.click()
    assert [names[each] for each in ("way", "rows", "conflicts", "approve")] == ["copy", "keep new", "source", ""]
    assert "tables" not in names, "what is marked stays as it is"


def test_a_cut_over_can_be_undone_where_one_was_begun_and_needs_no_rule(names: dict[str, Any]) -> None:
    shown = interactive.way_chooser("the table", Two("cut over"), wanted=Chosen(way="undo cutover"))  # type: ignore[arg-type]
    (button,) = widgets(shown, "Button")
    button.click()
    assert names["way"] == "undo cutover"
    assert "rows" not in names


def test_without_a_reader_the_ways_are_only_shown() -> None:
    assert interactive.way_chooser("the table", Two(), wanted=Chosen()) == "the table"  # type: ignore[arg-type]


def test_where_and_as_whom_a_notebook_was_run_goes_along_into_the_next_one(
    names: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[Any] = []
    monkeypatch.setattr(front, "_tell", told.append)
    names |= {"region": "eu-west-1", "profile": "", "secret": "iam:reader", "cluster": "other"}
    front.hand_on("bring_back_data", {"cluster": "prod", "copy": "prod-copy"}, cell="result")
    assert told[0]["set"] == {
        "region": '"eu-west-1"',
        "secret": '"iam:reader"',
        "cluster": '"prod"',
        "copy": '"prod-copy"',
    }
