"""Somebody runs any cell, presses any button, types, restarts: nothing is applied but what was approved and is shown.

The walks go through the notebooks as they stand, in this process, against the stand-in and two real servers. What was
applied is seen where it is applied, and at the servers; what was approved is known from what the walk has pressed.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from runbook_lib import restore
from runbook_lib.aws import AwsSession
from runbook_lib.bringback import bring_back
from runbook_lib.bringback.rules import Wanted, chosen_otherwise
from runbook_lib.checks import ok
from runbook_lib.clusters import find_cluster
from runbook_lib.display.stack import Stack
from runbook_lib.runbook import connect
from runbook_lib.times import utc_now
from tests.small_world import COPY_ROWS, DAMAGED_ROWS, World, small_world
from tests.stepping import Stepped, manifests

restoring: Any = import_module("runbook_lib.restore.apply")  # the package names a function so

pytestmark = [pytest.mark.thorough, pytest.mark.xdist_group("walks")]
WALKS, STEPS = int(os.environ.get("RUNBOOK_WALKS", "3")), 14  # of each notebook


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory.mktemp("walks")) as made:
        made.make_copy()
        yield made


def expected(parameters: Mapping[str, Any]) -> dict[int, str]:
    """Return what the table must hold after a copy back with these choices, by the rule as the README says it."""
    rule = parameters.get("rows", "replace")
    if rule == "replace" or "shop.items" not in (parameters.get("tables") or "shop.items"):
        return COPY_ROWS if "shop.items" in (parameters.get("tables") or "shop.items") else DAMAGED_ROWS
    mine = {2: DAMAGED_ROWS[2]} if parameters.get("conflicts") == "source" else {}
    return COPY_ROWS | mine | {9: DAMAGED_ROWS[9]}


class Walk(RuleBasedStateMachine):
    """What both notebooks have in common: cells, restarts, the record."""

    world: World
    notebook: str
    typed: ClassVar[Mapping[str, Any]] = {}

    def __init__(self) -> None:
        super().__init__()
        self.records = self.world.folder / f"records-{next(self.world.number)}"
        os.environ["RUNBOOK_RECORDS"] = str(self.records)
        self.page = Stepped(self.notebook, self.records / "page", **self.typed)
        self.at = 0
        self.approved: set[str] = set()

    @property
    def names(self) -> dict[str, Any]:
        assert self.page.shell is not None
        return dict(self.page.shell.user_ns)

    @rule(count=st.integers(min_value=1, max_value=6))
    def go_on(self, count: int) -> None:
        """Press Shift+Enter some times; what fails does not stop somebody in a hurry."""
        for _ in range(count):
            self.page.run(self.page.code[self.at])
            self.at = (self.at + 1) % len(self.page.code)

    @rule(share=st.floats(min_value=0, max_value=0.999))
    def jump(self, share: float) -> None:
        """Run any cell, out of its order."""
        self.at = int(share * len(self.page.code))
        self.page.run(self.page.code[self.at])

    @rule()
    def restart(self) -> None:
        """Restart the kernel: the page keeps what it shows, and old buttons reach nobody."""
        self.page.start()
        self.page.shown.clear()
        self.at = 0

    @rule(right=st.booleans())
    def approve(self, right: bool) -> None:
        """Type the cluster's name, or another one, and press the button as often as it can be pressed."""
        strip = self.page.button("checks", "Approve plan")
        plan = strip.description.removeprefix("Approve plan ") if strip else ""
        if self.page.approve(touches="prod" if right else "prdo"):
            if self.names.get("approve") == plan:
                self.approved.add(plan)
            self.page.approve(touches="prod")

    @precondition(lambda self: self.page.journal is not None and self.page.journal.is_open)
    @rule()
    def finish(self) -> None:
        """Press the button that writes the record, and hold the record to the servers."""
        self.page.finish()
        self.held_to_the_servers(manifests(self.records)[-1])

    def held_to_the_servers(self, record: Mapping[str, Any]) -> None:
        raise NotImplementedError

    def teardown(self) -> None:
        self.page.stop()


class BringBack(Walk):
    """Walks over bring_back_data."""

    notebook = "bring_back_data"
    typed: ClassVar = {"cluster": "prod", "copy": "prod-copy"}

    def __init__(self) -> None:
        self.world.damage()
        super().__init__()
        self.seen = bring_back.apply_copy_back
        bring_back.apply_copy_back = self._watched  # type: ignore[assignment]

    def teardown(self) -> None:
        bring_back.apply_copy_back = self.seen
        super().teardown()

    def _watched(self, restored: Any, damaged: Any, plan: Any, *, approve: str, run_id: str = "") -> Any:
        """Hold every apply to what is approved and chosen at that moment."""
        if approve:
            names = self.names
            assert approve in self.approved, "nobody has approved this"
            assert approve == names["approve"]
            kinds = ("tables", "rows", "conflicts", "definitions", "through")
            shown = Wanted(way="copy", **{name: names[name] for name in kinds})
            assert approve != plan.id or not chosen_otherwise(plan, shown), "another plan than that of the choices"
        return self.seen(restored, damaged, plan, approve=approve, run_id=run_id)

    @rule(
        way=st.sampled_from(["copy", "copy", "copy", "compare", "undo copy", "cpoy"]),
        rows=st.sampled_from(["replace", "keep new", "keepnew"]),
        conflicts=st.sampled_from(["", "copy", "source"]),
        run=st.booleans(),
    )
    def type_choices(self, way: str, rows: str, conflicts: str, run: bool) -> None:
        """Type into the parameters cell, and run it or forget to."""
        self.page.type(way=way, rows=rows, conflicts=conflicts)
        if run:
            self.page.run("parameters")

    @rule(
        way=st.sampled_from(["copy", "copy", "undo copy"]),
        rows=st.sampled_from(["replace", "keep new"]),
        conflicts=st.sampled_from(["", "copy", "source"]),
    )
    def press_a_way(self, way: str, rows: str, conflicts: str) -> None:
        """Choose with the mouse."""
        widgets = [self.page.widgets("ways", kind) for kind in ("RadioButtons", "Combobox", "Dropdown")]
        if all(widgets):
            (choice,), (rule_of,), (side,) = widgets
            choice.value, rule_of.value, side.value = way, rows, conflicts
            self.page.press("ways", "Take this way")
            self.at = self.page.code.index("plan")

    @rule(some=st.booleans())
    def mark(self, some: bool) -> None:
        """Mark one table, or none."""
        for choice in self.page.widgets("proof", "SelectMultiple"):
            choice.value = ("shop.items",) if some else ()
            self.page._as_the_page_does()

    @rule()
    def straight(self) -> None:
        """Go the whole way as the pages say, with the choices as they are."""
        self.page.run_to("checks")
        self.approve(right=True)
        for cell in self.page.code[self.page.code.index("apply") :]:
            self.page.run(cell)

    def held_to_the_servers(self, record: Mapping[str, Any]) -> None:
        given = record["parameters"]
        if record["outcome"] == "succeeded" and record["changed"]:
            undone = given["way"] == "undo copy"
            assert self.world.items() == (DAMAGED_ROWS if undone else expected(given)), given
        if record["outcome"] == "planned":
            assert not record["changed"]


class Restore(Walk):
    """Walks over restore_to_timestamp."""

    notebook = "restore_to_timestamp"
    typed: ClassVar = {"target": "walk-one"}

    def __init__(self) -> None:
        super().__init__()
        self.seen = restoring._run
        restoring._run = self._watched  # type: ignore[assignment]

    def teardown(self) -> None:
        restoring._run = self.seen
        super().teardown()
        plan = restore.propose_clean_up(connect(), now=utc_now(), also_unexpired=True)
        doomed = ",".join(each.name for each in plan.found if each.name.startswith("walk-"))
        if doomed:
            plan = restore.propose_clean_up(connect(), now=utc_now(), only=doomed, also_unexpired=True)
            restore.clean_up(connect(), plan, approve=plan.id)

    def _watched(self, plan: Any, maker: Any, phases: Any) -> None:
        names = self.names
        assert plan.id in self.approved, "nobody has approved this"
        assert plan.id == names["approve"]
        assert (plan.target, plan.purpose) == (names["target"], names["purpose"]), "another plan than that shown"
        self.seen(plan, maker, phases)

    @rule(
        into=st.sampled_from(["walk-one", "walk-two", "prod"]),
        purpose=st.sampled_from(["copy", "copy", "cutover", "coppy"]),
        run=st.booleans(),
    )
    def type_choices(self, into: str, purpose: str, run: bool) -> None:
        """Type into the parameters cell, and run it or forget to."""
        self.page.type(target=into, purpose=purpose)
        if run:
            self.page.run("parameters")

    @rule()
    def straight(self) -> None:
        """Go the whole way as the pages say, with the choices as they are."""
        self.page.run_to("checks")
        self.approve(right=True)
        for cell in self.page.code[self.page.code.index("apply") :]:
            self.page.run(cell)

    def held_to_the_servers(self, record: Mapping[str, Any]) -> None:
        given = record["parameters"]
        if record["outcome"] == "planned":
            assert not record["changed"]
        if record["changed"]:
            found = find_cluster(connect(), given["target"])
            assert found.tags["recovery:plan"] == given["approve"]
            assert found.tags["recovery:purpose"] == given.get("purpose", "copy")


def _walk(kind: type[Walk], world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    # what only looks, and takes longest, has tests of its own
    monkeypatch.setattr("runbook_lib.restore.check_restore", lambda *_, **__: (ok("checks", "They are not walked."),))
    monkeypatch.setattr("runbook_lib.bringback.bring_back.check_schedule", lambda _: ok("jobs", "They are not walked."))
    monkeypatch.setattr("runbook_lib.display.proof.heat_map", lambda _: Stack(headline="a picture"))
    # one sign-in for all walks, no knocking at doors, and no longer sleep than the stand-in needs
    monkeypatch.setattr("runbook_lib.runbook.connect", cache(connect))
    monkeypatch.setattr(AwsSession, "knock", lambda *_: ())
    monkeypatch.setattr("runbook_lib.restore.wait._SHORTEST_S", 0.03)
    world.damage()
    kind.world = world
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        kind,
        settings=settings(
            max_examples=WALKS,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=True,
            database=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_walks_over_the_restore(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should make no cluster that nobody approved, and none other than the record says."""
    _walk(Restore, world, monkeypatch)


def test_walks_over_the_bring_back(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """It should swap no table by another choice than the one approved and shown, and record what the server holds."""
    _walk(BringBack, world, monkeypatch)
