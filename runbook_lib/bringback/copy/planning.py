"""Decide a copy back: a pure function of what both servers hold, of the proof and of the choices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.bringback.copy.around import changed_objects, lost_objects, triggers_afterwards
from runbook_lib.bringback.copy.choices import CopyChoices, RowRule, chosen
from runbook_lib.bringback.copy.closure import closure
from runbook_lib.bringback.copy.definition import take_apart, without_counter
from runbook_lib.bringback.copy.facts import ServerFacts, TableFacts
from runbook_lib.bringback.copy.names import damaged_schema, staging_schema
from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.bringback.copy.ways import choose_way
from runbook_lib.errors import InputRefused
from runbook_lib.inventory import TableName

KEYS_LATER_FROM = 4 << 20  # bytes; below, adding indexes afterwards costs more than it saves


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What a proof says, as far as planning needs it: a word by table, and the damaged ones."""

    words: Mapping[TableName, str]
    damaged: tuple[TableName, ...]


def plan_copy_back(
    copy: ServerFacts,
    source: ServerFacts,
    *,
    verdicts: Verdicts | None,
    choices: CopyChoices,
    now: datetime,
    past: int = 0,
) -> CopyBackPlan:
    """Decide the copy back of the chosen tables, or of those that the proof calls damaged.

    `past` is how many copies back the source has seen, so that this one's schemas have names of their own.

    Raises:
        InputRefused: nothing is chosen and there is no proof, a name is unknown, or a rule cannot be used.
    """
    wanted = _wanted(copy, verdicts, choices)
    swapped = closure(wanted, copy.foreign_keys, source.foreign_keys)
    known = [table for table in swapped if table in copy.tables or table in source.tables]
    origins = {table: _rows_from(table, wanted, copy, source) for table in known}
    facts = {table: (copy if origins[table] == "copy" else source).tables[table] for table in known}
    schemas = sorted({table.schema for table in known})
    key = _key(copy, source, facts, origins, choices, past)
    staging = {schema: staging_schema(schema, key) for schema in schemas}
    damaged = {
        schema: damaged_schema(schema, now)
        for schema in schemas
        if any(table.schema == schema and table in source.tables for table in known)
    }

    def place(table: TableName) -> TableName:
        return TableName(schema=staging[table.schema], name=table.name) if table in facts else table

    tables = tuple(
        _table(table, facts, origins, copy, source, verdicts, choices, place, damaged.get(table.schema, ""))
        for table in known
    )
    concerned = set(schemas) if choices.tables else set(copy.schemas)
    new = {name: copy.schemas[name] for name in sorted(concerned & set(copy.schemas) - set(source.schemas))}
    made = {staging[schema]: _characters(schema, copy, source) for schema in schemas}
    made |= {damaged[schema]: _characters(schema, copy, source) for schema in damaged}
    off = tuple(one for table in known for one in source.triggers_of(table))
    on, said = triggers_afterwards(known, origins, copy, source)
    lost = lost_objects(concerned, copy, source, known)
    return CopyBackPlan(
        copy=copy.name,
        source=source.name,
        copy_identity=copy.identity,
        source_identity=source.identity,
        key=key,
        planned_at=now,
        tables=tables,
        schemas={**made, **new},
        new_schemas=new,
        damaged_schemas=damaged,
        foreign_keys=tuple(one for one in copy.foreign_keys if one.table in facts and origins[one.table] == "copy")
        + tuple(one for one in source.foreign_keys if one.table in facts and origins[one.table] == "source"),
        triggers_off=off,
        triggers_on=on,
        objects=lost,
        grants=tuple(sorted(grant for grant in copy.grants - source.grants if _concerns(grant, concerned))),
        conflicts=choices.conflicts,
        workers=max(1, choices.workers),
        bucket=choices.bucket,
        locked_rename=not source.is_mariadb,
        notes=said + changed_objects(concerned, copy, source),
        fingerprint=fingerprint(known, source),
    )


def _wanted(copy: ServerFacts, verdicts: Verdicts | None, choices: CopyChoices) -> tuple[TableName, ...]:
    if choices.tables:
        return chosen(choices.tables, frozenset(copy.tables))
    if verdicts is None:
        raise InputRefused(
            "Nothing says which tables are to be brought back.",
            hint="Prove the source against the copy first, or name tables or schemas.",
        )
    return tuple(sorted(table for table in verdicts.damaged if table in copy.tables))


def _rows_from(table: TableName, wanted: tuple[TableName, ...], copy: ServerFacts, source: ServerFacts) -> str:
    if table in copy.tables and (table in wanted or table not in source.tables):
        return "copy"
    return "source"


def _table(
    table: TableName,
    facts: Mapping[TableName, TableFacts],
    origins: Mapping[TableName, str],
    copy: ServerFacts,
    source: ServerFacts,
    verdicts: Verdicts | None,
    choices: CopyChoices,
    place: object,
    damaged: str,
) -> TablePlan:
    assert callable(place)
    own, here = facts[table], source.tables.get(table)
    counted = next((column.name for column in own.columns if column.counted), "")
    large = own.bytes >= KEYS_LATER_FROM
    parts = take_apart(own.create, table=table, place=place, counted=counted, keys_later=large)
    word = (verdicts.words.get(table, "") if verdicts else "") or ("missing" if here is None else "chosen")
    rule = _rule(table, origins[table], here, choices)
    common = tuple(c for c in own.loaded if here and (other := here.column(c.name)) and not other.generated)
    whole = here is not None and here.key == own.key
    way, why = choose_way(own, copy=copy, source=source, bucket=choices.bucket, from_source=origins[table] == "source")
    newer_by = _newer_by(table, rule, own, here, choices)
    return TablePlan(
        name=table,
        staging=place(table),
        damaged=TableName(schema=damaged, name=table.name) if here else None,
        verdict=word,
        rows_from=origins[table],
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
        notes=_table_notes(origins[table], own, here, rule),
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


def _characters(schema: str, copy: ServerFacts, source: ServerFacts) -> tuple[str, str]:
    return copy.schemas.get(schema) or source.schemas[schema]


def _concerns(grant: str, schemas: set[str]) -> bool:
    return any(f"`{schema.replace('`', '``')}`." in grant for schema in schemas)


def _key(
    copy: ServerFacts,
    source: ServerFacts,
    facts: Mapping[TableName, TableFacts],
    origins: Mapping[TableName, str],
    choices: CopyChoices,
    past: int,
) -> str:
    """Give what the staging schemas are named by: equal for a copy back of the same tables between the same servers."""
    content = [
        copy.identity,
        source.identity,
        past,
        [
            [str(table), origins[table], choices.rule_of(table), without_counter(one.create)]
            for table, one in facts.items()
        ],
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]


def fingerprint(known: Sequence[TableName], source: ServerFacts) -> str:
    """Give a hash of how the source's tables and triggers are made now; their rows may go on changing."""
    content = [
        [
            str(table),
            without_counter(source.tables[table].create) if table in source.tables else "missing",
            *(one.statement for one in source.triggers_of(table)),
        ]
        for table in known
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
