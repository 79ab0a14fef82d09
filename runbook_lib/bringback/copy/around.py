"""What hangs on the swapped tables: the triggers they have afterwards, and what else the source has lost."""

from __future__ import annotations

from collections.abc import Mapping

from runbook_lib.bringback.copy.facts import ServerFacts, StoredObject
from runbook_lib.inventory import TableName


def triggers_afterwards(
    known: list[TableName], origins: Mapping[TableName, str], copy: ServerFacts, source: ServerFacts
) -> tuple[tuple[StoredObject, ...], tuple[str, ...]]:
    """Give the triggers the swapped tables have afterwards: the copy's where the table is the copy's, and newer."""
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
            elif one.statement != by_name[one.name].statement:
                said.append(f"{one.title} is another one at the source; it becomes the copy's again")
    return tuple(on), tuple(said)


def lost_objects(
    concerned: set[str], copy: ServerFacts, source: ServerFacts, known: list[TableName]
) -> tuple[StoredObject, ...]:
    """Give what the copy has and the source has lost: views, routines, events, and triggers of tables not swapped."""
    here = {(one.kind, one.schema, one.name) for one in source.objects}
    swapped = set(known)
    return tuple(
        one
        for one in copy.objects
        if one.schema in concerned
        and (one.kind, one.schema, one.name) not in here
        and (
            one.kind != "TRIGGER"
            or ((table := TableName(schema=one.schema, name=one.table)) not in swapped and table in source.tables)
        )
    )


def changed_objects(concerned: set[str], copy: ServerFacts, source: ServerFacts) -> tuple[str, ...]:
    """Name views, routines and events that are made otherwise at the source now; they are left alone."""
    here = {(one.kind, one.schema, one.name): one for one in source.objects}
    return tuple(
        f"{one.title} is another one at the source; it is left as it is"
        for one in copy.objects
        if one.kind != "TRIGGER"
        and one.schema in concerned
        and (other := here.get((one.kind, one.schema, one.name))) is not None
        and other.statement != one.statement
    )
