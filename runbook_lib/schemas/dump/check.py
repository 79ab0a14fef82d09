"""Say what a dump would do before anybody loads it."""

from __future__ import annotations

from collections.abc import Collection, Iterator

from runbook_lib.schemas.dump.findings import findings_of
from runbook_lib.schemas.dump.lexer import pieces
from runbook_lib.schemas.dump.report import DumpReport, DumpTable
from runbook_lib.schemas.dump.source import DumpSource
from runbook_lib.schemas.dump.watch import DumpWatch
from runbook_lib.schemas.names import malformed


def check_dump(source: DumpSource, *, schema: str, expected: Collection[str] = ()) -> DumpReport:
    """Read a whole dump and say what loading it into `schema` would do.

    `expected` are the tables that the contract wants there (patterns with `*` and `?`); none means not asked.
    """
    watch = DumpWatch(schema)
    for piece in pieces(source.blocks()):
        watch.take(piece)
    return report_of(watch, source, expected=expected)


def report_of(watch: DumpWatch, source: DumpSource, *, expected: Collection[str] = ()) -> DumpReport:
    """Make the report of a dump that has been watched to its end."""
    tables = tuple(_tables(watch))
    complete = watch.complete(cut_short=bool(source.cut_short))
    return DumpReport(
        name=source.name,
        packing=source.packing,
        stored_bytes=source.stored_bytes,
        unpacked_bytes=source.bytes_read,
        made_by=watch.made_by,
        schema=watch.asked,
        complete=complete,
        tables=tables,
        other_objects=watch.others,
        schemas_written=tuple(sorted({watch.asked, *watch.elsewhere} if watch.elsewhere else {watch.asked})),
        findings=tuple(findings_of(watch, source, tables, complete=complete, expected=expected)),
    )


def _tables(watch: DumpWatch) -> Iterator[DumpTable]:
    for (schema, name), seen in sorted(watch.tables.items()):
        odd = malformed(name)
        yield DumpTable(
            schema=schema,
            name=name,
            meant=(odd.meant or name) if odd else name,
            created=seen.created,
            dropped_first=seen.dropped_first,
            row_bytes=seen.row_bytes,
        )
