"""Show a proof: the verdict on the whole, the schemas as a picture, the tables that differ, and samples of rows."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

from runbook_lib.display.figure import Figure
from runbook_lib.display.proof_figure import heat_map
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.inventory import TableName
from runbook_lib.proof import ObjectDifference, Proof, RowDifference, TableVerdict
from runbook_lib.restore import Verification
from runbook_lib.restore.compare import unread_of
from runbook_lib.times import duration_text

_TABLES_ONLY = "Views, routines, triggers, events and sequences were not compared."
_JSON = (
    "JSON, which {} tables have, was compared by its text: whether a number or a date inside it has another type is "
    "not known."
)
SHOWN_TABLES, SHOWN_ROWS = 200, 40
FOLDED = 16  # rows; a longer list shows its title only, until a click
_ADDED, _NEW = "rows added", "new table"
_MARKS = {"missing": "bad", "emptied": "bad", "damaged": "bad", _ADDED: "warn", _NEW: "warn", "same": "good"}
_KINDS = {"missing": "missing", "extra": "added", "changed": "changed"}


def verified_sheet(verified: Verification | None) -> Stack:
    """Show what the restored server holds, and what the source has lost against it."""
    if verified is None:
        return Stack(headline="Nothing to verify: nothing was applied.")
    answers = (
        f"{verified.cluster.identifier} answers ({verified.server_version}): "
        f"{len(verified.copy.rows)} tables, {sum(verified.copy.rows.values()):,} rows"
    )
    if verified.proof is None:
        schemas = tuple(
            (schema, len(tables := verified.copy.tables_in(schema)), sum(verified.copy.rows[table] for table in tables))
            for schema in verified.copy.schemas
        )
        note = f"The source could not be read, so nothing is proved: {verified.source_trouble}"
        table = Table(title="Schemas on the copy", columns=("schema", "tables", "rows"), rows=schemas, note=note)
        return Stack(headline=answers, tables=(table,))
    sheet = proof_sheet(verified.proof)
    return Stack(headline=f"{answers}. {sheet.headline}", tables=sheet.tables, closing=sheet.closing)


def word(table: TableVerdict) -> str:
    """Return the word for what became of a table: one that lost nothing has rows added, or is a new table."""
    if table.verdict != "new since":
        return table.verdict
    return _NEW if table.expected_rows is None else _ADDED


def proof_sheet(proof: Proof) -> Stack:
    """Show a proof of two servers, or of one against an earlier record, the largest loss first."""
    differing = [table for table in proof.tables if table.verdict != "same"]
    parts: list[Table | Figure | Stack] = [heat_map(proof)] if proof.tables else []
    if unread := unread_of(proof):
        parts.insert(0, _unread(unread))
    if differing:
        parts.append(_tables(proof, differing))
    if rows := [(table, row) for table in differing for row in table.samples]:
        parts.append(_rows(rows))
    if definitions := [table for table in proof.tables if table.definition]:
        parts.append(_definitions(definitions))
    if proof.objects:
        parts.append(_objects(proof.objects))
    if left := [
        *(("not seen", what) for what in proof.unseen),
        *(("not compared", what) for what in proof.not_compared),
    ]:
        parts.append(_left_out(left))
    return Stack(headline=headline(proof), tables=tuple(parts), closing=_closing(proof))


def headline(proof: Proof) -> str:
    """Say in one sentence what a proof came to."""
    took = duration_text(timedelta(seconds=max(1, round(proof.seconds))))
    read = f"{len(proof.tables):,} tables compared row by row in {took}"
    if proof.objects or proof.not_compared:
        read += f"; of views, routines, triggers and events {len(proof.objects or ())} differ"
        read += ", not all could be seen" if proof.not_compared else ""
    defined_otherwise = sum(bool(table.definition) for table in proof.tables)
    if defined_otherwise:
        read += f"; {defined_otherwise:,} are defined otherwise"
    if proof.verdict == "same":
        exactly = "" if proof.with_json or defined_otherwise else "exactly "
        return f"{proof.found} holds {exactly}what {proof.expected} holds: {read}"
    if proof.verdict == "not proved":
        why = "not all tables could be seen" if proof.unseen else "there was nothing to compare"
        return f"Nothing is proved: {why}: {read}"
    words = [word(table) for table in proof.tables]
    said = {_ADDED: f"with {_ADDED}", _NEW: "new"}
    parts = [f"{words.count(each):,} {said.get(each, each)}" for each in _MARKS if each != "same" and each in words]
    found = f"Against {proof.expected}, {proof.found} has tables {', '.join(parts)}" if parts else _no_table(proof)
    lacking = f"; {len(unread):,} could not be read and are NOT PROVED" if (unread := unread_of(proof)) else ""
    return f"{found}: {read}{lacking}"


def _no_table(proof: Proof) -> str:
    if proof.objects:
        return f"The tables of {proof.found} hold what those of {proof.expected} hold, but not all else is the same"
    return "No difference was seen"


def _unread(unread: Sequence[tuple[TableName, str]]) -> Table:
    return Table(
        title=f"Tables that could not be read, and so are not proved: {len(unread)}",
        columns=("table", "why"),
        rows=tuple((str(name), why) for name, why in unread),
        marks=dict.fromkeys(range(len(unread)), "bad"),
    )


def _objects(objects: Sequence[ObjectDifference]) -> Table:
    return Table(
        title=f"Views, routines, triggers, events and sequences that differ: {len(objects):,}",
        columns=("verdict", "what", "what differs"),
        rows=tuple((one.verdict, str(one), "\n".join(one.what)) for one in objects[:SHOWN_TABLES]),
        marks={index: _MARKS.get(one.verdict, "warn") for index, one in enumerate(objects[:SHOWN_TABLES])},
        left_out=max(0, len(objects) - SHOWN_TABLES),
    )


def _left_out(left: Sequence[tuple[str, str]]) -> Table:
    return Table(
        title="What was not seen, and so not compared",
        columns=("", "what, and why"),
        rows=tuple(left),
        marks={index: "bad" for index, (kind, _) in enumerate(left) if kind == "not seen"},
    )


def _tables(proof: Proof, differing: list[TableVerdict]) -> Table:
    ordered = sorted(differing, key=_loss)
    shown = ordered[:SHOWN_TABLES]
    return Table(
        title=f"Tables that differ: {len(differing):,} of {len(proof.tables):,}",
        columns=("verdict", "table", f"{proof.expected}, rows", f"{proof.found}, rows", "rows missing", "rows changed",
                 "rows added", "in columns"),
        rows=tuple(
            (word(table), _name(table), table.expected_rows, table.found_rows, table.missing, table.changed,
             table.extra, ", ".join(table.columns))
            for table in shown
        ),
        marks={index: _MARKS[word(table)] for index, table in enumerate(shown)},
        left_out=len(ordered) - len(shown),
        note="Counts are exact. Missing and changed rows are what a recovery would bring back.",
        folded=len(shown) > FOLDED,
    )  # fmt: skip


def _loss(table: TableVerdict) -> tuple[int, int, TableName]:
    lost = table.missing + table.changed or table.expected_rows or 0
    return [*_MARKS].index(word(table)), -lost, table.pair.expected


def _name(table: TableVerdict) -> str:
    pair = table.pair
    return str(pair.expected) if pair.expected == pair.found else f"{pair.expected}, found as {pair.found}"


def _rows(rows: list[tuple[TableVerdict, RowDifference]]) -> Table:
    shown = rows[:SHOWN_ROWS]
    return Table(
        title="Some of the rows that differ",
        columns=("", "table", "key", "columns: as expected → as found"),
        rows=tuple((_KINDS[row.kind], str(table.pair.expected), _key(row), _values(row)) for table, row in shown),
        left_out=len(rows) - len(shown),
        folded=len(shown) > FOLDED,
        note="Values of personal columns are never read.",
    )


def _key(row: RowDifference) -> str:
    return ", ".join(f"{name} {value}" for name, value in row.key) or "no key"


def _values(row: RowDifference) -> str:
    if row.kind == "changed":
        both = zip(row.columns, row.expected, row.found, strict=False)
        return "\n".join(f"{name}: {expected} → {found}" for name, expected, found in both)
    values = row.expected or row.found
    return ", ".join(f"{name} {value}" for name, value in zip(row.columns, values, strict=False))


def _definitions(tables: list[TableVerdict]) -> Table:
    return Table(
        title=f"Tables whose definition differs: {len(tables):,}",
        columns=("table", "verdict on the rows", "what differs"),
        rows=tuple((_name(table), word(table), "\n".join(table.definition)) for table in tables[:SHOWN_TABLES]),
        left_out=max(0, len(tables) - SHOWN_TABLES),
        note="A definition is judged apart from the rows: they may be the same in another one.",
    )


def _closing(proof: Proof) -> str:
    if proof.verdict == "same":
        by_text = _JSON.format(proof.with_json) if proof.with_json else ""
        return " ".join(filter(None, ("" if proof.objects is not None else _TABLES_ONLY, by_text)))
    if proof.verdict == "not proved":
        return "What was compared is the same; the rest is not known." if proof.tables else ""
    if not proof.damaged and any(one.verdict != "new since" for one in proof.objects or ()):
        return f"No row is lost; {len(proof.objects or ())} views, routines, triggers, events or sequences differ."
    if not proof.damaged and proof.unseen:
        return "No loss was seen in what could be compared."
    if not proof.damaged:
        return f"Nothing is lost: {proof.found} has everything {proof.expected} has, and rows or tables that are new."
    rows = sum(table.missing + table.changed for table in proof.tables)
    return f"{len(proof.damaged):,} tables lost data: {rows:,} rows are missing or changed in {proof.found}."
