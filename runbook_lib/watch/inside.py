"""What a cluster's server says: its binary log, its tables against contract and past, the loader's account."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TypeVar

from runbook_lib.aws import AwsSession
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.clusters import Cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.errors import CredentialsRefused, RunbookError
from runbook_lib.guard.accounts import AccountVerdict, look_at_account
from runbook_lib.looking import could_not
from runbook_lib.mysql import Database
from runbook_lib.schemas.audit import Audit, audit_schemas
from runbook_lib.schemas.comparing import UNKNOWN
from runbook_lib.schemas.contract import read_contract
from runbook_lib.times import duration_text
from runbook_lib.watch.choices import Choices
from runbook_lib.watch.declared import wanted_checks

Tables = Mapping[tuple[str, str], tuple[int, bool | None]]
"""By schema and table: the estimated rows, and whether it was empty (None where nobody could look)."""

T = TypeVar("T")
_NO_SUCH_ROUTINE = 1305
_SHRUNK, _LESS = 0.5, 0.8  # of the estimated rows: bad, mind
_NOT_SEEN = "not looked into"
_WORTH = 100  # estimates of smaller tables say nothing; that one is empty is known exactly
_NOT_OF_TABLES = (
    "reads and writes since", "which accounts", "routines of others", "what views", "triggers", "events", "what is in ",
    "whether ",
)  # fmt: skip
_ACCOUNT = "Give an account that may read (README: rights of a reader), or leave this check out with `leave_out`."


@dataclass(frozen=True, kw_only=True)
class BinaryLog:
    """Whether the server writes a binary log, and for how long it keeps it; None: it is purged as soon as it may be."""

    is_on: bool
    kept: timedelta | None


@dataclass(frozen=True, kw_only=True)
class Inside:
    """What was read of one server."""

    log: BinaryLog | None
    audit: Audit | None
    account: AccountVerdict | None
    why_not: Mapping[str, str]

    def binary_log(self, subject: str, notice: timedelta) -> Check:
        """Decide on the binary log; it must be kept as long as people may take to notice a damage."""
        if self.log is None:
            hint = f"GRANT EXECUTE ON PROCEDURE mysql.rds_show_configuration to it. {_ACCOUNT}"
            return unknown(subject, f"The binary log {self.why_not['log']}", hint)
        hint = "CALL mysql.rds_set_configuration('binlog retention hours', …)."
        if not self.log.is_on:
            on = "Set binlog_format in the cluster's parameter group, and restart the writer."
            return bad(subject, "It is off: what a load did, and when, cannot be read.", on)
        if self.log.kept is None:
            return bad(subject, "It is on, but its retention is not set: it is purged within minutes.", hint)
        said = f"It is kept for {duration_text(self.log.kept)}; promised are {duration_text(notice)}."
        return ok(subject, said) if self.log.kept >= notice else bad(subject, said, hint)

    def kept_contract(self, subject: str) -> Check:
        """Decide on the contract."""
        if self.audit is None:
            return unknown(subject, f"The contract {self.why_not['audit']}", _ACCOUNT)
        broken = [f"{each.schema}.{each.table}: {each.what}".replace(".:", ":") for each in self.audit.broken]
        if broken:
            said = f"{len(broken)} places: {'; '.join(broken[:5])}."
            return bad(subject, said, "audit_schemas shows each of them, and whom to ask.")
        unseen = [each for each in self.audit.differences if each.what == UNKNOWN]
        if unseen:
            said = f"{unseen[0].schema}.{unseen[0].table} {unseen[0].detail}".strip()
            return unknown(subject, f"Not everything could be seen: {said}".rstrip("."), _ACCOUNT)
        return ok(subject, "Every schema holds what it must.")

    def lost_tables(self, subject: str, before: Tables | None, cluster: str) -> Check:
        """Decide on the tables against those of earlier records."""
        if self.audit is None:
            return unknown(subject, f"The tables {self.why_not['audit']}", _ACCOUNT)
        now = self.tables()
        if before is None:
            return warn(subject, f"The first record, of {len(now)} tables.", "Later runs are compared with this one.")
        lost = {key: what for key in before if (what := _lost(before[key], now.get(key)))}
        gone = [key for key, what in lost.items() if what == "gone"]
        unseen = [key for key, what in lost.items() if what == _NOT_SEEN]
        worse = [f"{'.'.join(key)} {what}" for key, what in sorted(lost.items()) if what not in ("smaller", _NOT_SEEN)]
        hint = f"inspect_backups finds the second. If it was meant: `-p accept {cluster}`."
        if gone and len(gone) == len(worse) and (hidden := self._hidden()):
            said = (
                f"{len(gone)} tables are not seen, such as {'.'.join(gone[0])}; this account does not see {hidden[0]}"
            )
            return unknown(subject, said, _ACCOUNT)
        if worse:
            return bad(subject, f"{len(worse)} tables: {', '.join(worse[:8])}.", hint)
        if unseen:
            said = f"Whether {len(unseen)} tables hold rows could not be seen, such as {'.'.join(unseen[0])}"
            return unknown(subject, said, _ACCOUNT)
        if lost:
            return warn(subject, f"Smaller by a fifth: {', '.join('.'.join(key) for key in [*lost][:8])}.", hint)
        return ok(subject, f"All {len(before)} tables are there, and none has lost much.")

    def loader(self, subject: str) -> Check:
        """Decide on the loader's account."""
        if self.account is None:
            hint = "Name the account that loads in `loader`, as user@host, or leave this check out with `leave_out`."
            return unknown(subject, f"What the loader may do {self.why_not['account']}", hint)
        verdict = self.account
        if verdict.answer == "yes":
            ways = ", ".join(dict.fromkeys(f"{way.right} {way.source}" for way in verdict.ways[:3]))
            said = f"{verdict.account} can destroy data in {', '.join(verdict.live)}: {ways}."
            return bad(subject, said, "Let it load beside: `runbook guard accounts` prints the grants.")
        if verdict.answer == "could not look":
            return unknown(subject, f"Whether {verdict.account} can could not be told: {verdict.unknown[0]}", _ACCOUNT)
        return ok(subject, f"{verdict.account} cannot destroy data in {', '.join(verdict.live)}.")

    def _hidden(self) -> list[str]:
        """Return what of the tables could not be seen; what tells nothing of tables and rows is left out."""
        assert self.audit is not None
        return [each.what for each in self.audit.survey.unseen if not each.what.startswith(_NOT_OF_TABLES)]

    def tables(self) -> dict[tuple[str, str], tuple[int, bool | None]]:
        """Return the tables as they are now."""
        if self.audit is None:
            return {}
        schemas = self.audit.survey.schemas
        return {
            (name, table.name): (table.rows_estimate, table.empty)
            for name, facts in schemas.items()
            if name not in self.audit.own
            for table in facts.base_tables
        }

    def tables_to_keep(self, before: Tables | None) -> Tables | None:
        """Return what the next watch compares with: tables as they are, and as they were where they have lost."""
        if self.audit is None:
            return before
        now = self.tables()
        lost = {key: before[key] for key in before or () if before and _lost(before[key], now.get(key))}
        return {**now, **lost}


def _lost(before: tuple[int, bool | None], now: tuple[int, bool | None] | None) -> str:
    if now is None:
        return "gone"
    if before[1] is False and now[1] is not False:
        return "emptied" if now[1] else _NOT_SEEN
    if before[0] >= _WORTH and now[0] < before[0] * _LESS:
        return "shrunk to less than half" if now[0] < before[0] * _SHRUNK else "smaller"
    return ""


def look_inside(session: AwsSession, cluster: Cluster | None, choices: Choices, *, now: datetime) -> Inside | None:
    """Connect to the server of the cluster that is watched and read what the checks need. None where none is named.

    Raises:
        InputRefused: the contract cannot be used.
        CredentialsRefused: AWS does not know the caller any more.
    """
    wanted = {declared.name for declared in wanted_checks(one_cluster=True, leave_out=choices.leave_out)}
    if cluster is None or not wanted & {"binary-log", "contract", "tables-lost", "loader-account"}:
        return None
    contract = read_contract(Path(choices.contract)) if choices.contract else None
    why_not: dict[str, str] = {}
    try:
        opened = open_database(cluster, credentials_for(session, cluster, secret=choices.secret))
    except CredentialsRefused:
        raise
    except RunbookError as error:
        return Inside(log=None, audit=None, account=None, why_not=dict.fromkeys(_PARTS, could_not(error).rstrip(".")))

    def part(name: str, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except RunbookError as error:
            why_not[name] = could_not(error).rstrip(".")
            return None

    with opened as database:
        live = [name for name, schema in contract.schemas.items() if schema.status == "active"] if contract else []
        log = part("log", lambda: _binary_log(database))
        audit = account = None
        if contract is None:
            why_not["audit"] = "could not be looked at: no `contract` is named"
        elif wanted & {"contract", "tables-lost"}:
            audit = part("audit", lambda: audit_schemas(database, contract=choices.contract, now=now))
        if not choices.loader or not live:
            why_not["account"] = "could not be looked at: no `loader` or no `contract` is named"
        elif "loader-account" in wanted:
            account = part("account", lambda: look_at_account(database, choices.loader, live=live))
    return Inside(log=log, audit=audit, account=account, why_not=why_not)


_PARTS = ("log", "audit", "account")


def _binary_log(database: Database) -> BinaryLog:
    """Read whether the log is written and how long it is kept.

    Aurora tells its retention by a procedure only (Aurora User Guide, "mysql.rds_show_configuration"); a server without
    that procedure is not Aurora's, and its own setting holds.
    """
    if str(database.value("SELECT @@GLOBAL.log_bin")) != "1":
        return BinaryLog(is_on=False, kept=None)
    try:
        told = {str(row[0]): row[1] for row in database.rows("CALL mysql.rds_show_configuration")}
    except RunbookError as error:
        if error.facts.get("code") != _NO_SUCH_ROUTINE:
            raise
        days = "@@GLOBAL.expire_logs_days * 86400" if database.is_mariadb else "@@GLOBAL.binlog_expire_logs_seconds"
        seconds = float(database.value(f"SELECT {days}") or 0)  # one of two constants
        return BinaryLog(is_on=True, kept=timedelta(seconds=seconds) if seconds else timedelta(days=36_500))
    hours = told.get("binlog retention hours")
    return BinaryLog(is_on=True, kept=timedelta(hours=float(hours)) if hours not in (None, "", "NULL") else None)
