"""The schemas that a copy back of these runbooks has made: of which run, what they keep, and what still needs them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Database
from runbook_lib.swap.names import STATE_PREFIX, is_ours
from runbook_lib.swap.state import State, find_states


@dataclass(frozen=True, kw_only=True)
class OwnSchema:
    """A schema of ours. `run` is the run that made it, empty if that is not known; `needed` by what, empty by nothing.

    `known`: the state that the run left at the server says so. Without it nothing but the name does.
    """

    schema: str
    keeps: str
    run: str = ""
    needed: str = ""
    known: bool = True

    @property
    def text(self) -> str:
        """Say in a sentence what it is."""
        of_run = f" of run {self.run}" if self.run else ""
        return f"made by a copy back{of_run}: it keeps {self.keeps}"


def own_schemas(database: Database, names: Collection[str]) -> dict[str, OwnSchema]:
    """Return those of some schemas that copies back have made. Only reads.

    A state that cannot be read says nothing: its schemas are ours by their names alone.
    """
    ours = {name for name in names if is_ours(name)}
    found: dict[str, OwnSchema] = {}
    for state in find_states(database) if ours else ():
        try:
            found |= _of_state(state, {name: state.get(name) for name in ("run", "plan", "done", "undone")}, names)
        except (RunbookError, ValueError):
            continue
    for name in ours - set(found):
        needed = "nobody can say by what: the state of its run is gone, or cannot be read"
        keeps = "what its run left; which run is not known"
        found[name] = OwnSchema(schema=name, keeps=keeps, needed=needed, known=False)
    return {name: own for name, own in found.items() if name in names}


def _of_state(state: State, facts: Mapping[str, Any], names: Collection[str]) -> dict[str, OwnSchema]:
    plan = facts["plan"] if isinstance(facts["plan"], dict) else {}
    run = str(facts["run"] or "")
    dated = {str(name): schema for schema, name in dict(plan.get("dated_schemas") or {}).items()}
    left = sorted(set(dated) & set(names))
    undo = f"the undo of run {run} needs it until you drop it" if run else "the undo of its run needs it"
    needed = "" if facts["undone"] or not left else undo if facts["done"] else "its run is not finished: run it again"
    found = {
        name: OwnSchema(schema=name, keeps=f"the damaged tables of {schema}", run=run, needed=needed)
        for name, schema in dated.items()
    }
    keeps = "how far the run came, and what undoes it"
    found[state.schema] = OwnSchema(schema=state.schema, keeps=keeps, run=run, needed=needed)
    key = state.schema.removeprefix(STATE_PREFIX)
    for name in names:
        if name.endswith(f"_copyback_{key}") and not name.startswith(STATE_PREFIX):
            unfinished = "" if facts["done"] else "its run is not finished: run it again"
            found[name] = OwnSchema(schema=name, keeps="tables on their way", run=run, needed=unfinished)
    return found
