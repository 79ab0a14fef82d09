"""The end of a game: what was decided when, beside the best way, and whether the data is right now."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from runbook_lib.records.pages import Page, Part, as_html, as_markdown
from runbook_lib.records.recovery import BRING_BACK, RESTORE
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.game.decisions import Decision, decisions
from runbook_lib.rehearsal.game.happening import Scene
from runbook_lib.rehearsal.game.incidents import Step
from runbook_lib.rehearsal.game.judging import Verdict
from runbook_lib.times import duration_text, utc_text

NAME = "game"
_NONE = "–"
_MOST = 30  # lines of what is wrong that are shown
_SIGNS = {"back": "✔ The data is back", "not back": "✘ The data is not back", "could not look": "? Nobody could look"}


@dataclass(frozen=True, kw_only=True)
class Closed:
    """A game that is over. `ended_at` is aware UTC."""

    scene: Scene
    verdict: Verdict
    ended_at: datetime
    decisions: tuple[Decision, ...]

    @property
    def headline(self) -> str:
        """Say the verdict in a line."""
        took = self.back_at - self.scene.paged_at if self.back_at else None
        if self.verdict.answer == "back":
            after = f", {duration_text(took)} after the page" if took is not None else ""
            return f"{_SIGNS['back']}{after}: exactly what it must be, byte for byte"
        first = self.verdict.wrong[0] if self.verdict.wrong else ""
        more = f", and {len(self.verdict.wrong) - 1} more" if len(self.verdict.wrong) > 1 else ""
        return f"{_SIGNS[self.verdict.answer]}: {first}{more}"

    @property
    def back_at(self) -> datetime | None:
        """Return when the last run that changed anything ended; None where none did."""
        return max((one.ended for one in self.decisions if one.changed and one.ended), default=None)

    def last(self, notebook: str) -> Decision | None:
        """Return the last run of a notebook that changed something."""
        return next((one for one in reversed(self.decisions) if one.notebook == notebook and one.changed), None)


def close(scene: Scene, verdict: Verdict, *, store: Store, now: datetime) -> tuple[Closed, Path]:
    """Write the closing page beside the incident's, as HTML and Markdown; return it with the HTML's path."""
    closed = Closed(scene=scene, verdict=verdict, ended_at=now, decisions=decisions(store, scene.name))
    folder = store.root / scene.name
    folder.mkdir(parents=True, exist_ok=True)
    page = page_of(closed)
    (folder / f"{NAME}.md").write_text(as_markdown(page), encoding="utf-8")
    path = folder / f"{NAME}.html"
    path.write_text(as_html(page), encoding="utf-8")
    return closed, path


def page_of(closed: Closed) -> Page:
    """Make the page."""
    scene = closed.scene
    return Page(
        title=f"Game {scene.number}: {scene.incident.key}",
        kind=f"Game {scene.number}, seed {scene.seed} · {scene.incident.key}",
        headline=closed.headline,
        tone="good" if closed.verdict.answer == "back" else "bad",
        parts=list(_parts(closed)),
        footer="Decisions are those of the records; the verdict compares the data itself with the story's truth.",
    )


def _parts(closed: Closed) -> Iterator[Part]:
    scene, incident = closed.scene, closed.scene.incident
    yield Part(
        title="What it was",
        columns=("", ""),
        rows=[
            ("paged", f"{utc_text(scene.paged_at)}: {incident.paged}"),
            ("what had happened", f"{utc_text(scene.began)}: {incident.what}"),
            ("where it is seen", incident.seen_by),
            ("the wrong turn", incident.trap),
        ],
    )
    yield Part(title="Yours, beside the best way", columns=("", "yours", "best"), rows=list(_beside(closed)))
    wrong = closed.verdict.wrong
    left_out = [(f"and {len(wrong) - _MOST} more",)] if len(wrong) > _MOST else []
    yield Part(
        title="Is the data right now?",
        columns=("",),
        rows=[(line,) for line in wrong[:_MOST]] + left_out or [("Yes: every table, view, trigger and routine.",)],
        look="wide lines",
    )
    rows = [
        (
            _since(scene, one.at),
            f"{one.notebook}\n{one.run_id}",
            one.what,
            one.by.partition(", through ")[0] or _NONE,
            one.outcome,
        )
        for one in closed.decisions
    ]
    yield Part(
        title="What was decided when",
        columns=("after the page", "notebook, run", "what", "approved by", "what came of it"),
        rows=rows or [(_NONE, _NONE, "nothing is on record", _NONE, _NONE)],
        look="wide",
    )
    steps = [(str(number), *_said(step), step.why) for number, step in enumerate(scene.best, start=1)]
    yield Part(title="The best way", columns=("", "notebook", "parameters", "why"), rows=steps, look="wide")


def _said(step: Step) -> tuple[str, str]:
    return step.notebook, ", ".join(f"{name}={value}" for name, value in step.parameters.items())


def _beside(closed: Closed) -> Iterator[tuple[str, str, str]]:
    """Say where the player's way and the best one differ."""
    scene = closed.scene
    best = {step.notebook: step for step in scene.best}
    restored, back = closed.last(RESTORE), closed.last(BRING_BACK)
    yield "restored to", _second(scene, restored), _best_second(scene)
    way = dict(best[BRING_BACK].parameters) if BRING_BACK in best else {}
    wanted = f"{way['way']}: {way['tables']}, {way['rows']}" if way else "not needed: it has the name already"
    yield "brought back", (back.what if back else "nothing"), wanted
    missing = closed.verdict.rows_missing
    yield "rows missing now", ("not known" if missing is None else f"{missing:,}"), "0"
    yield "things not right now", _count(closed), "0"
    first = closed.decisions[0].at if closed.decisions else None
    yield "first look", _since(scene, first), _NONE
    yield "restore approved", _since(scene, restored.at if restored else None), _NONE
    yield "last change done", _since(scene, closed.back_at), _NONE
    runs = sum(1 for one in closed.decisions if one.changed)
    yield "runs that changed something", str(runs), str(len(scene.best))


def _count(closed: Closed) -> str:
    return "not known" if closed.verdict.answer == "could not look" else str(len(closed.verdict.wrong))


def _best_second(scene: Scene) -> str:
    step = scene.best[0]
    if not scene.incident.lasts:
        return "the last second of the retained backup"
    if name := step.parameters.get("restore_from"):
        return f"the snapshot {name}"
    return utc_text(scene.facts.second)


def _second(scene: Scene, restored: Decision | None) -> str:
    if restored is None:
        return "nothing was restored"
    if restored.second is None:
        return "not on record"
    if not scene.incident.lasts:  # there is no damage in what its backup holds
        return utc_text(restored.second)
    late = restored.second - scene.began
    apart = duration_text(abs(late))
    said = f"{utc_text(restored.second)}, {apart} {'before' if late.total_seconds() < 0 else 'AFTER'} the damage began"
    return f"{said}: the copy is damaged too" if late.total_seconds() >= 0 else said


def _since(scene: Scene, moment: datetime | None) -> str:
    return _NONE if moment is None else duration_text(max(moment - scene.paged_at, timedelta(0)))
