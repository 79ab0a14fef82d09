"""Re-read the world after a restore: does the copy answer, and what does it hold beside the source?"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import Cluster, describe_cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.errors import RunbookError, Unreachable
from runbook_lib.inventory import Inventory, TableName, take_inventory
from runbook_lib.mysql import Credentials
from runbook_lib.restore.application import Applied
from runbook_lib.times import utc_now

log = logging.getLogger(__name__)

_FIRST_ANSWER_S = 120  # an endpoint's name can take a minute or two to be known everywhere


@dataclass(frozen=True, kw_only=True)
class TableRows:
    """One table's exact rows on both sides; None where the table is not there (or the source was not read)."""

    table: TableName
    source: int | None
    copy: int | None

    @property
    def difference(self) -> str:
        """Say in a word how the copy differs from the source as it is now."""
        if self.source is None:
            return "only in the copy"
        if self.copy is None:
            return "only in the source"
        if self.source == self.copy:
            return "same count"
        return "emptied in the source" if self.source == 0 else "other count"


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was re-read. `source` is None when the source could not be read, and then `source_trouble` says why."""

    cluster: Cluster
    server_version: str
    copy: Inventory
    source: Inventory | None
    source_trouble: str
    finished: datetime

    @property
    def tables(self) -> tuple[TableRows, ...]:
        """Give every table of both sides, those that differ first."""
        here = self.source.rows if self.source else {}
        names = sorted({*here, *self.copy.rows})
        rows = [TableRows(table=name, source=here.get(name), copy=self.copy.rows.get(name)) for name in names]
        return tuple(sorted(rows, key=lambda row: (row.difference == "same count", row.table)))


def verify(session: AwsSession, applied: Applied, *, source: Cluster | None, secret: str = "") -> Verification | None:
    """Read the copy and the source, exactly. None when nothing was applied: there is nothing to verify.

    A copy with a managed master password is opened with its own secret. Any other is opened with the source's account:
    its password is the one in force at the restored second.

    Raises:
        AccessDenied: the password has been changed since that second.
        Unreachable: the copy does not answer from here.
    """
    if not applied.done:
        return None
    cluster = describe_cluster(session, applied.plan.target)
    account = secret or (source.secret_arn if source else "")
    of_copy = credentials_for(session, cluster, secret="" if cluster.secret_arn else account)
    version = first_answer(cluster, of_copy)
    copy = take_inventory(lambda: open_database(cluster, of_copy))
    found, trouble = _read_source(session, source, secret)
    return Verification(
        cluster=cluster,
        server_version=version,
        copy=copy,
        source=found,
        source_trouble=trouble,
        finished=utc_now(),
    )


def _read_source(session: AwsSession, source: Cluster | None, secret: str) -> tuple[Inventory | None, str]:
    if source is None:
        return None, "the source cluster is gone"
    try:
        of_source = credentials_for(session, source, secret=secret)
        return take_inventory(lambda: open_database(source, of_source)), ""
    except RunbookError as error:  # the source may be in any state, that is why we are here; the copy still counts
        log.warning("the source could not be read: %s", error.message)
        return None, error.message


def first_answer(cluster: Cluster, credentials: Credentials) -> str:
    """Wait until a new endpoint answers, and give the server's version. Raises as `open_database`."""
    began = time.monotonic()
    while True:
        try:
            with open_database(cluster, credentials) as database:
                return str(database.value("SELECT VERSION()"))
        except Unreachable:
            if time.monotonic() - began > _FIRST_ANSWER_S:
                raise
            log.info("waiting for %s to answer", cluster.endpoint)
            time.sleep(2)
