"""What hangs on the swapped tables: the triggers they have afterwards, and what else the source has lost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from runbook_lib.bringback.copy.facts import Grant, ServerFacts, StoredObject
from runbook_lib.bringback.copy.plan import Replaced
from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted


def triggers_afterwards(
    known: list[TableName], origins: Mapping[TableName, str], copy: ServerFacts, source: ServerFacts
) -> tuple[tuple[StoredObject, ...], tuple[str, ...]]:
    """Return the triggers the swapped tables have afterwards: the copy's where the table is the copy's, and newer."""
    on: list[StoredObject] = []
    said: list[str] = []
    for table in known:
        here, there = source.triggers_of(table), copy.triggers_of(table)
        if origins[table] == "source":
            on.extend(here)
            continue
        on.extend(there)
        by_name = {one.name: one for one in there}
        for one in here:
            if one.name not in by_name:
                on.append(one)
                said.append(f"{one.title} is new at the source; it stays")
            elif not one.is_made_as(by_name[one.name]):
                said.append(f"{one.title} is another one at the source; it becomes the copy's again")
    return tuple(on), tuple(said)


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
            said.append(f"of {', '.join(sorted(self.schemas))}: every view, routine, event and trigger that is lost")
        if self.tables:
            named = ", ".join(str(table) for table in sorted(self.tables)[:10])
            more = f" and {len(self.tables) - 10:,} more" if len(self.tables) > 10 else ""
            said.append(f"of {named}{more}: triggers, and the views that read them with what those need")
        return "; ".join(said)


@dataclass(frozen=True, kw_only=True)
class Around:
    """What else is made: objects that are lost, and pairs of one that is there and the copy's that takes its place."""

    lost: tuple[StoredObject, ...]
    replaced: tuple[Replaced, ...]
    notes: tuple[str, ...]


def around_tables(
    scope: Scope, copy: ServerFacts, source: ServerFacts, known: list[TableName], *, definitions: str
) -> Around:
    """Decide about views, routines, events, and triggers of tables that are not swapped.

    What the source has lost comes back. What is made otherwise there now is left alone, or by choice becomes the
    copy's again. What only the source has is new since, and none of ours.
    """
    wanted = _in_scope(scope, copy, source)
    here = {one.id: one for one in source.objects}
    swapped = set(known)
    lost, replaced, notes = [], [], []
    for one in copy.objects:
        if one.kind == "TRIGGER":
            table = TableName(schema=one.schema, name=one.table)
            if one.schema in scope.schemas and one.id not in here and table not in swapped and table in source.tables:
                lost.append(one)
        elif one.id not in wanted:
            if one.id not in here and one.schema in {table.schema for table in scope.tables}:
                notes.append(f"{one.title} is lost too and stays so: only its schema, chosen whole, brings it back")
        elif one.id not in here:
            lost.append(one)
        elif not one.is_made_as(now := here[one.id]):
            if definitions == "copy" and not now.statement:
                notes.append(
                    f"{one.title} is another one at the source, which cannot tell it now: plan again afterwards"
                )
            elif definitions == "copy":
                replaced.append(Replaced(now=now, becomes=one, grants=_grants_on(now, source)))
                notes.append(f"{one.title} is another one at the source; it becomes the copy's again")
            else:
                notes.append(
                    f'{one.title} is another one at the source and is left so; "definitions: copy" changes that'
                )
    return Around(lost=tuple(lost), replaced=tuple(replaced), notes=tuple(notes))


def _in_scope(scope: Scope, copy: ServerFacts, source: ServerFacts) -> set[tuple[str, str, str]]:
    """Return the objects of the schemas, the views that read the tables, and what is lost of what those views need."""
    others = [one for one in copy.objects if one.kind != "TRIGGER"]
    here = {one.id for one in source.objects}
    found = {one.id for one in others if one.schema in scope.schemas}
    names = {quoted(table.schema, table.name) for table in scope.tables}
    reading: set[tuple[str, str, str]] = set()
    while True:
        more = [one for one in others if one.kind == "VIEW" and one.id not in reading and _names_any(one, names)]
        # what such a view needs is brought along where it is lost, or the view could not be made
        needed = [
            one
            for one in others
            if one.id not in here | reading
            and one.kind in ("VIEW", "FUNCTION")
            and any(_names_any(view, {quoted(one.schema, one.name)}) for view in others if view.id in reading)
        ]
        if not more and not needed:
            return found | reading
        reading |= {one.id for one in (*more, *needed)}
        names |= {quoted(one.schema, one.name) for one in more}


def _names_any(one: StoredObject, names: set[str]) -> bool:
    own = quoted(one.schema, one.name)
    return any(name != own and name in one.statement for name in names)


def _grants_on(one: StoredObject, server: ServerFacts) -> tuple[str, ...]:
    """Return what gives an object's rights again: a routine that is dropped loses them."""
    return tuple(sorted(grant.statement for grant in server.grants if (grant.kind, grant.schema, grant.name) == one.id))


def grants_again(
    lost: tuple[StoredObject, ...], scope: Scope, copy: ServerFacts, source: ServerFacts
) -> tuple[tuple[Grant, ...], tuple[str, ...]]:
    """Return the rights that were lost with what was dropped, and say which others the source does not give any more.

    Rights are by name and outlive a table and a schema, but not a routine. So rights on what is still there have been
    taken away on purpose, or with an account, and nobody gets them again from us.
    """
    made = {one.id for one in lost}
    now: dict[tuple[str, str, str, str], Grant] = {_place(grant): grant for grant in source.grants}
    given, notes = [], []
    for grant in sorted(copy.grants, key=lambda one: one.statement):
        if not _concerns(grant, scope, made):
            continue
        rights = grant.rights - (now[_place(grant)].rights if _place(grant) in now else frozenset())
        if not rights:
            continue
        missing = replace(grant, rights=rights)
        if source.accounts is not None and grant.account not in source.accounts:
            notes.append(f"{grant.account} is no account at the source any more, and gets nothing: {missing.statement}")
        elif (grant.kind, grant.schema, grant.name) in made or _is_gone(grant, source):
            given.append(missing)
        else:
            notes.append(f"taken away at the source since, and left so: {missing.statement}")
    return tuple(given), tuple(notes)


def _place(grant: Grant) -> tuple[str, str, str, str]:
    return grant.kind, grant.schema, grant.name, grant.account


def _concerns(grant: Grant, scope: Scope, made: set[tuple[str, str, str]]) -> bool:
    if grant.kind == "table":
        return grant.schema in scope.schemas or TableName(schema=grant.schema, name=grant.name) in scope.tables
    return grant.schema in scope.schemas or (grant.kind, grant.schema, grant.name) in made


def _is_gone(grant: Grant, source: ServerFacts) -> bool:
    """Tell whether what the rights are on is not at the source."""
    if grant.kind == "schema":
        return grant.schema not in source.schemas
    if grant.kind == "table":
        named = TableName(schema=grant.schema, name=grant.name)
        return named not in source.tables and ("VIEW", grant.schema, grant.name) not in {o.id for o in source.objects}
    return (grant.kind, grant.schema, grant.name) not in {one.id for one in source.objects}
