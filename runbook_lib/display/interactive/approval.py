"""The approve button beside a plan. It only writes the plan's id where a person would type it.

A button belongs to the plan it was shown with: when choices are others by now, in the kernel or in the parameters cell
of the page, it is closed and says so. After a restart of the kernel nobody hears it: it does nothing.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any, Protocol

from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown, in_sight, words
from runbook_lib.errors import ApprovalRefused
from runbook_lib.given import Given
from runbook_lib.times import iso


class Plan(Protocol):
    """Whatever has an id that says what would be done to what."""

    @property
    def id(self) -> str:
        """Return the id."""


@dataclass(frozen=True, kw_only=True)
class Terms:
    """How a plan is approved. `touches` is the name to be typed first, `closed` why it cannot be approved now.

    `also` are parameters that the approval fixes with the plan's id.
    """

    plan: Plan
    touches: str = ""
    closed: str = ""
    also: Mapping[str, Any] = field(default_factory=dict)

    @property
    def values(self) -> dict[str, Any]:
        """Return the parameters that approve the plan."""
        return {**self.also, "approve": self.plan.id}


def approval(  # a notebook's cell names each of them
    plan: Plan | None,
    sheet: Callable[..., Any],
    *parts: Any,
    approve: str | Given,
    anything: object = True,
    touches: str = "",
    closed: str = "",
    **facts: Any,
) -> Any:
    """Show a plan by `sheet(*parts, approve=…, **facts)`, in JupyterLab with a button that approves it.

    `approve` are the notebook's choices as they are now; the id alone is for a notebook without others. A plan without
    `anything` to do gets no button. `touches` names the cluster where the plan changes what is already there; its name
    has to be typed then. `closed` says why it cannot be approved now.
    """
    given = approve if isinstance(approve, Given) else Given({"approve": approve})
    value = sheet(*parts, approve=given.approve, **facts)
    if not plan or not plan.id or not anything or not front.reader_is_there():
        return value
    moment = getattr(plan, "moment", None)
    also = {"timestamp": iso(moment)} if moment else {}  # "latest" would be another moment, and plan, in a minute
    terms = Terms(plan=plan, touches=touches, closed=closed, also=also)
    bound = given if isinstance(approve, Given) else None
    return _Strip(value, terms, bound, lambda: sheet(*parts, approve=plan.id, **facts), approved=given.approve).shown()


class _Strip:
    """The button, the field for the cluster's name where it has to be typed, and what is said under both."""

    def __init__(
        self, value: Any, terms: Terms, given: Given | None, anew: Callable[[], Any], *, approved: str
    ) -> None:
        import ipywidgets as w

        self._value, self._terms, self._given, self._anew = value, terms, given, anew
        self._cell = front.cell_now()
        self._handle = f"runbook-{secrets.token_hex(6)}"
        self._done = approved == terms.plan.id
        self._button = w.Button(
            layout=w.Layout(width="auto", min_width="16em"),
            tooltip="Writes the plan's id into the parameter; the cells below act on it",
        )
        self._typed = w.Text(placeholder=terms.touches, description="cluster:", continuous_update=True)
        self._said = w.HTML()
        self._typed.observe(lambda _: self._look(), names="value")
        self._button.on_click(lambda _: self._click())
        front.watch_choices(self._look)
        self._look()

    def shown(self) -> Shown:
        """Return the value with the button under it."""
        import ipywidgets as w

        asks = [self._typed] if self._terms.touches and not self._done else []
        row = w.HBox([*asks, self._button], layout=w.Layout(flex_flow="row wrap"))
        box = w.VBox([row, self._said, front.outlet()])
        box.add_class("runbook-approve")
        return Shown(value=self._value, widgets=(box,), handle=self._handle)

    def _look(self) -> None:
        """Show the button as it has to be now."""
        terms, button = self._terms, self._button
        stale = self._stale()
        why_not = stale or ("" if self._done else terms.closed)
        untyped = bool(terms.touches) and not self._done and self._typed.value.strip() != terms.touches
        button.disabled = bool(why_not) or self._done or untyped
        button.description = "Approved" if self._done and not stale else f"Approve plan {terms.plan.id}"
        button.icon = "check" if self._done and not stale else ""
        button.button_style = "" if why_not else "success" if self._done else "primary"
        if why_not:
            self._said.value = words(f"<b>Closed.</b> {escape(why_not)}")
        elif self._done:
            self._said.value = words("Approved. Go on with the next cell (Shift+Enter).") + in_sight(
                front.assignments(terms.values)
            )
        else:
            self._said.value = words(_question(terms.touches))

    def _stale(self) -> str:
        """Say why the plan is one of other choices than those of now, or nothing."""
        if self._given is None:
            return ""
        try:
            self._given.same(self._terms.plan)
        except ApprovalRefused as refused:
            return str(refused)
        return ""

    def _click(self) -> None:
        self._button.disabled = True  # a second click, or one more while the page answers, finds nothing to press
        front.ask_page(self._approve)

    def _approve(self, source: str) -> None:
        """Approve, if the parameters cell of the page says what the kernel holds."""
        self._look()
        if self._button.disabled:
            return
        if differing := self._not_run(source):
            self._button.disabled = True
            self._said.value = words(
                f"<b>Not approved.</b> The parameters cell says <code>{escape(differing)}</code>, and was not run "
                "since: run it, and the cells below it up to this one."
            )
            front.return_to(self._cell)
            return
        self._done = True
        if self._given is not None:
            self._given.fix(self._terms.plan, self._terms.also)
        front.choose(self._terms.values, cell=self._cell)
        from IPython.display import update_display

        untyped: Any = update_display
        untyped(self._anew(), display_id=self._handle)

    def _not_run(self, source: str) -> str:
        """Return what the page's parameters cell sets otherwise than the kernel holds it."""
        if self._given is None:
            return ""
        says = {name: value for name, value in front.literals(source) if name != "approve"}
        return front.assignments({name: value for name, value in says.items() if self._given.get(name) != value})


def _question(touches: str) -> str:
    if not touches:
        return "Have you read what is above? This approves exactly that plan; nothing happens before the next cells."
    return (
        f"This plan changes <b>{escape(touches)}</b> itself. Type the cluster's name to be able to approve it; "
        "nothing happens before the next cells."
    )
