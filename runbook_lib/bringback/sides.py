"""The two servers of a bring-back, ready to be opened as often as a proof or a copy needs."""

from __future__ import annotations

from dataclasses import dataclass

from runbook_lib.aws import AwsSession
from runbook_lib.bringback.cutover.pairing import Pairing
from runbook_lib.clusters import Cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Credentials
from runbook_lib.proof import Guard, Proof, ProofOptions, Side
from runbook_lib.restore.compare import Comparison, compare_servers


@dataclass(frozen=True, kw_only=True)
class Sides:
    """What is right (`copy`) and what is damaged (`source`), each by its server and not by a name that may move."""

    copy: Side
    source: Side


def sides_of(session: AwsSession, pairing: Pairing, *, secret: str = "") -> Sides:
    """Resolve both accounts. A copy with a managed master password is opened with its own secret, any other with the
    source's account: its password is the one in force at the restored second.

    The sides go by the addresses that the clusters have now: make them anew after a cut-over.

    Raises:
        InputRefused: there is no account for one of them.
    """
    copy, source = pairing.copy, pairing.source
    of_source = credentials_for(session, source, secret=secret)
    of_copy = credentials_for(session, copy) if copy.secret_arn else of_source
    return Sides(copy=_side(copy, of_copy), source=_side(source, of_source))


def _side(cluster: Cluster, account: Credentials) -> Side:
    return Side(
        name=cluster.identifier, connect=lambda: open_database(cluster, account), place=cluster.unlike_any_other
    )


def prove_pairing(session: AwsSession, pairing: Pairing, *, secret: str = "") -> Comparison:
    """Compare the damaged cluster with the copy, to the row. Of values only keys that are numbers are shown.

    Schemas that a copy back made for itself are no part of it. The proof waits while the damaged cluster is busy, by
    the guard's usual bounds.

    Raises:
        AccessDenied, Unreachable, TimedOut: see `compare_servers`.
    """
    sides = sides_of(session, pairing, secret=secret)
    return compare_servers(sides.copy, sides.source, options=ProofOptions(personal=("*",), guard=Guard(), objects=True))


def changed_since(before: Proof, after: Proof) -> tuple[TableName, ...]:
    """Return the tables whose rows on the right side are not those of an earlier proof: written since, or lost."""
    earlier = {verdict.pair.expected: verdict.expected_digest for verdict in before.tables}
    later = {verdict.pair.expected: verdict.expected_digest for verdict in after.tables}
    return tuple(sorted(name for name in {*earlier, *later} if earlier.get(name) != later.get(name)))
