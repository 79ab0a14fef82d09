"""Show what has changed since the last audit, as a table and as a picture; and keep this one for the next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from runbook_lib.display.figure import BLUE, GREEN, ORANGE, RED, Figure, draw
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.schemas.audit import Audit
from runbook_lib.schemas.last_audit import KEY, Change, LastAudit, changes_since, remembered

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SHOWN = 40
_MARKS = {"gone": "bad", "emptied": "bad", "shrunk": "warn", "new": "good", "filled": "good", "grown": "good"}
_LOOKS = {
    "gone": (RED, "xx"), "emptied": (RED, "//"), "shrunk": (ORANGE, ".."),
    "grown": (GREEN, ""), "filled": (GREEN, "\\\\"), "new": (BLUE, "++"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class LastSheet:
    """The comparison with the last audit. Its JSON form is what the next audit compares with."""

    stack: Stack
    kept: dict[str, Any]

    def __str__(self) -> str:
        return str(self.stack)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": str(self), "text/html": self.stack.html(), "application/json": {KEY: self.kept}}


def last_sheet(audit: Audit, *, zone: ZoneInfo) -> LastSheet:
    """Show the tables that are gone, new, emptied, shrunk or grown since the last record of this cluster."""
    kept = remembered(audit.survey, reads_now=audit.reads_after)
    if audit.last is None:
        text = "There is no earlier record of this audit for this cluster: this one is the first to compare with."
        return LastSheet(stack=Stack(headline=text), kept=kept)
    changes = changes_since(audit.last, audit.survey)
    when = f"{audit.last.taken.astimezone(zone):%Y-%m-%d %H:%M} {zone.key} (run {audit.last.run_id})"
    if not changes:
        return LastSheet(stack=Stack(headline=f"Every table is as it was at {when}."), kept=kept)
    counts = Counter(change.what for change in changes)
    order = list(_LOOKS)
    ordered = sorted(changes, key=lambda change: (order.index(change.what), change.schema, change.table))
    table = Table(
        title="Tables that are not as they were",
        columns=("schema", "table", "what", "rows before (estimate)", "rows now (estimate)"),
        rows=tuple((c.schema, c.table, c.what, c.before, c.after) for c in ordered[:SHOWN]),
        marks={index: _MARKS[change.what] for index, change in enumerate(ordered[:SHOWN])},
        left_out=max(0, len(ordered) - SHOWN),
    )
    said = ", ".join(f"{counts[what]} {what}" for what in order if counts[what])
    stack = Stack(headline=f"Since {when}: {said}", tables=(_figure(audit.last, changes), table))
    return LastSheet(stack=stack, kept=kept)


def _figure(last: LastAudit, changes: Sequence[Change]) -> Figure:
    schemas = sorted({change.schema for change in changes})[:30]
    counts = {
        what: [sum(c.schema == schema and c.what == what for c in changes) for schema in schemas] for what in _LOOKS
    }

    def paint(axes: Axes) -> None:
        from matplotlib.ticker import MaxNLocator

        base = [0] * len(schemas)
        for what, numbers in counts.items():
            if any(numbers):
                colour, hatch = _LOOKS[what]
                axes.barh(schemas, numbers, left=base, color=colour, hatch=hatch, edgecolor="white", label=what)
                for row, (left, number) in enumerate(zip(base, numbers, strict=True)):
                    if number:
                        axes.text(left + number / 2, row, str(number), ha="center", va="center", fontsize=9,
                                  bbox={"facecolor": "white", "edgecolor": "none", "pad": 1})  # fmt: skip
                base = [left + number for left, number in zip(base, numbers, strict=True)]
        axes.invert_yaxis()
        axes.set_xlabel("tables that changed, number")
        axes.set_ylabel("schema")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.legend(loc="upper left", bbox_to_anchor=(1, 1), frameon=False)

    taken = f"{last.taken:%Y-%m-%d %H:%M} UTC"
    words = "; ".join(
        f"{schema}: " + ", ".join(f"{numbers[row]} {what}" for what, numbers in counts.items() if numbers[row])
        for row, schema in enumerate(schemas)
    )
    title = f"Which tables have changed since {taken}, and how?"
    return draw(paint, title=title, words=f"{words}.", height_in=1.6 + 0.45 * len(schemas))
