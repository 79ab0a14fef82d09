"""Hold one server against the proof of an earlier record: the same digests, taken again.

Only numbers were kept of the earlier data, so it can be said which tables differ and by how many rows, not which rows.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from runbook_lib.proof.guard import Guard
from runbook_lib.proof.meter import Progress
from runbook_lib.proof.proving import WORKERS, take
from runbook_lib.proof.values import DAMAGED, EMPTIED, MISSING, NEW, SAME, Digest, Proof, Side, TableVerdict, Verdict


def hold(
    side: Side,
    earlier: Proof,
    *,
    schemas: Collection[str] = (),
    workers: int = WORKERS,
    guard: Guard | None = None,
    progress: Progress | None = None,
) -> Proof:
    """Compare a server with what was expected in an earlier proof, table by table.

    The counts of `missing` and `extra` rows are how many fewer or more rows there are: which ones is not known.

    Raises:
        AccessDenied: the account may not read a table.
        InputRefused: a row might not fit into this server's packets as the earlier proof wrote it.
    """
    wanted = [
        table
        for table in earlier.tables
        if table.expected_digest is not None and (not schemas or table.pair.expected.schema in schemas)
    ]
    digests = {table.pair.expected: table.expected_digest for table in wanted if table.expected_digest}
    taken = take(side, digests, workers=workers, guard=guard, progress=progress)
    return Proof(
        expected=earlier.expected,
        found=side.name,
        tables=tuple(_held(table, taken.digests.get(table.pair.expected), taken.lacking.get(table.pair.expected, ()))
                     for table in wanted),
        seconds=taken.seconds,
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
