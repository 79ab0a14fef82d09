"""What a watch is asked for: promises, the load, what is trusted, accepted and left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property

from runbook_lib.errors import InputRefused
from runbook_lib.watch.declared import names_in

USUAL = "window 7 days, notice 72 hours, drill 31 days"
_PROMISE = re.compile(r"(window|notice|drill)\s+(\d+)\s+(hours?|days?)")


@dataclass(frozen=True, kw_only=True)
class Promises:
    """How far back a restore must reach, how long people may take to notice a damage, how often a drill is due."""

    window: timedelta
    notice: timedelta
    drill: timedelta


@dataclass(frozen=True, kw_only=True)
class Choices:
    """The parameters of a watch, as they are named in the notebook."""

    promises: str = USUAL
    glue_jobs: str = ""
    secret: str = ""
    contract: str = ""
    loader: str = ""
    trusted: str = ""
    leave_out: str = ""
    accept: str = ""

    def __post_init__(self) -> None:
        assert self.promised

    @cached_property
    def promised(self) -> Promises:
        """Return the promises.

        Raises:
            InputRefused: one of them cannot be read.
        """
        found = {}
        for part in re.split(r"[,\n]", f"{USUAL},{self.promises}"):
            if not part.strip():
                continue
            read = _PROMISE.fullmatch(part.strip().lower())
            if read is None or int(read[2]) == 0:
                raise InputRefused(f'"{part.strip()}" is no promise.', hint=f'Write `promises` like "{USUAL}".')
            unit = timedelta(hours=1) if read[3].startswith("hour") else timedelta(days=1)
            found[read[1]] = int(read[2]) * unit
        return Promises(**found)

    @property
    def trusted_accounts(self) -> frozenset[str]:
        """Return the accounts that snapshots may be shared with."""
        return frozenset(names_in(self.trusted))

    @property
    def accepted(self) -> frozenset[str]:
        """Return the clusters whose state as it is now is the one to compare with from now on."""
        return frozenset(names_in(self.accept))
