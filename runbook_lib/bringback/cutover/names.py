"""The names of a cut-over: what everything was called, and what it becomes. Pure.

A name has 1 to 63 letters, digits and single hyphens, begins with a letter and ends with none (ModifyDBCluster,
NewDBClusterIdentifier, and ModifyDBInstance, NewDBInstanceIdentifier, in the Amazon RDS API Reference).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from runbook_lib.tags import TAG_PREFIX

LONGEST = 63
WAS, BECOMES = f"{TAG_PREFIX}was", f"{TAG_PREFIX}becomes"
"""Tags that a cut-over puts on whatever it renames, before the first change, so that any later run can go on."""

Kind = Literal["cluster", "instance"]


@dataclass(frozen=True, kw_only=True)
class Rename:
    """One change of name. `origin` is the name before the cut-over: by its tag it is found under any name."""

    kind: Kind
    resource_id: str
    was: str
    becomes: str
    origin: str


def set_aside_name(name: str, stamp: str) -> str:
    """Return what the damaged cluster becomes: `prod-damaged-20260204-100000`, shortened at the front part if need be.

    `stamp` is the second that was restored, the last good one: the same plan has the same names whenever it is made.
    """
    ending = f"-damaged-{stamp}"
    return f"{name[: LONGEST - len(ending)].rstrip('-')}{ending}"


def numbered(name: str, number: int) -> str:
    """Return the name of a cluster's instance by its number."""
    ending = f"-{number}"
    return f"{name[: LONGEST - len(ending)].rstrip('-')}{ending}"


def unused(wanted: Sequence[str], taken: Sequence[str]) -> tuple[str, ...]:
    """Return the wanted names that nothing has yet, in their order."""
    return tuple(name for name in wanted if name not in taken)
