"""What dbt says of its own run (`run_results.json`): what failed, and why a model that should be there made no table.

Source: dbt documentation, "Run results JSON file" and "About commands": statuses, `relation_name`, `args.which`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from runbook_lib.checks import Check, unknown
from runbook_lib.guard.load_checks import Generation, judged

_WELL = frozenset({"success", "pass", "warn"})
_MAKES = ("model", "seed", "snapshot")
_HINT = "Look at dbt's log; a model that failed, was skipped or was not chosen made no table."


def dbt_checks(path: str, generation: Generation) -> Iterator[Check]:
    """Hold a load against dbt's results: every node ended well, and every live table that dbt makes was made by it."""
    try:
        content = json.loads(_file(path).read_text(encoding="utf-8"))
        results = [dict(result) for result in content["results"]]
        found = [*_failed(results), *_absent(results, generation)]
        made = [result for result in results if _kind(result) in _MAKES]
        which = str((content.get("args") or {}).get("which") or "")
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        yield unknown("dbt", f"{path} is no run_results.json that can be read ({type(error).__name__})")
        return
    if not made:
        ran = f"`dbt {which}`" if which else "dbt's run"
        found.append(
            f"{ran} made nothing: it built no model and loaded no seed (models come of `dbt run`, seeds of `dbt seed`, "
            "both of `dbt build`)"
        )
    right = f"dbt made all of its {len(made)} models, seeds and snapshots, and its tests passed."
    yield judged("dbt", list(dict.fromkeys(found)), _HINT, right=right)


def _file(path: str) -> Path:
    file, above = Path(path), Path("..") / path  # JupyterLab runs a notebook in its folder
    return above if not file.is_absolute() and not file.exists() and above.exists() else file


def _kind(result: Mapping[str, Any]) -> str:
    return str(result["unique_id"]).partition(".")[0]


def _name(result: Mapping[str, Any]) -> str:
    """Return the table that a node is about: its relation's name where dbt says it, else its own."""
    relation = str(result.get("relation_name") or "").replace("`", "").replace('"', "")
    return relation.rpartition(".")[2] or str(result["unique_id"]).split(".")[2 if _kind(result) in _MAKES else -1]


def _failed(results: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    broken = [_name(result) for result in results if result["status"] in ("error", "runtime error", "fail")]
    for result in results:
        status = str(result["status"])
        if status in _WELL or (status == "no-op" and _kind(result) not in _MAKES):
            continue
        why = " ".join(str(result.get("message") or "").split())[:160]
        if not why and status == "skipped":
            why = f"something that it is built from failed: {', '.join(broken[:3])}" if broken else "nobody says why"
        yield f"{_name(result)}: {status}{f' ({why})' if why else ''}"


def _absent(results: Sequence[Mapping[str, Any]], generation: Generation) -> Iterator[str]:
    """Say of each node that ended well and has no table in the load why that is."""
    views = {item.name for item in generation.facts.objects if item.schema == generation.next and item.kind == "VIEW"}
    for result in results:
        name = _name(result)
        if _kind(result) not in _MAKES or result["status"] not in _WELL or name in generation.loaded:
            continue
        if name not in generation.current:
            continue  # nobody misses it
        parts = str(result.get("relation_name") or "").replace("`", "").replace('"', "").split(".")
        if name in views:
            why = "it is a view now (materialized: view), and what is live is a table"
        elif "relation_name" in result and not result["relation_name"]:
            why = "it is ephemeral: dbt makes nothing of it"
        elif len(parts) > 1 and parts[-2] != generation.next:
            why = f"it was made in `{parts[-2]}`, not in `{generation.next}`: look at the profile's schema"
        else:
            why = "dbt says that it was made, and it is not there"
        yield f"{name}: no table of the load, for {why}"
