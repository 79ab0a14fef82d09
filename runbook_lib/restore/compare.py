"""Compare a source with its copy: every schema but those that these runbooks made, every table that can be read.

A table that cannot be read is named with the reason and counts as not proved; the others are proved all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, fields

from runbook_lib.errors import AccessDenied, CredentialsRefused, RunbookError, StepFailed, Unreachable
from runbook_lib.inventory import TableName, list_schemas, list_tables
from runbook_lib.proof import Outcome, Pair, Proof, ProofOptions, Side, prove
from runbook_lib.swap.names import is_ours

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Comparison(Proof):
    """A proof of what could be read. `unread` are tables that could not be, each with the reason: not proved."""

    unread: tuple[tuple[TableName, str], ...] = ()

    @property
    def verdict(self) -> Outcome:
        """Say whether every table is the same; never while one of them could not be read."""
        return "different" if self.unread else super().verdict


def unread_of(proof: Proof) -> tuple[tuple[TableName, str], ...]:
    """Return the tables that a proof could not read, each with the reason."""
    return proof.unread if isinstance(proof, Comparison) else ()


def compare_servers(restored: Side, damaged: Side, *, options: ProofOptions) -> Comparison:
    """Prove every table of both servers that can be read, but those of the schemas that a copy back made for itself.

    Raises:
        AccessDenied, Unreachable, TimedOut: see `prove`; not for single tables that cannot be read.
    """
    schemas, tables = _to_prove(restored, damaged)
    try:
        return _of(prove(restored, damaged, schemas=schemas, options=options))
    except (AccessDenied, StepFailed) as error:
        unread = {**_unreadable(restored, tables), **_unreadable(damaged, tables)}
        if not unread:
            raise
        log.warning("%d tables cannot be read and are not proved: %s", len(unread), error.message)
    pairs = [Pair(expected=table, found=table) for table in sorted(tables - {*unread, *options.leave_out})]
    if not pairs:
        raise AccessDenied("No table can be read on both servers.", hint="Give the account SELECT on them.")
    return _of(prove(restored, damaged, pairs=pairs, options=options), unread=tuple(sorted(unread.items())))


def _of(proof: Proof, *, unread: tuple[tuple[TableName, str], ...] = ()) -> Comparison:
    return Comparison(**{each.name: getattr(proof, each.name) for each in fields(Proof)}, unread=unread)


def _to_prove(restored: Side, damaged: Side) -> tuple[tuple[str, ...], set[TableName]]:
    schemas: set[str] = set()
    tables: set[TableName] = set()
    for side in (restored, damaged):
        with side.connect() as database:
            schemas |= {schema for schema in list_schemas(database) if not is_ours(schema)}
            tables |= {table for table in list_tables(database) if not is_ours(table.schema)}
    return tuple(sorted(schemas)), tables


def _unreadable(side: Side, tables: Collection[TableName]) -> dict[TableName, str]:
    """Ask every table of a server for one row; return those that refuse, each with the server's words."""
    found = {}
    with side.connect() as database:
        for table in sorted(set(list_tables(database)) & set(tables)):
            try:
                database.rows(f"SELECT 1 FROM {table.sql} LIMIT 1")  # noqa: S608 # quoted
            except (Unreachable, CredentialsRefused):
                raise
            except RunbookError as error:
                found[table] = f"{side.name}: {error.message}"
    return found
