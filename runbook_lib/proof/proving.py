"""Prove that what one server holds is what another holds, table by table, and say where it is not."""

from __future__ import annotations

import logging
import time
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.inventory import TableName
from runbook_lib.proof.estate import Estate
from runbook_lib.proof.guard import Guard, Watch
from runbook_lib.proof.meter import Progress
from runbook_lib.proof.values import Digest, Pair, Proof, Side

log = logging.getLogger(__name__)

WORKERS = 4


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
    personal: Collection[str] = (),
    samples: int = 5,
    workers: int = WORKERS,
    keep: Path | None = None,
    guard: Guard | None = None,
    progress: Progress | None = None,
) -> Proof:
    """Compare tables of two servers: definitions, exact numbers of rows, and every row by its hash. Both are only read.

    Without `pairs` every base table of both sides is compared with its namesake; `schemas` limits that. `personal`
    are patterns of columns ("staging.*.email") whose values are never read into samples; "*" is every column but a key
    that is one whole number. At most `samples` rows of each kind are
    kept per table. `keep` names a file in which progress is kept: given again, the proof goes on where it stopped.
    The guard holds it back while the found side is busy. Nothing is locked: a row that is written meanwhile is
    reported as it was when it was read.

    Raises:
        AccessDenied: an account may not read a table.
        Unreachable: a server does not answer any more.
        NotFound: a pair is on neither side.
        InputRefused: `keep` was written by another proof.
        TimedOut: the guarded server was too busy for longer than the guard's patience.
    """
    began = time.monotonic()
    estate = Estate(expected, found, personal=tuple(personal), samples=samples, progress=progress)
    try:
        estate.plan(pairs, schemas, keep)
        _work(estate, Watch(guard, found), workers)
    finally:
        estate.close()
    proof = Proof(
        expected=expected.name,
        found=found.name,
        tables=tuple(sorted(estate.verdicts, key=lambda table: table.pair)),
        seconds=time.monotonic() - began,
    )
    log.info("%d tables proved, %d of them damaged", len(proof.tables), len(proof.damaged))
    return proof


def take(
    side: Side,
    wanted: Mapping[TableName, Digest],
    *,
    workers: int = WORKERS,
    guard: Guard | None = None,
    progress: Progress | None = None,
) -> Taken:
    """Take the digests of one server's tables, each made as an earlier one. A table that is gone has none.

    Raises:
        AccessDenied: the account may not read a table.
        InputRefused: a row might not fit into this server's packets in these ways.
        TimedOut: the guarded server was too busy for longer than the guard's patience.
    """
    began = time.monotonic()
    estate = Estate(side, side, personal=(), samples=0, progress=progress)
    try:
        estate.plan_alone(wanted)
        _work(estate, Watch(guard, side), workers)
    finally:
        estate.close()
    digests = {table.pair.expected: table.expected_digest for table in estate.verdicts if table.expected_digest}
    return Taken(digests=digests, lacking=estate.lacking, seconds=time.monotonic() - began)


def _work(estate: Estate, watch: Watch, workers: int) -> None:
    try:
        estate.work(watch, workers=max(1, workers))
    finally:
        watch.close()
