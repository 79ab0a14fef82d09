"""Decide a copy back: a pure function of what both servers hold, of the proof and of the choices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from runbook_lib.bringback.copy.around import Scope, around_tables, grants_again, triggers_afterwards
from runbook_lib.bringback.copy.choices import CopyChoices, chosen
from runbook_lib.bringback.copy.closure import closure
from runbook_lib.bringback.copy.definition import without_counter
from runbook_lib.bringback.copy.dumper import Dumper
from runbook_lib.bringback.copy.facts import ServerFacts, StoredObject, TableFacts
from runbook_lib.bringback.copy.names import damaged_schema, staging_schema, state_schema, undone_schema
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.planning_table import plan_table
from runbook_lib.bringback.copy.reach import shut_out
from runbook_lib.bringback.copy.stand_ins import lost_parents, stand_ins
from runbook_lib.bringback.copy.ways import NO_DUMPER
from runbook_lib.errors import InputRefused
from runbook_lib.inventory import TableName


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
    dumper: Dumper = NO_DUMPER,
) -> CopyBackPlan:
    """Decide the copy back of the chosen tables, or of those that the proof calls damaged.

    `past` is how many copies back the source has seen, so that this one's schemas have names of their own;
    `dumper` is what this machine has of mydumper.

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
    lost = lost_parents(known, copy, source)
    set_aside = {table.schema for table in (*lost, *(table for table in known if table in source.tables))}
    damaged = {schema: damaged_schema(schema, now) for schema in schemas if schema in set_aside}

    def place(table: TableName) -> TableName:
        return TableName(schema=staging[table.schema], name=table.name) if table in facts else table

    words = verdicts.words if verdicts else {}
    tables = tuple(
        plan_table(
            table,
            origins[table],
            copy,
            source,
            verdict=words.get(table, ""),
            choices=choices,
            place=place,
            damaged=damaged.get(table.schema, ""),
            dumper=dumper,
        )
        for table in known
    )
    scope = _scope(copy, choices, [table for table in known if origins[table] == "copy"])
    others = around_tables(scope, copy, source, known, definitions=choices.definitions)
    grants, taken = grants_again(others.lost, scope, copy, source)
    concerned = {*schemas, *scope.schemas, *(one.schema for one in others.lost)}
    new = {name: copy.schemas[name] for name in sorted(concerned & set(copy.schemas) - set(source.schemas))}
    made = {staging[schema]: _characters(schema, copy, source) for schema in schemas}
    made |= {damaged[schema]: _characters(schema, copy, source) for schema in damaged}
    off = tuple(one for table in known for one in source.triggers_of(table))
    on, said = triggers_afterwards(known, origins, copy, source)
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
        objects=others.lost,
        grants=grants,
        conflicts=choices.conflicts,
        workers=max(1, choices.workers),
        bucket=choices.bucket,
        locked_rename=not source.is_mariadb,
        stand_ins=stand_ins(lost, source, damaged=damaged, state=state_schema(key)),
        replaced=others.replaced,
        shut=shut_out(_made_for(schemas, staging, damaged, now), source),
        definitions=choices.definitions,
        along=scope.in_words,
        notes=said + others.notes + taken,
        fingerprint=fingerprint(known, source, [one.now for one in others.replaced]),
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


def _characters(schema: str, copy: ServerFacts, source: ServerFacts) -> tuple[str, str]:
    return copy.schemas.get(schema) or source.schemas[schema]


def _made_for(
    schemas: Sequence[str], staging: Mapping[str, str], damaged: Mapping[str, str], now: datetime
) -> dict[str, str]:
    """Return for each schema that is made, now or by an undo, the one whose tables it holds."""
    belongs = {staging[schema]: schema for schema in schemas} | {made: schema for schema, made in damaged.items()}
    return belongs | {undone_schema(schema, now): schema for schema in schemas}


def _scope(copy: ServerFacts, choices: CopyChoices, brought: list[TableName]) -> Scope:
    """Return what reaches beyond tables: without a choice every schema of the copy, else those that are named whole."""
    if not choices.tables:
        return Scope(schemas=frozenset(copy.schemas), tables=frozenset())
    whole = frozenset(choices.tables) & frozenset(copy.schemas)
    return Scope(schemas=whole, tables=frozenset(table for table in brought if table.schema not in whole))


def _key(
    copy: ServerFacts,
    source: ServerFacts,
    facts: Mapping[TableName, TableFacts],
    origins: Mapping[TableName, str],
    choices: CopyChoices,
    past: int,
) -> str:
    """Return what names the staging schemas: equal for a copy back of the same tables between the same servers."""
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


def fingerprint(known: Sequence[TableName], source: ServerFacts, others: Sequence[StoredObject]) -> str:
    """Return a hash of how the source's tables, triggers and some others are made now; rows may go on changing."""
    here = {one.id: one.statement for one in source.objects}
    content = [[one.title, here.get(one.id, "missing")] for one in others] + [
        [
            str(table),
            without_counter(source.tables[table].create) if table in source.tables else "missing",
            *(one.statement for one in source.triggers_of(table)),
        ]
        for table in known
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()
