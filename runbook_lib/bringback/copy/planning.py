"""Decide a copy back: a pure function of what both servers hold, of the proof and of the choices."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from runbook_lib.bringback.copy.around import Scope, around_tables, grants_again, triggers_of_swap
from runbook_lib.bringback.copy.checks import copy_checks
from runbook_lib.bringback.copy.choices import CopyChoices, RowRule, chosen
from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.bringback.copy.transport.dumper import Dumper, find_dumper
from runbook_lib.bringback.copy.transport.ways import NO_DUMPER, choose_way
from runbook_lib.checks import Check
from runbook_lib.errors import InputRefused
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database
from runbook_lib.proof import Proof, Side
from runbook_lib.swap.definition import constraint_name, constraints_of, take_apart, without_counter
from runbook_lib.swap.facts import Column, ServerFacts, StoredObject, TableFacts
from runbook_lib.swap.foreign_keys import closure, lost_parents, named_apart, namesakes, stand_ins
from runbook_lib.swap.names import dated_schema, staging_schema, state_schema, undone_schema
from runbook_lib.swap.reach import shut_out
from runbook_lib.swap.reading import read_server
from runbook_lib.swap.state import State, find_states

KEYS_LATER_FROM = 4 << 20  # bytes; below, adding indexes afterwards costs more than it saves


@dataclass(frozen=True, kw_only=True)
class Verdicts:
    """What a proof says, as far as planning needs it: a word by table, and the damaged ones."""

    words: Mapping[TableName, str]
    damaged: tuple[TableName, ...]


def propose_copy_back(
    restored: Side, damaged: Side, *, proof: Proof | None, choices: CopyChoices | None = None, now: datetime
) -> CopyBackPlan:
    """Read what the plan needs of both servers, and make it. Changes nothing.

    A copy back that has begun to swap and has not ended is what is planned, whatever the choices: it must be finished
    or undone before anything else. One that had begun to copy is taken up when the plan is still the same.

    Raises:
        InputRefused: see `plan_copy_back`.
    """
    return propose_with_checks(restored, damaged, proof=proof, choices=choices, now=now)[0]


def propose_with_checks(
    restored: Side, damaged: Side, *, proof: Proof | None, choices: CopyChoices | None = None, now: datetime
) -> tuple[CopyBackPlan, tuple[Check, ...]]:
    """Make the plan and the checks for it from one reading."""
    with restored.connect() as reading, damaged.connect() as writing:
        right = replace(read_server(reading, name=restored.name), place=restored.place)
        wrong = replace(read_server(writing, name=damaged.name), place=damaged.place)
        if unfinished := _unfinished(writing):
            return unfinished, copy_checks(unfinished, right, wrong)
        finished = sum(state.get("done") is not None for state in find_states(writing))
        plan = plan_copy_back(
            right,
            replace(wrong, swaps=finished),  # so that each copy back has schemas of its own
            verdicts=_verdicts(proof),
            choices=choices or CopyChoices(),
            now=now,
            dumper=find_dumper(),
        )
        begun = State(writing, plan.state).get_as(CopyBackPlan, "plan")
        if begun is not None and begun.id == plan.id:
            plan = replace(begun, resumes=True)
    return plan, copy_checks(plan, right, wrong)


def _verdicts(proof: Proof | None) -> Verdicts | None:
    if proof is None:
        return None
    return Verdicts(words={table.pair.expected: table.verdict for table in proof.tables}, damaged=proof.damaged)


def _unfinished(damaged: Database) -> CopyBackPlan | None:
    for state in find_states(damaged):
        if state.get("swap begun") is not None and state.get("done") is None and state.get("undone") is None:
            plan = state.get_as(CopyBackPlan, "plan")
            return replace(plan, resumes=True) if plan else None
    return None


def plan_copy_back(
    restored: ServerFacts,
    damaged: ServerFacts,
    *,
    verdicts: Verdicts | None,
    choices: CopyChoices,
    now: datetime,
    dumper: Dumper = NO_DUMPER,
) -> CopyBackPlan:
    """Decide the copy back of the chosen tables, or of those that the proof calls damaged.

    `dumper` is what this machine has of mydumper.

    Raises:
        InputRefused: nothing is chosen and there is no proof, a name is unknown, or a rule cannot be used.
    """
    wanted = _wanted(restored, damaged, verdicts, choices)
    swapped = closure(wanted, restored.foreign_keys, damaged.foreign_keys)
    known = [table for table in swapped if table in restored.tables or table in damaged.tables]
    coming = [table for table in known if _rows_from(table, wanted, restored, damaged) == "restored"]
    if alike := namesakes(coming, restored, damaged):
        swapped = closure((*wanted, *alike), restored.foreign_keys, damaged.foreign_keys)
        known = [table for table in swapped if table in restored.tables or table in damaged.tables]
    origins = {table: _rows_from(table, wanted, restored, damaged) for table in known}
    facts = {table: (restored if origins[table] == "restored" else damaged).tables[table] for table in known}
    schemas = sorted({table.schema for table in known})
    key = _key((restored.identity, damaged.identity, damaged.swaps), facts, origins, choices)
    lost = lost_parents(known, restored, damaged)
    set_aside = {table.schema for table in (*lost, *(table for table in known if table in damaged.tables))}
    coming = [table for table in known if origins[table] == "restored"]
    alike = namesakes(coming, restored, damaged)
    renamed = named_apart(damaged, alike)
    frame = _Frame(
        restored=restored,
        damaged=renamed,
        choices=choices,
        dumper=dumper,
        words=verdicts.words if verdicts else {},
        staging={schema: staging_schema(schema, key) for schema in schemas},
        dated={schema: dated_schema(schema, now) for schema in schemas if schema in set_aside},
        known=frozenset(known),
    )
    scope = _scope(restored, choices, coming)
    others = around_tables(scope, restored, damaged, known, definitions=choices.definitions)
    grants, taken = grants_again(others.lost, scope, restored, damaged)
    concerned = {*schemas, *scope.schemas, *(item.schema for item in others.lost)}
    new = {name: restored.schemas[name] for name in sorted(concerned & set(restored.schemas) - set(damaged.schemas))}
    triggers = triggers_of_swap(origins, scope, restored, damaged, definitions=choices.definitions)
    tables = tuple(_plan_table(table, origins[table], frame) for table in known)
    with_gtids = damaged.settings.get("enforce_gtid_consistency", "OFF") == "ON"
    return CopyBackPlan(
        restored=restored.name,
        damaged=damaged.name,
        restored_identity=restored.identity,
        damaged_identity=damaged.identity,
        places=(restored.place, damaged.place),
        key=key,
        planned_at=now,
        tables=tables,
        schemas={**frame.made_schemas, **new},
        new_schemas=new,
        dated_schemas=frame.dated,
        foreign_keys=tuple(
            foreign_key
            for server, origin in ((restored, "restored"), (renamed, "damaged"))
            for foreign_key in server.foreign_keys
            if origins.get(foreign_key.table) == origin
        ),
        triggers_off=triggers.off,
        triggers_on=triggers.on,
        objects=others.lost,
        grants=grants,
        conflicts=choices.conflicts,
        workers=max(1, choices.workers),
        bucket=choices.bucket,
        mariadb=damaged.is_mariadb,
        locked_rename=not damaged.is_mariadb and (not with_gtids or all(table.lockable for table in tables)),
        stand_ins=stand_ins(lost, damaged, dated=frame.dated, state=state_schema(key)),
        replaced=others.replaced,
        shut=shut_out(frame.belongs(now), damaged),
        definitions=choices.definitions,
        along=scope.in_words,
        notes=triggers.notes
        + others.notes
        + taken
        + _said_of(alike)
        + _unproved(restored, verdicts, known, choices)
        + _left_otherwise(restored, damaged, known, choices),
        choices=choices,
        fingerprint=fingerprint(known, damaged, [changed.now for changed in others.replaced]),
    )


@dataclass(frozen=True, kw_only=True)
class _Frame:
    """What every table of a plan is decided in: both servers, the choices, and the schemas that are made."""

    restored: ServerFacts
    damaged: ServerFacts
    choices: CopyChoices
    dumper: Dumper
    words: Mapping[TableName, str]
    staging: Mapping[str, str]
    dated: Mapping[str, str]
    known: frozenset[TableName]

    def place(self, table: TableName) -> TableName:
        """Return where a table is made before the swap; others stay where they are."""
        return TableName(schema=self.staging[table.schema], name=table.name) if table in self.known else table

    @property
    def made_schemas(self) -> dict[str, tuple[str, str]]:
        """Return the schemas that are made, with character set and collation."""
        made = {self.staging[schema]: self._characters(schema) for schema in self.staging}
        return made | {self.dated[schema]: self._characters(schema) for schema in self.dated}

    def belongs(self, now: datetime) -> dict[str, str]:
        """Return for each schema that is made, now or by an undo, the one whose tables it holds."""
        belongs = {made: schema for schema, made in (*self.staging.items(), *self.dated.items())}
        return belongs | {undone_schema(schema, now): schema for schema in self.staging}

    def _characters(self, schema: str) -> tuple[str, str]:
        return self.restored.schemas.get(schema) or self.damaged.schemas[schema]


def _wanted(
    restored: ServerFacts, damaged: ServerFacts, verdicts: Verdicts | None, choices: CopyChoices
) -> tuple[TableName, ...]:
    if choices.tables:
        return chosen(choices.tables, frozenset(restored.tables))
    if verdicts is None:
        raise InputRefused(
            "Nothing says which tables are to be brought back.",
            hint="Prove the source against the copy first, or name tables or schemas.",
        )
    # a table whose rows are all there may have lost an index, a foreign key or a check
    less = {
        name
        for name, table in restored.tables.items()
        if name not in damaged.tables or _lost_of(table, damaged.tables[name])
    }
    return tuple(sorted(table for table in {*verdicts.damaged, *less} if table in restored.tables))


def _unproved(
    restored: ServerFacts, verdicts: Verdicts | None, known: list[TableName], choices: CopyChoices
) -> tuple[str, ...]:
    """Name the tables of which the proof says nothing, without a choice: that is not the same as "not damaged"."""
    if verdicts is None or choices.tables:
        return ()
    missed = sorted(str(name) for name in restored.tables if name not in verdicts.words and name not in known)
    return (f"the proof says nothing of {', '.join(missed)}: name them to bring them back",) if missed else ()


def _left_otherwise(
    restored: ServerFacts, damaged: ServerFacts, known: list[TableName], choices: CopyChoices
) -> tuple[str, ...]:
    """Name the tables that are not brought back and are defined otherwise since, where nothing is chosen."""
    if choices.tables:
        return ()
    changed = sorted(
        str(name)
        for name, table in restored.tables.items()
        if name not in known
        and (present := damaged.tables.get(name))
        and without_counter(present.create) != without_counter(table.create)
    )
    return (f"defined otherwise since, and left so: {', '.join(changed)}: name them to bring them back",) * bool(
        changed
    )


def _lost_of(table: TableFacts, present: TableFacts | None) -> tuple[str, ...]:
    """Return the indexes, foreign keys and checks that a table has no more, not even otherwise under their name."""
    if present is None:
        return ()
    names = {constraint_name(text) for text in constraints_of(present.create)}
    return tuple(sorted(text for text in constraints_of(table.create) if constraint_name(text) not in names))


def _said_of(alike: Mapping[TableName, Mapping[str, str]]) -> tuple[str, ...]:
    return tuple(
        f"{table}: its constraint {old} will be called {new}: a table that comes back has that name"
        for table, names in alike.items()
        for old, new in names.items()
    )


def _rows_from(table: TableName, wanted: tuple[TableName, ...], restored: ServerFacts, damaged: ServerFacts) -> str:
    if table in restored.tables and (table in wanted or table not in damaged.tables):
        return "restored"
    return "damaged"


def _scope(restored: ServerFacts, choices: CopyChoices, brought: list[TableName]) -> Scope:
    """Return what reaches beyond tables: without a choice every restored schema, else those that are named whole."""
    if not choices.tables:
        return Scope(schemas=frozenset(restored.schemas), tables=frozenset())
    whole = frozenset(choices.tables) & frozenset(restored.schemas)
    return Scope(schemas=whole, tables=frozenset(table for table in brought if table.schema not in whole))


def _key(
    between: tuple[str, str, int],
    facts: Mapping[TableName, TableFacts],
    origins: Mapping[TableName, str],
    choices: CopyChoices,
) -> str:
    """Return what names the staging schemas: equal for a copy back of the same tables between the same servers."""
    content = [
        *between,
        [
            [str(table), origins[table], choices.rule_of(table), without_counter(found.create)]
            for table, found in facts.items()
        ],
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:8]


def fingerprint(known: Sequence[TableName], damaged: ServerFacts, others: Sequence[StoredObject]) -> str:
    """Return a hash of how the damaged tables, triggers and some others are made now; rows may go on changing."""
    present = {item.id: item.statement for item in damaged.objects}
    content = [[item.title, present.get(item.id, "missing")] for item in others] + [
        [
            str(table),
            without_counter(damaged.tables[table].create) if table in damaged.tables else "missing",
            *(trigger.statement for trigger in damaged.triggers_of(table)),
        ]
        for table in known
    ]
    return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _plan_table(table: TableName, origin: str, frame: _Frame) -> TablePlan:
    """Decide a table: how it is made, how its rows travel, and what becomes of those that were written since.

    Raises:
        InputRefused: the rule for its rows needs a column or a key that it has not, or it cannot travel as asked for.
    """
    own = (frame.restored if origin == "restored" else frame.damaged).tables[table]
    present = frame.damaged.tables.get(table)
    counted = next((column.name for column in own.columns if column.counted), "")
    large = own.bytes >= KEYS_LATER_FROM
    parts = take_apart(own.create, table=table, place=frame.place, counted=counted, keys_later=large)
    rule = _rule(table, origin, present, frame.choices)
    common = tuple(c for c in own.loaded if present and (other := present.column(c.name)) and not other.generated)
    way, why = choose_way(
        own,
        restored=frame.restored,
        damaged=frame.damaged,
        choices=frame.choices,
        is_local=origin == "damaged",
        dumper=frame.dumper,
    )
    return TablePlan(
        name=table,
        staging=frame.place(table),
        dated=TableName(schema=frame.dated[table.schema], name=table.name) if present else None,
        verdict=frame.words.get(table) or ("missing" if present is None else "chosen"),
        rows_from=origin,
        rule=rule,
        newer_by=_newer_by(table, rule, own, present, frame.choices),
        way=way,
        why=why,
        create=parts.create,
        add_keys=parts.add_keys(frame.place(table)),
        add_foreign_keys=parts.add_foreign_keys(frame.place(table)),
        constraints=parts.constraints,
        engine=own.engine,
        present_engine=present.engine if present else "",
        versioned=own.versioned,
        columns=own.loaded,
        compared=common,
        retyped=tuple(c.name for c in common if present and _retyped(c, present)),
        key=own.key if present is None or present.key == own.key else (),
        uniques=tuple(unique for unique in own.uniques if present and all(map(present.column, unique))),
        counted=counted,
        counter=own.counter or 0,
        rows=own.rows,
        bytes=own.bytes,
        notes=_table_notes(origin, own, present, rule),
    )


def _retyped(column: Column, present: TableFacts) -> bool:
    now = present.column(column.name)
    return now is not None and (now.kind, now.full_type, now.collation) != (
        column.kind,
        column.full_type,
        column.collation,
    )


def _column_notes(own: TableFacts, present: TableFacts, *, merged: bool) -> list[str]:
    added = [column.name for column in present.loaded if not own.column(column.name)]
    gone = [column.name for column in own.loaded if not present.column(column.name)]
    retyped = [column.name for column in own.loaded if _retyped(column, present)]
    notes = []
    if added:
        notes.append(f"columns that were added since: {', '.join(added)}: their values stay in the dated schema")
    if gone and merged:
        notes.append(f"columns that were dropped since: {', '.join(gone)}: rows written since get their defaults")
    if retyped and merged:
        notes.append(
            f"columns whose type or character set was changed since: {', '.join(retyped)}: a row written since that "
            "does not fit the restored type stops the swap"
        )
    return notes


def _rule(table: TableName, origin: str, present: TableFacts | None, choices: CopyChoices) -> RowRule:
    if present is None or origin == "damaged":
        return "replace"
    rule = choices.rule_of(table)
    return "newer wins" if rule == "newer wins" else "keep new" if rule == "keep new" else "replace"


def _newer_by(table: TableName, rule: str, own: TableFacts, present: TableFacts | None, choices: CopyChoices) -> str:
    if rule != "newer wins" or present is None:
        return ""
    column = choices.newer_column(table)
    if not column or not own.column(column) or not present.column(column):
        raise InputRefused(
            f'"newer wins" needs a column of {table} that says which of two rows is newer; '
            + (f'the table does not have "{column}" on both servers.' if column else "none is named."),
            hint="Name it in `newer_by`, or choose another rule for this table.",
        )
    if not own.key or own.key != present.key:
        raise InputRefused(
            f"{table} does not have the same key on both servers, so its rows cannot be compared one by one.",
            hint='Choose "replace" or "keep new" for this table.',
        )
    return column


def _table_notes(origin: str, own: TableFacts, present: TableFacts | None, rule: str) -> tuple[str, ...]:
    notes = []
    if origin == "damaged":
        notes.append(
            "not damaged: made again from its own rows, because a key or a constraint's name ties it to one that is"
        )
    if present and origin == "restored" and without_counter(own.create) != without_counter(present.create):
        notes.append("its definition was changed since; it becomes again what it was")
        if lost := _lost_of(own, present):
            notes.append(f"lost since, and brought back: {'; '.join(lost)}")
        notes += _column_notes(own, present, merged=rule != "replace")
    if own.versioned:
        notes.append("system-versioned: its present rows are brought back; the history stays in the copy")
    if not own.key:
        notes.append(
            "no key: it is copied in one piece"
            + ("; rows count as the same when all their values are" * (rule != "replace"))
        )
    if own.engine.upper() != "INNODB":
        notes.append(f"engine {own.engine}: a piece that fails half-way cannot be taken back, it is loaded again whole")
    return tuple(notes)
