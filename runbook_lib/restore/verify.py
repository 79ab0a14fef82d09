"""Re-read the world after a restore: does the copy answer, and what has the source lost against it?"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import Cluster, describe_cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.errors import RunbookError, Unreachable
from runbook_lib.inventory import Inventory, list_schemas, take_inventory
from runbook_lib.mysql import Credentials
from runbook_lib.proof import Guard, Proof, ProofOptions, Side, record_proof
from runbook_lib.restore.apply import Applied
from runbook_lib.restore.compare import compare_servers
from runbook_lib.swap.names import is_ours
from runbook_lib.times import utc_now

log = logging.getLogger(__name__)

SOURCE_GONE = "the source cluster is gone"
_FIRST_ANSWER_S = 120  # an endpoint's name can take a minute or two to be known everywhere


@dataclass(frozen=True, kw_only=True)
class Verification:
    """What was re-read. `proof` holds the source as it is now against the copy, which is what is expected.

    It is None when the source could not be read, and then `source_trouble` says why.
    """

    cluster: Cluster
    server_version: str
    copy: Inventory
    proof: Proof | None
    source_trouble: str
    finished: datetime


def verify(
    session: AwsSession,
    applied: Applied,
    *,
    source: Cluster | None,
    secret: str = "",
    personal: str = "*",
    guard: Guard | None = None,
) -> Verification | None:
    """Prove the copy against the source, row by row. None when nothing was applied: there is nothing to verify.

    A copy with a managed master password is opened with its own secret. Any other is opened with the source's account:
    its password is the one in force at the restored second. Values of `personal` columns (patterns separated by
    commas, as `prove` takes them) are not read. The proof's counts and hashes go into the record.

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
    restored = Side(name=cluster.identifier, connect=lambda: open_database(cluster, of_copy))
    patterns = [name for part in personal.split(",") if (name := part.strip())]
    proof, trouble = _prove(session, restored, source, secret, patterns, guard or Guard())
    return Verification(
        cluster=cluster,
        server_version=version,
        copy=_held(proof, restored) if proof else take_inventory(restored.connect),
        proof=proof,
        source_trouble=trouble,
        finished=utc_now(),
    )


def _prove(
    session: AwsSession, copy: Side, source: Cluster | None, secret: str, personal: Collection[str], guard: Guard
) -> tuple[Proof | None, str]:
    if source is None:
        return None, SOURCE_GONE
    try:
        of_source = credentials_for(session, source, secret=secret)
        damaged = Side(name=source.identifier, connect=lambda: open_database(source, of_source))
        proof = compare_servers(copy, damaged, options=ProofOptions(personal=personal, guard=guard, objects=True))
    except RunbookError as error:  # the source may be in any state, that is why it is restored; the copy still counts
        log.warning("the source could not be proved: %s", error.message)
        return None, error.message
    record_proof(proof)
    return proof, ""


def _held(proof: Proof, copy: Side) -> Inventory:
    with copy.connect() as database:
        schemas = tuple(schema for schema in list_schemas(database) if not is_ours(schema))
    rows = {table.pair.expected: table.expected_rows for table in proof.tables if table.expected_rows is not None}
    return Inventory(schemas=schemas, rows=rows)


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
