"""What hangs on the swapped tables: the triggers they have afterwards, and what else the damaged server has lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import count

from runbook_lib.bringback.copy.plan import Replaced
from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted
from runbook_lib.swap.facts import Grant, ServerFacts, StoredObject
from runbook_lib.swap.objects import trigger_named


@dataclass(frozen=True, kw_only=True)
class Triggers:
    """Which triggers the swap takes away, which it makes, and what is to be said of them."""

    off: tuple[StoredObject, ...]
    on: tuple[StoredObject, ...]
    notes: tuple[str, ...]


def triggers_of_swap(
    origins: Mapping[TableName, str], scope: Scope, restored: ServerFacts, damaged: ServerFacts, *, definitions: str
) -> Triggers:
    """Decide about the triggers of swapped tables; `origins` says for each of these whose rows it has.

    Names of triggers are one in their schema: a table that was renamed away keeps its triggers, and they get other
    names where those come back.

    Raises:
        InputRefused: a trigger's name is needed, and its definition cannot be read.
    """
    off = [trigger for table in origins for trigger in damaged.triggers_of(table)]
    on, said = [], []
    for table, origin in origins.items():
        more, notes = (
            _restored_triggers(table, restored, damaged)
            if origin == "restored"
            else _kept_triggers(table, restored, damaged, all_of=table.schema in scope.schemas and definitions)
        )
        on += more
        said += notes
    back = {trigger for trigger in on if trigger in {*restored.objects}}
    taken = {_folded(trigger) for trigger in on}
    needed = {_folded(trigger) for trigger in back}
    in_the_way = [
        other
        for other in (*on, *(each for each in damaged.objects if each.kind == "TRIGGER" and each not in off))
        if other not in back and _folded(other) in needed
    ]
    for other in in_the_way:
        names = (f"{other.name[:58]}_{number}" for number in count(1))
        name = next(name for name in names if (other.schema, name.casefold()) not in taken)
        taken.add((other.schema, name.casefold()))
        off += [other] if other not in off else []
        on = [*(trigger for trigger in on if trigger != other), trigger_named(other, name)]
        said.append(f"{other.title} on {other.table} will be called {name}: one that comes back has that name")
    return Triggers(off=tuple(off), on=tuple(on), notes=tuple(said))


def _folded(trigger: StoredObject) -> tuple[str, str]:
    return trigger.schema, trigger.name.casefold()


def _kept_triggers(
    table: TableName, restored: ServerFacts, damaged: ServerFacts, *, all_of: str | bool
) -> tuple[list[StoredObject], list[str]]:
    """Return the triggers of a table that is made again from its own rows, those included that it has lost.

    `all_of` is false where its schema is not brought back as a whole, else what is done about changed definitions.
    """
    on = {trigger.name: trigger for trigger in damaged.triggers_of(table)}
    said = []
    for trigger in restored.triggers_of(table):
        now = on.get(trigger.name)
        if now is None and all_of:
            on[trigger.name] = trigger
            said.append(f"{trigger.title} is lost and comes back")
        elif now is None:
            said.append(f"{trigger.title} is lost too and is not brought back; choose its whole schema for that")
        elif not trigger.is_made_as(now):
            on[trigger.name] = trigger if all_of == "copy" else now
            said.append(_changed(trigger, back=all_of == "copy"))
    return list(on.values()), said


def _changed(item: StoredObject, *, back: bool) -> str:
    if back:
        return f"{item.title} was changed since; it becomes again what it was"
    return f'{item.title} was changed since and is left so; "definitions: copy" brings it back'


def _restored_triggers(
    table: TableName, restored: ServerFacts, damaged: ServerFacts
) -> tuple[list[StoredObject], list[str]]:
    """Return the triggers of a table that comes back: the restored ones, and newer ones."""
    on = list(restored.triggers_of(table))
    said = []
    if table in damaged.tables:
        by_name = {trigger.name: trigger for trigger in on}
        for trigger in damaged.triggers_of(table):
            if trigger.name not in by_name:
                on.append(trigger)
                said.append(f"{trigger.title} was made since; it stays")
            elif not trigger.is_made_as(by_name[trigger.name]):
                said.append(_changed(trigger, back=True))
    return on, said


@dataclass(frozen=True, kw_only=True)
class Scope:
    """How far a copy back reaches beyond tables: `schemas` bring all of theirs, `tables` the views that read them."""

    schemas: frozenset[str]
    tables: frozenset[TableName]

    @property
    def in_words(self) -> str:
        """Say what comes with the tables."""
        said = []
        if self.schemas:
            said.append(f"of {', '.join(sorted(self.schemas))}: every lost view, routine, event, sequence and trigger")
        if self.tables:
            named = ", ".join(str(table) for table in sorted(self.tables)[:10])
            more = f" and {len(self.tables) - 10:,} more" if len(self.tables) > 10 else ""
            said.append(f"of {named}{more}: triggers, and the views that read them with what those need")
        return "; ".join(said)


@dataclass(frozen=True, kw_only=True)
class Around:
    """What else is made: objects that are lost, and changed ones that become again what they were."""

    lost: tuple[StoredObject, ...]
    replaced: tuple[Replaced, ...]
    notes: tuple[str, ...]


def around_tables(
    scope: Scope, restored: ServerFacts, damaged: ServerFacts, known: list[TableName], *, definitions: str
) -> Around:
    """Decide about views, routines, events, and triggers of tables that are not swapped.

    What the damaged server has lost comes back. What was changed since is left alone, or by choice becomes again what
    it was. What only the damaged server has was made since, and is left alone.
    """
    wanted = _in_scope(scope, restored, damaged)
    present = {item.id: item for item in damaged.objects}
    swapped = set(known)
    lost, replaced, notes = [], [], []
    for item in restored.objects:
        if item.kind == "TRIGGER":
            table = TableName(schema=item.schema, name=item.table)
            if table in swapped or table not in damaged.tables or item.schema not in scope.schemas:
                continue
            had = present.get(item.id)
            if had is None:
                lost.append(item)
            elif had.table != item.table:
                notes.append(f"{item.title} is lost, and is not brought back: {had.table} has one of that name now")
            elif not item.is_made_as(had):
                if definitions == "copy":
                    replaced.append(Replaced(now=had, becomes=item, grants=()))
                notes.append(_changed(item, back=definitions == "copy"))
        elif item.id not in wanted:
            if item.id not in present and item.schema in {table.schema for table in scope.tables}:
                notes.append(f"{item.title} is lost too and is not brought back; choose its whole schema for that")
        elif item.id not in present:
            if item.kind in ("VIEW", "SEQUENCE") and TableName(schema=item.schema, name=item.name) in damaged.tables:
                notes.append(f"{item.title} is lost, and is not brought back: a table has its name now")
            else:
                lost.append(item)
        elif not item.is_made_as(now := present[item.id]):
            if definitions == "copy" and not now.statement:
                notes.append(f"{item.title} was changed since, and cannot be read now; plan again after this copy back")
            elif definitions == "copy":
                replaced.append(Replaced(now=now, becomes=item, grants=_grants_on(now, damaged)))
                notes.append(_changed(item, back=True))
            else:
                notes.append(_changed(item, back=False))
    reached = scope.schemas | {table.schema for table in scope.tables}
    kinds = sorted(title for schema, title in restored.unknown if schema in reached)
    notes += [f"{title} is of a kind that a copy back does not know: bring it back by hand" for title in kinds]
    return Around(lost=tuple(lost), replaced=tuple(replaced), notes=tuple(notes))


def _in_scope(scope: Scope, restored: ServerFacts, damaged: ServerFacts) -> set[tuple[str, str, str]]:
    """Return the objects of the schemas, the views that read the tables, and what is lost of what those views need."""
    others = [item for item in restored.objects if item.kind != "TRIGGER"]
    needs = "".join(restored.tables[table].create for table in scope.tables)
    present = {item.id for item in damaged.objects}
    found = {
        item.id
        for item in others
        if item.schema in scope.schemas or (item.kind == "SEQUENCE" and quoted(item.schema, item.name) in needs)
    }
    names = {quoted(table.schema, table.name) for table in scope.tables}
    reading: set[tuple[str, str, str]] = set()
    while True:
        more = [item for item in others if item.kind == "VIEW" and item.id not in reading and _names_any(item, names)]
        # what such a view needs is brought along where it is lost, or the view could not be made
        needed = [
            item
            for item in others
            if item.id not in present | reading
            and item.kind in ("VIEW", "FUNCTION")
            and any(_names_any(view, {quoted(item.schema, item.name)}) for view in others if view.id in reading)
        ]
        if not more and not needed:
            return found | reading
        reading |= {item.id for item in (*more, *needed)}
        names |= {quoted(view.schema, view.name) for view in more}


def _names_any(item: StoredObject, names: set[str]) -> bool:
    own = quoted(item.schema, item.name)
    return any(name != own and name in item.statement for name in names)


def _grants_on(item: StoredObject, server: ServerFacts) -> tuple[str, ...]:
    """Return what gives an object's rights again: a routine that is dropped loses them."""
    return tuple(
        sorted(grant.statement for grant in server.grants if (grant.kind, grant.schema, grant.name) == item.id)
    )


def grants_again(
    lost: tuple[StoredObject, ...], scope: Scope, restored: ServerFacts, damaged: ServerFacts
) -> tuple[tuple[Grant, ...], tuple[str, ...]]:
    """Return the rights that were lost with what was dropped, and say which others are not held any more.

    Rights are by name and outlive a table and a schema, but not a routine. So rights on what still exists have been
    taken away on purpose, or with an account, and nobody gets them again from us.
    """
    made = {item.id for item in lost}
    now: dict[tuple[str, str, str, str], Grant] = {_place(grant): grant for grant in damaged.grants}
    given, notes = [], []
    for grant in sorted(restored.grants, key=lambda grant: grant.statement):
        if not _concerns(grant, scope, made):
            continue
        rights = grant.rights - (now[_place(grant)].rights if _place(grant) in now else frozenset())
        if not rights:
            continue
        missing = replace(grant, rights=rights)
        if damaged.accounts is not None and grant.account not in damaged.accounts:
            notes.append(f"the account {grant.account} does not exist any more and gets nothing: {missing.statement}")
        elif (grant.kind, grant.schema, grant.name) in made or _is_gone(grant, damaged):
            given.append(missing)
        else:
            notes.append(f"this right was taken away since, and is left so: {missing.statement}")
    return tuple(given), tuple(notes)


def _place(grant: Grant) -> tuple[str, str, str, str]:
    return grant.kind, grant.schema, grant.name, grant.account


def _concerns(grant: Grant, scope: Scope, made: set[tuple[str, str, str]]) -> bool:
    if grant.kind == "table":
        return grant.schema in scope.schemas or TableName(schema=grant.schema, name=grant.name) in scope.tables
    return grant.schema in scope.schemas or (grant.kind, grant.schema, grant.name) in made


def _is_gone(grant: Grant, damaged: ServerFacts) -> bool:
    """Tell whether the damaged server does not have what the rights are on."""
    present = {item.id for item in damaged.objects}
    if grant.kind == "schema":
        return grant.schema not in damaged.schemas
    if grant.kind == "table":
        named = TableName(schema=grant.schema, name=grant.name)
        return named not in damaged.tables and ("VIEW", grant.schema, grant.name) not in present
    return (grant.kind, grant.schema, grant.name) not in present
