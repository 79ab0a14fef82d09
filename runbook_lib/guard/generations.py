"""The generations of a loaded schema: the live one, the next one, those before, and what the server keeps of each."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from runbook_lib.errors import InputRefused
from runbook_lib.mysql import Database
from runbook_lib.swap.state import State

NEXT, WAS, UNDONE = "__next", "__was_", "__undone_"
STATE = "runbook_publish_"
_LONGEST = 64  # identifiers, MySQL manual, "Identifier Length Limits"
_DATED = re.compile(r"(?P<live>.+)__(?:was|undone)_(?P<at>\d{8}t\d{6}z)")


@dataclass(frozen=True, kw_only=True)
class Published:
    """One load that was published: when (aware UTC), under which name the generation before is kept, rows by table.

    `undone` says that it was taken back. `digests` are the totals of the row hashes at that moment, by table.
    """

    at: datetime
    was: str
    state: str
    rows: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    undone: bool = False


def next_of(live: str, given: str = "") -> str:
    """Return the schema of the next generation, `given` or `<live>__next`.

    Raises:
        InputRefused: a name would be longer than MySQL allows, or both are one schema.
    """
    name = given or f"{live}{NEXT}"
    longest = max(name, dated(live, WAS, datetime.now(UTC)), key=len)
    if len(longest) > _LONGEST:
        raise InputRefused(
            f"`{longest}` would have {len(longest)} letters; a schema's name may have {_LONGEST}.",
            hint=f"Shorten the name of `{live}` to {_LONGEST - len(longest) + len(live)} letters, or load elsewhere.",
        )
    if name.casefold() == live.casefold():
        raise InputRefused("The next generation cannot be the live schema.", hint=f"Load into `{live}{NEXT}`.")
    return name


def dated(live: str, kind: str, at: datetime) -> str:
    """Return the name of a generation that is kept: `staging__was_20260204t100000z`."""
    return f"{live}{kind}{at.astimezone(UTC):%Y%m%dt%H%M%Sz}"


def is_generation_of(schema: str, live: str) -> bool:
    """Tell whether a schema's name is that of a generation that was kept of `live`."""
    found = _DATED.fullmatch(schema)
    return bool(found and found["live"] == live)


def states_of(database: Database, live: str) -> tuple[State, ...]:
    """Return what the server keeps of each publish into `live`, the oldest first, finished or not."""
    rows = database.rows(
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name LIKE %s",
        (STATE.replace("_", "\\_") + "%",),
    )
    found = [State(database, str(schema)) for (schema,) in rows]
    mine = [(str(state.get("at") or ""), state) for state in found if state.get("live") == live]
    return tuple(state for _, state in sorted(mine, key=lambda pair: (pair[0], pair[1].schema)))


def published(database: Database, live: str) -> tuple[Published, ...]:
    """Return the loads that were published into `live`, the oldest first."""
    found = []
    for state in states_of(database, live):
        done: dict[str, Any] | None = state.get("done")
        if done is not None:
            found.append(
                Published(
                    at=datetime.fromisoformat(str(state.get("at"))),
                    was=str(state.get("was")),
                    state=state.schema,
                    rows={str(name): int(count) for name, count in done["rows"].items()},
                    digests={str(name): str(total) for name, total in done["digests"].items()},
                    undone=state.get("undone") is not None,
                )
            )
    return tuple(found)
