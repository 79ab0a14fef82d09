"""Prove that what one server holds is what another holds, table by table, and say where it is not.

One server can also be held against the proof of an earlier record: the same digests, taken again. Only numbers were
kept of the earlier data, so it can be said which tables differ and by how many rows, not which rows.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from runbook_lib.errors import NotFound
from runbook_lib.inventory import TableName
from runbook_lib.proof.estate import Estate, ProofOptions
from runbook_lib.proof.guard import Watch
from runbook_lib.proof.values import (
    DAMAGED,
    EMPTIED,
    MISSING,
    NEW,
    SAME,
    Digest,
    Pair,
    Proof,
    Side,
    TableVerdict,
    Verdict,
)

log = logging.getLogger(__name__)

_USUAL = ProofOptions()


@dataclass(frozen=True, kw_only=True)
class Taken:
    """The digests of one server's tables, and the columns that were asked for and are not there."""

    digests: Mapping[TableName, Digest]
    lacking: Mapping[TableName, tuple[str, ...]]
    seconds: float


def prove(
    expected: Side,
    found: Side,
    *,
    pairs: Sequence[Pair] | None = None,
    schemas: Collection[str] = (),
    options: ProofOptions = _USUAL,
) -> Proof:
    """Compare tables of two servers: definitions, exact numbers of rows, and every row by its hash. Both are only read.

    Without `pairs` every base table of both sides is compared with its namesake; `schemas` limits that. Nothing is
    locked: a row that is written meanwhile is reported as it was when it was read.

    Raises:
        AccessDenied: an account may not read a table.
        Unreachable: a server does not answer any more.
        NotFound: a pair, or a schema, is on neither side.
        InputRefused: `options.keep` was written by another proof.
        TimedOut: the guarded server was too busy for longer than the guard's patience.
    """
    began = time.monotonic()
    estate = Estate(expected, found, options)
    try:
        estate.plan(pairs, schemas)
        _work(estate, Watch(options.guard, found))
    finally:
        estate.close()
    proof = Proof(
        expected=expected.name,
        found=found.name,
        tables=tuple(sorted(estate.verdicts, key=lambda table: table.pair)),
        seconds=time.monotonic() - began,
        objects=estate.objects,
        unseen=estate.unseen,
        not_compared=estate.not_compared,
        with_json=estate.with_json,
    )
    log.info("%d tables compared; rows are missing or changed in %d", len(proof.tables), len(proof.damaged))
    return proof


def take(side: Side, wanted: Mapping[TableName, Digest], *, options: ProofOptions = _USUAL) -> Taken:
    """Take the digests of one server's tables, each made as an earlier one. A table that is gone has none.

    Raises:
        AccessDenied: the account may not read a table.
        InputRefused: a row might not fit into this server's packets in these ways.
        TimedOut: the guarded server was too busy for longer than the guard's patience.
    """
    began = time.monotonic()
    estate = Estate(side, side, replace(options, personal=(), samples=0, keep=None))
    try:
        estate.plan_alone(wanted)
        _work(estate, Watch(options.guard, side))
    finally:
        estate.close()
    digests = {table.pair.expected: table.expected_digest for table in estate.verdicts if table.expected_digest}
    return Taken(digests=digests, lacking=estate.lacking, seconds=time.monotonic() - began)


def _work(estate: Estate, watch: Watch) -> None:
    try:
        estate.work(watch)
    finally:
        watch.close()


def hold(side: Side, earlier: Proof, *, schemas: Collection[str] = (), options: ProofOptions = _USUAL) -> Proof:
    """Compare a server with what was expected in an earlier proof, table by table.

    The counts of `missing` and `extra` rows are how many fewer or more rows there are: which ones is not known.

    Raises:
        AccessDenied: the account may not read a table.
        NotFound: the earlier proof has no table of these schemas.
        InputRefused: a row might not fit into this server's packets as the earlier proof wrote it.
    """
    wanted = [
        table
        for table in earlier.tables
        if table.expected_digest is not None and (not schemas or table.pair.expected.schema in schemas)
    ]
    if not wanted:
        raise NotFound(
            f"The earlier proof has no table of {', '.join(sorted(schemas)) or 'any schema'}: nothing can be compared.",
            hint="Check the names of the schemas.",
        )
    digests = {table.pair.expected: table.expected_digest for table in wanted if table.expected_digest}
    taken = take(side, digests, options=options)
    return Proof(
        expected=earlier.expected,
        found=side.name,
        tables=tuple(_held(table, taken.digests.get(table.pair.expected), taken.lacking.get(table.pair.expected, ()))
                     for table in wanted),
        seconds=taken.seconds,
        unseen=earlier.unseen,
        with_json=earlier.with_json,
    )  # fmt: skip


def _held(table: TableVerdict, now: Digest | None, lacking: tuple[str, ...]) -> TableVerdict:
    before = table.expected_digest
    assert before is not None
    fewer = max(0, before.rows - (now.rows if now else 0))
    more = max(0, (now.rows if now else 0) - before.rows)
    return replace(
        table,
        pair=replace(table.pair, found=table.pair.expected),
        verdict=_verdict(before, now, lacking),
        found_rows=now.rows if now else None,
        missing=fewer,
        extra=more,
        changed=0,
        columns=(),
        samples=(),
        definition=tuple(f"column {name} is not there" for name in lacking),
        found_digest=now,
    )


def _verdict(before: Digest, now: Digest | None, lacking: tuple[str, ...]) -> Verdict:
    if now is None:
        return MISSING
    if before.rows and not now.rows:
        return EMPTIED
    if not lacking and (before.rows, before.total) == (now.rows, now.total):
        return SAME
    return NEW if not before.rows and not lacking else DAMAGED
