"""Say what a dump would do before anybody loads it: facts, and findings that somebody can act on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase

from runbook_lib.schemas.dump.acts import Act
from runbook_lib.schemas.dump.lexer import pieces
from runbook_lib.schemas.dump.report import DumpFinding, DumpReport, DumpTable, Level
from runbook_lib.schemas.dump.source import DumpSource
from runbook_lib.schemas.dump.watch import DumpWatch, Seen
from runbook_lib.schemas.names import malformed, visible

_SENTENCES: dict[Act, tuple[Level, str, str]] = {
    Act.CREATE_SCHEMA: (Level.DANGER, "creates a schema", "It creates a schema of its own."),
    Act.DROP_SCHEMA: (Level.DANGER, "drops a schema", "It drops a whole schema with everything in it."),
    Act.ALTER_SCHEMA: (Level.WARNING, "alters a schema", "It changes a schema's character set."),
    Act.BINARY_LOG: (
        Level.DANGER, "binary log",
        "It turns binary logging off or sets replication positions: it needs more rights than a load should have, and "
        "a load that is not logged cannot be replayed by a point-in-time restore.",
    ),
    Act.GLOBAL: (Level.DANGER, "whole server", "It changes settings of the whole server."),
    Act.ACCOUNT: (Level.DANGER, "accounts and rights", "It changes accounts or their rights."),
    Act.REPLICATION: (Level.DANGER, "replication", "It steers replication."),
    Act.CLIENT: (Level.DANGER, "client commands", "It gives the client commands that are not SQL; some run programs."),
    Act.CHANGE: (Level.DANGER, "changes", "It does more than bring tables and rows."),
    Act.UNKNOWN: (
        Level.DANGER, "not understood", "It holds statements that are not known to bring tables and rows only.",
    ),
}  # fmt: skip


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
        findings=tuple(_findings(watch, source, tables, complete=complete, expected=expected)),
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


def _findings(
    watch: DumpWatch,
    source: DumpSource,
    tables: tuple[DumpTable, ...],
    *,
    complete: bool | None,
    expected: Collection[str],
) -> Iterator[DumpFinding]:
    """Return the findings, the worst kinds first."""
    found = [
        *_end(watch, source, complete),
        *_statements(watch),
        *_elsewhere(watch),
        *_names(tables),
        *_drops(watch, tables),
        *_definers(watch),
        *_noise(watch),
        *_contract(watch, tables, expected),
    ]
    order = list(Level)
    yield from sorted(found, key=lambda finding: order.index(finding.level))


def _finding(level: Level, topic: str, text: str, seen: Seen) -> DumpFinding:
    return DumpFinding(
        level=level, topic=topic, text=text, count=seen.count, first_at=seen.first_at, examples=tuple(seen.examples)
    )


def _end(watch: DumpWatch, source: DumpSource, complete: bool | None) -> Iterator[DumpFinding]:
    if complete is False:
        at, where = watch.unfinished or (source.bytes_read, "before the tool's closing line")
        what = f"The dump is cut short: it ends {where}"
        if watch.cut_at is not None and not watch.unfinished:
            at, what = (
                watch.cut_at,
                "Of several dumps in one file, one is cut short: another begins before its closing line",
            )
        text = f"{what}, and {source.cut_short}." if source.cut_short else f"{what}. Tables behind that are missing."
        yield DumpFinding(level=Level.DANGER, topic="truncated", text=text, first_at=at)
    elif complete is None and source.bytes_read:
        text = "Nobody can say whether it is complete: its tool wrote no opening and closing comments."
        yield DumpFinding(level=Level.NOTE, topic="completeness", text=text)
    if not watch.seen:
        text = "It contains no statement at all."
        yield DumpFinding(level=Level.DANGER, topic="empty", text=text, first_at=0)


def _statements(watch: DumpWatch) -> Iterator[DumpFinding]:
    for act, (level, topic, text) in _SENTENCES.items():
        if seen := watch.seen.get(act):
            yield _finding(level, topic, text, seen)
    if seen := watch.seen.get(Act.USE):
        strange = set(seen.examples) != {watch.asked}
        text = f"It chooses the schema itself, whatever it is loaded into{'' if strange else '; it is the asked one'}."
        yield _finding(Level.DANGER if strange else Level.NOTE, "USE", text, seen)
    if watch.lost:
        text = f"From byte {watch.lost[0]:,} on nobody can say how the client and the server read it: {watch.lost[1]}."
        yield DumpFinding(level=Level.DANGER, topic="cannot be read on", text=text, first_at=watch.lost[0])
    if watch.charset:
        text = (
            f"It is written in {watch.charset}: load it with --default-character-set={watch.charset}. A client that is "
            "started otherwise ends its statements elsewhere."
        )
        yield DumpFinding(level=Level.WARNING, topic="character set", text=text)


def _elsewhere(watch: DumpWatch) -> Iterator[DumpFinding]:
    for schema, seen in sorted(watch.elsewhere.items()):
        text = f"{seen.count} statements act on the schema `{visible(schema)}` instead of `{watch.asked}`."
        yield _finding(Level.DANGER, "other schema", text, seen)
    for schema, seen in sorted(watch.foreign.items()):
        text = f"What it makes names the schema `{visible(schema)}`, which is not `{watch.asked}`."
        yield _finding(Level.DANGER, "names another schema", text, seen)


def _names(tables: tuple[DumpTable, ...]) -> Iterator[DumpFinding]:
    odd = [(table, bad) for table in tables if (bad := malformed(table.name))]
    for level, chosen in ((Level.DANGER, True), (Level.WARNING, False)):
        some = [(table, bad) for table, bad in odd if (table.meant != table.name) is chosen]
        if not some:
            continue
        faults = ", ".join(fault for fault, _ in Counter(bad.faults[0] for _, bad in some).most_common())
        end = "they become tables that nobody reads" if chosen else "every statement has to quote them"
        text = f"{len(some)} tables have malformed names ({faults}): {end}."
        examples = tuple(f"{table.schema}.`{bad.shown}`" for table, bad in some[:5])
        yield DumpFinding(level=level, topic="names", text=text, count=len(some), examples=examples)
    twice = [name for name, count in Counter(table.meant for table in tables if table.created).items() if count > 1]
    if twice:
        text = f"{len(twice)} tables come more than once when their names are mended."
        level, examples = Level.DANGER, tuple(twice[:5])
        yield DumpFinding(level=level, topic="names collide", text=text, count=len(twice), examples=examples)


def _drops(watch: DumpWatch, tables: tuple[DumpTable, ...]) -> Iterator[DumpFinding]:
    own = [table for table in tables if table.dropped_first]
    if own:
        text = (
            f"It drops {len(own)} tables and makes them again. While it loads, and if it stops, their rows are gone: "
            "note a restorable second first."
        )
        examples = tuple(f"{table.schema}.{table.name}" for table in own[:5])
        yield DumpFinding(level=Level.WARNING, topic="replaces tables", text=text, count=len(own), examples=examples)
    filled = {(table.schema, table.name) for table in tables if table.row_bytes}
    emptied = sorted(watch.emptied.keys() & filled)
    if emptied:
        text = f"It empties {len(emptied)} tables and fills them again: note a restorable second first."
        examples = tuple(f"{schema}.{name}" for schema, name in emptied[:5])
        yield DumpFinding(level=Level.WARNING, topic="empties tables", text=text, count=len(emptied), examples=examples)
    alien = {key: at for key, at in watch.drops.items() if key not in watch.created}
    alien |= {("TABLE", *key): at for key, at in watch.emptied.items() if key not in filled}
    if alien:
        text = f"It drops or empties {len(alien)} objects that it does not bring back."
        examples = tuple(f"{kind} {schema}.{name}" for kind, schema, name in list(alien)[:5])
        yield DumpFinding(
            level=Level.DANGER, topic="drops", text=text, count=len(alien), first_at=min(alien.values()),
            examples=examples,
        )  # fmt: skip


def _definers(watch: DumpWatch) -> Iterator[DumpFinding]:
    for account, seen in sorted(watch.definers.items()):
        text = (
            f"{seen.count} objects are to run as {account}: that needs the right to set a definer, and the account may "
            "not exist here."
        )
        yield _finding(Level.WARNING, "definer", text, seen)


def _noise(watch: DumpWatch) -> Iterator[DumpFinding]:
    if watch.noise.count:
        text = "There are messages of the dump tool between the statements; the client stops at them."
        yield _finding(Level.DANGER, "messages", text, watch.noise)
    if watch.endings.count:
        text = "Statements end with the client's own command; some clients refuse it, and stop."
        yield _finding(Level.WARNING, "client's ending", text, watch.endings)
    if watch.marks.count:
        text = "A byte order mark is in the middle of it; the client stops there."
        yield _finding(Level.DANGER, "byte order mark", text, watch.marks)
    if watch.sandbox.count:
        text = "It has the sandbox line of newer mariadb-dump; MySQL's client refuses it."
        yield _finding(Level.WARNING, "sandbox line", text, watch.sandbox)


def _contract(watch: DumpWatch, tables: tuple[DumpTable, ...], expected: Collection[str]) -> Iterator[DumpFinding]:
    if not expected:
        return
    brought = {table.meant: table for table in tables if table.created or table.row_bytes}
    missing = [wanted for wanted in expected if not any(fnmatchcase(name, wanted) for name in brought)]
    if missing:
        text = f"{len(missing)} tables that the contract wants in `{watch.asked}` are not in it."
        yield DumpFinding(
            level=Level.DANGER, topic="missing", text=text, count=len(missing), examples=tuple(missing[:5])
        )
    more = [name for name in brought if not any(fnmatchcase(name, wanted) for wanted in expected)]
    if more:
        text = f"{len(more)} tables are not in the contract of `{watch.asked}`."
        yield DumpFinding(level=Level.WARNING, topic="unexpected", text=text, count=len(more), examples=tuple(more[:5]))
    bare = [name for name, table in brought.items() if not table.row_bytes]
    if bare:
        text = f"{len(bare)} tables come without a row."
        yield DumpFinding(level=Level.WARNING, topic="no rows", text=text, count=len(bare), examples=tuple(bare[:5]))
