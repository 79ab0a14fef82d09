"""The approve button beside a plan. It only writes the plan's id where a person would type it."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from html import escape
from typing import Any, Protocol

from runbook_lib.display.interactive import front
from runbook_lib.display.interactive.shown import Shown, in_sight, words
from runbook_lib.times import iso


class Plan(Protocol):
    """Whatever has an id that says what would be done to what."""

    @property
    def id(self) -> str:
        """Return the id."""


def approval(
    plan: Plan | None,
    sheet: Callable[..., Any],
    *parts: Any,
    approve: str,
    anything: object = True,
    touches: str = "",
    **facts: Any,
) -> Any:
    """Show a plan by `sheet(*parts, approve=…, **facts)`, in JupyterLab with a button that approves it.

    A plan without `anything` to do gets no button. `touches` names the cluster where the plan changes what is already
    there; its name has to be typed then.
    """
    value = sheet(*parts, approve=approve, **facts)
    plan_id = plan.id if plan and anything else ""
    moment = getattr(plan, "moment", None)
    also = {"timestamp": iso(moment)} if moment else {}  # "latest" would be another moment, and plan, in a minute
    if not plan_id or not front.reader_is_there():
        return value
    values = {**also, "approve": plan_id}
    return _with_button(
        value, lambda: sheet(*parts, approve=plan_id, **facts), values=values, given=approve.strip(), touches=touches
    )


def _with_button(
    value: Any, approved: Callable[[], Any], *, values: Mapping[str, Any], given: str, touches: str
) -> Shown:
    """Put the approve button under a plan that is shown already; `approved` shows it as approved.

    `values` are the parameters that the approval writes; `given` is what is approved so far.
    """
    import ipywidgets as w
    from IPython.display import update_display

    plan_id = values["approve"]
    handle = f"runbook-{secrets.token_hex(6)}"
    is_given = given == plan_id
    button = w.Button(
        description="Approved" if is_given else f"Approve plan {plan_id}",
        icon="check" if is_given else "",
        button_style="success" if is_given else "primary",
        disabled=is_given or bool(touches),
        layout=w.Layout(width="auto", min_width="16em"),
        tooltip="Writes the plan's id into the parameter; the cells below act on it",
    )
    typed = w.Text(placeholder=touches, description="cluster:", continuous_update=True)
    said = w.HTML(in_sight(front.assignments(values)) if is_given else words(_question(touches)))

    def on_typed(_change: Any) -> None:
        button.disabled = typed.value.strip() != touches

    def on_click(_button: Any) -> None:
        front.choose(values, again=False)
        untyped: Any = update_display
        untyped(approved(), display_id=handle)
        button.description, button.button_style, button.icon, button.disabled = "Approved", "success", "check", True
        said.value = words("Written into the parameters. Go on with the next cell (Shift+Enter).") + in_sight(
            front.assignments(values)
        )

    typed.observe(on_typed, names="value")
    button.on_click(on_click)
    asks = [typed] if touches and not is_given else []
    box = w.VBox([w.HBox([*asks, button], layout=w.Layout(flex_flow="row wrap")), said, front.outlet()])
    box.add_class("runbook-approve")
    return Shown(value=value, widgets=(box,), handle=handle)


def _question(touches: str) -> str:
    if not touches:
        return "Have you read what is above? This approves exactly that plan; nothing happens before the next cells."
    return (
        f"This plan changes <b>{escape(touches)}</b> itself. Type the cluster's name to be able to approve it; "
        "nothing happens before the next cells."
    )
