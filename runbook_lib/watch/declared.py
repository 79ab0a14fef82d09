"""What the watch looks at: one declaration a check, from which its metric, its gauge and its alarm are made.

A check that is declared is always answered: ok, mind, bad, or unknown where nobody could look. So a metric that is
missing means that the watch itself did not run, and its alarm says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from runbook_lib.checks import Check, State
from runbook_lib.errors import InputRefused

Level = Literal["cluster", "database", "region"]

VALUES: Mapping[State, int] = {"ok": 0, "warn": 1, "unknown": 2, "bad": 3}
"""What a state is in a metric. An alarm begins at `ALARM_AT`: what could not be looked at is an alarm too."""
ALARM_AT = VALUES["unknown"]


@dataclass(frozen=True, kw_only=True)
class Declared:
    """One check. `level` says of what there is one answer each: a cluster, its database, or the region as a whole.

    `title` is the check in a table; `meaning` one sentence for whoever an alarm wakes. `notebook` answers what is to be
    done.
    """

    name: str
    level: Level
    title: str
    meaning: str
    notebook: str

    @property
    def metric(self) -> str:
        """Return the name of its CloudWatch metric: RestorableLag."""
        return "".join(part.capitalize() for part in self.name.split("-"))

    @property
    def gauge(self) -> str:
        """Return the name of its Prometheus gauge. The state has no unit, so the name ends in none."""
        return f"recovery_watch_{self.name.replace('-', '_')}_state"

    def command(self, cluster: str) -> str:
        """Return the command that runs its notebook."""
        return f"runbook run {self.notebook}" + (f" -p cluster {cluster}" if self.level != "region" and cluster else "")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """How one check stands for one cluster; `about` is empty for the region as a whole."""

    declared: Declared
    about: str
    check: Check

    @property
    def state(self) -> State:
        """Return ok, warn, bad or unknown."""
        return self.check.state

    @property
    def command(self) -> str:
        """Return the command that runs the notebook which helps."""
        return self.declared.command(self.about)


def _of(name: str, level: Level, title: str, meaning: str, notebook: str = "inspect_backups") -> Declared:
    return Declared(name=name, level=level, title=title, meaning=meaning, notebook=notebook)


CHECKS: tuple[Declared, ...] = (
    _of("restorable-lag", "cluster", "the newest second that can be restored",
        "The last second that can be restored lags behind the clock: what is written now could not come back."),
    _of("window-short", "cluster", "how far back it can be restored",
        "A cluster cannot be restored as far back as its retention, or what was promised, says."),
    _of("settings-weakened", "cluster", "retention and deletion protection since the last record",
        "The backup retention was lowered or the deletion protection switched off since an earlier record."),
    _of("snapshot-missing", "cluster", "the daily snapshot",
        "No automated snapshot of a cluster was made for 26 hours."),
    _of("encryption", "cluster", "the key it is encrypted by",
        "A cluster is not encrypted, or by AWS's default key, which cannot be shared with another account."),
    _of("snapshots-shared", "cluster", "whom its snapshots are shared with",
        "A snapshot of a cluster is public, or shared with an account that is not among the trusted ones."),
    _of("kept-apart", "cluster", "a copy in another account or a locked vault",
        "Nothing recent of a cluster lies in another account or a locked vault: one account can delete all."),
    _of("certificate", "cluster", "the certificate authority",
        "The certificate authority or the certificate of an instance ends soon: clients will then refuse to connect."),
    _of("engine-support", "cluster", "the engine version's support",
        "The engine version of a cluster is near the end of its support, or a restore of it may be refused."),
    _of("drill", "cluster", "the last proved restore",
        "No restore of a cluster was drilled and proved for longer than promised, or the last drill failed.",
        "drill_restore"),
    _of("binary-log", "database", "the binary log",
        "The binary log is off or not kept as long as people need to notice: the second of a damage cannot be found."),
    _of("contract", "database", "the schema contract",
        "A schema does not hold what its contract says it must.", "audit_schemas"),
    _of("tables-lost", "database", "tables and rows since the last record",
        "Tables are gone, emptied or much smaller than in an earlier record."),
    _of("loader-account", "database", "what the loader's account may do",
        "The account that loads can drop, empty or change live data.", "publish_load"),
    _of("cluster-gone", "region", "the clusters of the last record",
        "A cluster of an earlier record is not there any more."),
    _of("load", "region", "the load",
        "The load failed, is late, or did not run at all."),
    _of("copies-expired", "region", "restored copies past their expiry",
        "Restored copies are still running after their expiry.", "clean_up_restores"),
    _of("quota", "region", "quotas of clusters and snapshots",
        "The quota of clusters or manual snapshots is nearly used: a restore would be refused.", "clean_up_restores"),
    _of("records-unpublished", "region", "records that were to be published",
        "A record that was to be published is only on the machine that ran it.", "watch_backups"),
    _of("records-chain", "region", "the chain of records",
        "A record was changed, cut, added or removed.", "watch_backups"),
)  # fmt: skip
BY_NAME: Mapping[str, Declared] = {declared.name: declared for declared in CHECKS}


def wanted_checks(*, one_cluster: bool, leave_out: str = "") -> tuple[Declared, ...]:
    """Return the checks of a watch: those of databases only where one cluster is named.

    Raises:
        InputRefused: `leave_out` names what is no check.
    """
    without = names_in(leave_out)
    if strange := [name for name in without if name not in BY_NAME]:
        raise InputRefused(f"There is no check {', '.join(strange)}.", hint=f"Name some of: {', '.join(BY_NAME)}.")
    return tuple(
        declared
        for declared in CHECKS
        if declared.name not in without and (one_cluster or declared.level != "database")
    )


def names_in(text: str) -> tuple[str, ...]:
    """Return the names in a parameter that lists them, separated by commas or blanks."""
    return tuple(part for part in re.split(r"[,\s]+", text) if part)
