"""What a run came to: shown to a person and read by the runner from the same object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from html import escape
from typing import Any, Literal

from runbook_lib.display.table import NO_MATHEMATICS
from runbook_lib.plain import plain

Outcome = Literal["succeeded", "planned", "check-failed"]
_SIGNS = {"succeeded": "✔ Done", "planned": "◇ Planned, nothing was changed", "check-failed": "✘ A check failed"}


@dataclass(frozen=True, kw_only=True)
class Result:
    """The last cell's value of every notebook.

    `outcome` is computed by whoever makes the result from what was re-read, never assumed. `changed` lists the ids of
    everything made or altered. `recovery` holds the recovery point and time reached, where there was a restore.
    """

    notebook: str
    outcome: Outcome
    headline: str
    cluster: str = ""
    plan_id: str = ""
    approved_by: str = ""
    changed: tuple[str, ...] = ()
    recovery: Mapping[str, Any] | None = None
    facts: Mapping[str, str] = field(default_factory=dict)
    next: tuple[str, ...] = ()

    def also(self, name: str, text: str) -> Result:
        """Return the result with one more fact."""
        return replace(self, facts={**self.facts, name: text})

    def as_json(self) -> dict[str, Any]:
        """Return the machine's reading: JSON-able, versioned, under one key."""
        return {
            "runbook_result": {
                "version": 1,
                "notebook": self.notebook,
                "outcome": self.outcome,
                "headline": self.headline,
                "cluster": self.cluster,
                "plan_id": self.plan_id,
                "approved_by": self.approved_by,
                "changed": list(self.changed),
                "recovery": dict(self.recovery) if self.recovery is not None else None,
                "facts": dict(self.facts),
                "next": list(self.next),
            }
        }

    def _lines(self) -> list[tuple[str, str]]:
        pairs = [("cluster", self.cluster), ("plan id", self.plan_id), ("approved by", self.approved_by)]
        pairs += [("changed", "\n".join(self.changed) or "nothing"), *self.facts.items()]
        return [(name, value) for name, value in pairs if value]

    def __str__(self) -> str:
        lines = [f"{_SIGNS[self.outcome]}: {self.headline}"]
        lines += [f"  {name}: {value}".replace("\n", ", ") for name, value in self._lines()]
        lines += [f"  {'next' if index == 0 else '    '}: {step}" for index, step in enumerate(self.next)]
        return plain("\n".join(lines))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": str(self), "text/html": self._html(), "application/json": self.as_json()}

    def _html(self) -> str:
        rows = "".join(
            f'<tr><td style="padding:.2em 1em .2em 0;text-align:left;opacity:.8;vertical-align:top">{escape(name)}</td>'
            f'<td style="padding:.2em 0;text-align:left;white-space:pre-wrap">{escape(value)}</td></tr>'
            for name, value in self._lines()
        )
        steps = "".join(f"<li>{escape(step)}</li>" for step in self.next)
        return (
            f'<div class="{NO_MATHEMATICS}" style="border-left:5px solid currentColor;padding:.4em 1em;margin:.4em 0">'
            f'<div style="font-size:16px;font-weight:600">{escape(_SIGNS[self.outcome])}: {escape(self.headline)}</div>'
            f'<table style="border-collapse:collapse;font-size:13px">{rows}</table>'
            + (f"<div><b>What to do next</b><ol>{steps}</ol></div>" if steps else "")
            + "</div>"
        )
