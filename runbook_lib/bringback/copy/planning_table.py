"""Decide one table of a copy back: how it is made, how its rows travel, and what becomes of the source's own."""

from __future__ import annotations

from collections.abc import Callable

from runbook_lib.bringback.copy.choices import CopyChoices, RowRule
from runbook_lib.bringback.copy.definition import take_apart, without_counter
from runbook_lib.bringback.copy.dumper import Dumper
from runbook_lib.bringback.copy.facts import ServerFacts, TableFacts
from runbook_lib.bringback.copy.plan import TablePlan
from runbook_lib.bringback.copy.ways import choose_way
from runbook_lib.errors import InputRefused
from runbook_lib.inventory import TableName

KEYS_LATER_FROM = 4 << 20  # bytes; below, adding indexes afterwards costs more than it saves


def plan_table(
    table: TableName,
    origin: str,
    copy: ServerFacts,
    source: ServerFacts,
    *,
    verdict: str,
    choices: CopyChoices,
    place: Callable[[TableName], TableName],
    damaged: str,
    dumper: Dumper,
) -> TablePlan:
    """Decide one table, whose rows are those of `origin` ("copy" or "source").

    `place` tells where each of the swapped tables is made, `damaged` is the dated schema of the source's own.

    Raises:
        InputRefused: the rule for its rows needs a column or a key that it has not, or it cannot travel as asked for.
    """
    own, here = (copy if origin == "copy" else source).tables[table], source.tables.get(table)
    counted = next((column.name for column in own.columns if column.counted), "")
    large = own.bytes >= KEYS_LATER_FROM
    parts = take_apart(own.create, table=table, place=place, counted=counted, keys_later=large)
    word = verdict or ("missing" if here is None else "chosen")
    rule = _rule(table, origin, here, choices)
    common = tuple(c for c in own.loaded if here and (other := here.column(c.name)) and not other.generated)
    whole = here is not None and here.key == own.key
    way, why = choose_way(
        own,
        copy=copy,
        source=source,
        bucket=choices.bucket,
        from_source=origin == "source",
        through=choices.through,
        dumper=dumper,
    )
    newer_by = _newer_by(table, rule, own, here, choices)
    return TablePlan(
        name=table,
        staging=place(table),
        damaged=TableName(schema=damaged, name=table.name) if here else None,
        verdict=word,
        rows_from=origin,
        rule=rule,
        newer_by=newer_by,
        way=way,
        why=why,
        create=parts.create,
        add_keys=parts.add_keys(place(table)),
        add_foreign_keys=parts.add_foreign_keys(place(table)),
        columns=own.loaded,
        compared=common,
        key=own.key if whole or here is None else (),
        uniques=own.uniques,
        counted=counted,
        counter=own.counter or 0,
        rows=own.rows,
        bytes=own.bytes,
        notes=_table_notes(origin, own, here, rule),
    )


def _rule(table: TableName, origin: str, here: TableFacts | None, choices: CopyChoices) -> RowRule:
    if here is None or origin == "source":
        return "replace"
    rule = choices.rule_of(table)
    return "newer wins" if rule == "newer wins" else "keep new" if rule == "keep new" else "replace"


def _newer_by(table: TableName, rule: str, own: TableFacts, here: TableFacts | None, choices: CopyChoices) -> str:
    if rule != "newer wins" or here is None:
        return ""
    column = choices.newer_column(table)
    if not column or not own.column(column) or not here.column(column):
        raise InputRefused(
            f'"newer wins" needs a column of {table} that says which row is newer; "{column}" is none of both sides.',
            hint="Name it in `newer_by`, or choose another rule for this table.",
        )
    if not own.key or own.key != here.key:
        raise InputRefused(
            f"{table} has no key that both sides share, so no two of its rows can be held against each other.",
            hint='Choose "replace" or "keep new" for this table.',
        )
    return column


def _table_notes(origin: str, own: TableFacts, here: TableFacts | None, rule: str) -> tuple[str, ...]:
    notes = []
    if origin == "source":
        notes.append("not damaged: made again from the source's own rows, because foreign keys tie it to one that is")
    if here and origin == "copy" and without_counter(own.create) != without_counter(here.create):
        notes.append("its definition at the source is another one now; it becomes the copy's again")
        gone = [column.name for column in here.loaded if not own.column(column.name)]
        if gone:
            notes.append(f"columns only at the source: {', '.join(gone)}: their values stay in the dated schema")
    if not own.key:
        notes.append(
            "no key: it is copied in one piece" + (", rows are told apart by all they hold" * (rule != "replace"))
        )
    if own.engine.upper() != "INNODB":
        notes.append(f"engine {own.engine}: a piece that fails half-way cannot be taken back, it is loaded again whole")
    return tuple(notes)
