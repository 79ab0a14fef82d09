"""The report: one HTML file that needs no network, with the outcome and the facts on top and the code folded.

nbconvert renders cells with its own filters into a template of ours; its stock templates load scripts from a CDN.
The page forbids itself every script and every request by a content security policy.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from html import escape
from pathlib import Path
from typing import Any

from runbook_lib import times
from runbook_lib.plain import upright
from runbook_lib.records import without_unused
from runbook_lib.records.harmless import drawing, harmless
from runbook_lib.records.manifest import Manifest
from runbook_lib.records.outcomes import HEADLESS, CellState, Outcome
from runbook_lib.records.recovery import recovery_lines

log = logging.getLogger(__name__)

TEMPLATES = Path(__file__).with_name("templates")
_SIGNS = {
    Outcome.SUCCEEDED: "✔ Succeeded",
    Outcome.PLANNED: "◇ Planned, nothing was changed",
    Outcome.FAILED: "✘ Failed",
    Outcome.TIMED_OUT: "✘ Timed out",
    Outcome.ABORTED: "✘ Aborted",
    Outcome.KERNEL_DIED: "✘ The kernel died",
    Outcome.ORPHANED: "✘ Killed: nobody was left to say how it ended",
    Outcome.RUNNING: "… Running",
    Outcome.SPOILT: "✘ Spoilt: the record cannot be read",
}
_STATES = {
    CellState.COMPLETED: "completed",
    CellState.FAILED: "failed",
    CellState.TIMED_OUT: "timed out",
    CellState.INTERRUPTED: "interrupted",
    CellState.NEVER_RAN: "never ran",
    CellState.RUNNING: "running",
    CellState.PENDING: "not yet run",
}
_SHOWN_LINES, _SHOWN_SIGNS = 5, 400  # a value longer than this folds
_HOUSEKEEPING = {"cell-started", "cell-ended", "run-started", "run-ended", "aws-caller", "phase", "sealing"}


@lru_cache(maxsize=1)
def exporter() -> Any:
    """Return nbconvert's exporter with our template, made once: loading it takes longer than a page."""
    with without_unused():
        from nbconvert.exporters import HTMLExporter

    # Ours alone: Jupyter's data files, where stock templates lie, may belong to another environment.
    page: Any = HTMLExporter(template_paths=[str(TEMPLATES)], template_file="report.html.j2")
    return page


def report_page(notebook: Any, manifest: Manifest, announced: Sequence[Mapping[str, Any]] = ()) -> bytes:
    """Return the page of one record. `announced` are the record's events."""
    states = notebook.get("metadata", {}).get("widgets", {}).get("application/vnd.jupyter.widget-state+json", {})
    widgets = states.get("state", {})
    resources = {
        "manifest": manifest,
        "sign": _SIGNS[manifest.outcome],
        "good": manifest.outcome in (Outcome.SUCCEEDED, Outcome.PLANNED),
        "first": first_facts(manifest),
        "next": next_steps(notebook),
        "facts": [(name, value) for name, value in facts(manifest) if (name, value) not in first_facts(manifest)],
        "lines": folded_lines,
        "phases": [phase for phase in manifest.phases if phase.seconds >= 0.05],
        "duration": lambda seconds: times.seconds_text(seconds),
        "steps": [event for event in announced if event.get("event") not in _HOUSEKEEPING],
        "cell_state": cell_state,
        "prose": prose,
        "shown": lambda output: shown(output, widgets),
        "plain": lambda value: ", ".join(map(str, value)) if isinstance(value, list) else str(value),
        "written": lambda value: json.dumps(value, ensure_ascii=False),
        "clock": lambda text: str(text)[11:19],
    }
    page, _ = exporter().from_notebook_node(notebook, resources=resources)
    return upright(re.sub(r"\n\s*\n+", "\n", page)).encode(errors="replace")


def contained_page(
    notebook: Callable[[], Any], manifest: Manifest, announced: Sequence[Mapping[str, Any]] = ()
) -> bytes:
    """Return the page of a record, or where that cannot be made, a page with its facts that says so."""
    try:
        return report_page(notebook(), manifest, announced)
    except Exception as error:  # the record must not depend on its report
        log.warning("the report cannot be made in full: %s", type(error).__name__, exc_info=True)
        name = type(error).__name__
    rows = [("outcome", manifest.outcome.value), ("what came of it", manifest.headline), *facts(manifest)]
    lines = "".join(f"<tr><th>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in rows)
    said = f"The cells cannot be shown ({name}); record.ipynb holds them."
    head = f'<meta charset="utf-8"><title>{escape(manifest.notebook)}</title>'
    page = f"<head>{head}</head>\n<body><p>{said}</p><table>{lines}</table></body>"
    return upright(f'<!doctype html>\n<html lang="en">{page}</html>\n').encode(errors="replace")


def prose(cell: Mapping[str, Any]) -> str:
    """Return a text cell as HTML, its attached pictures in it. What cannot be shown is said in its place."""
    source = "".join(cell.get("source", ""))
    for text in (source, source.replace("attachment:", "not-attached:")):
        try:
            return harmless(str(exporter().markdown2html({"cell": cell, "resources": {}}, text)))
        except Exception as error:  # noqa: BLE001 # whatever a reader wrote there
            log.debug("a text cell cannot be shown: %s", error)
    return f"<pre>{escape(source)}</pre>"


def shown(output: Mapping[str, Any], widgets: Mapping[str, Any] | None = None) -> str:
    """Return one output of a cell as HTML. What cannot be shown is said in its place.

    `widgets` are the states of the notebook's widgets: what was written into an Output widget is shown too.
    """
    try:
        return "\n".join(_shown(output, widgets or {}, depth=0))
    except Exception as error:  # noqa: BLE001 # whatever a notebook shows
        return f"<pre>[an output cannot be shown: {escape(type(error).__name__)}]</pre>"


def _shown(output: Mapping[str, Any], widgets: Mapping[str, Any], *, depth: int) -> Iterator[str]:
    filters = exporter().environment.filters
    kind = output["output_type"]
    if kind == "stream":
        yield f'<pre class="{escape(output["name"])}">{filters["ansi2html"](_text(output["text"]))}</pre>'
        return
    if kind == "error":
        yield f'<pre class="error">{filters["ansi2html"](chr(10).join(map(str, output["traceback"])))}</pre>'
        return
    data = {name: _text(value) for name, value in output["data"].items()}
    state = _widget_outputs(output["data"], widgets)
    if state is not None and depth < 5:
        for inner in state:
            yield from _shown(inner, widgets, depth=depth + 1)
        return
    text = data.get("text/plain", "")
    if "text/html" in data:
        yield harmless(data["text/html"])
    elif "image/svg+xml" in data:
        yield drawing(data["image/svg+xml"])
    elif picture := next((name for name in ("image/png", "image/jpeg") if name in data), ""):
        content = escape(data[picture].replace("\n", ""))
        yield f'<img alt="{escape(text or "figure")}" src="data:{picture};base64,{content}">'
    elif "text/markdown" in data:
        yield prose({"source": data["text/markdown"]})
    elif "text/plain" in data:
        yield f"<pre>{filters['ansi2html'](text)}</pre>"


def _widget_outputs(data: Mapping[str, Any], widgets: Mapping[str, Any]) -> list[Any] | None:
    """Return what was written into the Output widget that this display shows, or None where it shows none."""
    view = data.get("application/vnd.jupyter.widget-view+json")
    state = widgets.get(view.get("model_id", ""), {}).get("state", {}) if isinstance(view, dict) else {}
    return list(state.get("outputs", ())) if state.get("_model_name") == "OutputModel" else None


def _text(value: Any) -> str:
    return "".join(value) if isinstance(value, list) and all(isinstance(line, str) for line in value) else str(value)


def cell_state(cell: Mapping[str, Any]) -> dict[str, str]:
    """Return how a cell ended, as words and as a class name."""
    said = cell.get("metadata", {}).get("runbook", {})
    state = CellState(said.get("state", CellState.NEVER_RAN))
    words = _STATES[state] + (", as its tag allows" if said.get("allowed") else "")
    words += f" ({said['note']})" if said.get("note") else ""
    seconds = said.get("seconds")
    if seconds is not None and seconds >= 1:
        words += f" in {times.seconds_text(seconds)}"
    return {"name": state.value, "words": words}


def first_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """Return what is read first: the recovery point and time, who approved what, and what was changed.

    Of a run that only looked it is what its result says.
    """
    if not (manifest.recovery or manifest.changed or manifest.approval):
        return [("cluster", manifest.cluster)] * bool(manifest.cluster) + list(manifest.facts.items())
    wanted = ("recovery point", "recovery time", "recovery point achieved", "recovery time achieved")
    point = [(name, value) for name, value in recovery_facts(manifest) if name in wanted]
    changed = [("changed", "\n".join(manifest.changed))] if manifest.changed else []
    approved = [("approved by", manifest.approval.by)] if manifest.approval else []
    return [("cluster", manifest.cluster), *point, *changed, *approved] if manifest.cluster else [*point, *changed]


def next_steps(notebook: Mapping[str, Any]) -> list[str]:
    """Return what the notebook's result says to do next, or nothing where it has none."""
    for cell in reversed(notebook.get("cells", ())):
        for output in reversed(cell.get("outputs", ())):
            said = (output.get("data") or {}).get("application/json")
            result = said.get("runbook_result") if isinstance(said, dict) else None
            if isinstance(result, dict):
                steps = result.get("next")
                return [str(step) for step in steps] if isinstance(steps, list | tuple) else []
    return []


def folded_lines(value: Any) -> tuple[list[str], list[str]]:
    """Return the lines of a value: those that are shown at once, and those that a click shows."""
    lines = str(value).split("\n") if not isinstance(value, list) else [str(each) for each in value]
    if len(lines) <= _SHOWN_LINES and sum(map(len, lines)) <= _SHOWN_SIGNS:
        return lines, []
    first = lines[0] if len(lines[0]) <= _SHOWN_SIGNS else f"{lines[0][:_SHOWN_SIGNS]}…"
    return [first], lines if len(lines[0]) > _SHOWN_SIGNS else lines[1:]


def recovery_facts(manifest: Manifest) -> list[tuple[str, str]]:
    """Return the recovery point and time that were reached by a restore; its phases are shown elsewhere."""
    said = manifest.recovery or {}
    if "steps" in said:  # measured over the whole incident
        try:
            return recovery_lines(said)
        except (TypeError, ValueError, AttributeError):
            return [("recovery", "what the run measured cannot be read")]
    found = []
    for name, value in said.items():
        if name.endswith("_seconds") and isinstance(value, int | float):
            found.append((f"{name.removesuffix('_seconds').replace('_', ' ')} time", times.seconds_text(value)))
        elif not isinstance(value, dict | list):
            found.append((name.replace("_", " "), str(value)))
    return found


def facts(manifest: Manifest) -> list[tuple[str, str]]:
    """Return what is on top of a report and in `records show`: name and value, empty ones left out."""
    who, source = manifest.operator, manifest.source
    commit = (
        f"{source.git_commit[:12]}{' with uncommitted changes' if source.git_dirty else ''}"
        if source.git_commit
        else ""
    )
    approval = manifest.approval
    pairs = [
        ("incident", manifest.incident),
        ("cluster", manifest.cluster),
        ("started", times.utc_text(manifest.started)),
        ("ended", f"{times.utc_text(manifest.ended)}, after {times.seconds_text(manifest.seconds)}"),
        ("by", f"{who.os_user} on {who.host}"),
        ("started by", who.scheduler),
        ("mode", "" if manifest.mode == HEADLESS else "stepped through in JupyterLab"),
        ("AWS caller", who.aws_arn),
        ("account and region", " ".join(filter(None, (who.aws_account, who.aws_region)))),
        ("plan", manifest.plan_id),
        ("approved by", f"{approval.by}" if approval else ""),
        ("changed", "\n".join(manifest.changed)),
        ("asked of AWS", "\n".join(manifest.requested)),
        *recovery_facts(manifest),
        *manifest.facts.items(),
        ("missing from this record", "\n".join(manifest.losses)),
        ("run", manifest.run_id),
        ("notebook", f"{manifest.notebook}, sha256 {source.sha256[:16]}…"),
        ("git commit", commit),
        ("library", manifest.versions.get("runbook_lib", "")),
        ("exit code", "" if manifest.exit_code is None else str(manifest.exit_code)),
    ]
    return [(name, value) for name, value in pairs if value]
