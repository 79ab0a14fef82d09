"""Foreign keys around a swap: which tables must go together, and stand-ins for parents that are lost.

A stand-in keeps a damaged table's foreign key off the table brought back.

A foreign key whose parent was dropped is tied, by both engines, to the next table that takes the parent's name. Were
that the table brought back, the damaged child would count for it from its dated schema (a DELETE of a parent's row
refused, or carried on into the damaged rows), and an undo would leave the key tied to the schema of the undo.

So the RENAME of the swap first gives the parent's name to an empty stand-in and then takes it away again, into the
dated schema: the key goes with it, and the whole is still one atomic statement. The stand-in has the columns of the
child's key, so that a child whose types no longer fit the parent cannot stop the swap. After an undo the damaged
table stands in its place with a key on an empty table, which refuses rows as a missing parent does, until the key is
made as it was. Seen on MySQL 9.7 and MariaDB 10.11.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from itertools import count

from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.definition import constraint_names, take_apart, with_constraints_renamed
from runbook_lib.swap.facts import ForeignKey, ServerFacts

COMMENT = "empty, for foreign keys of damaged tables whose parent was lost"
CHECKS_OFF = "SET SESSION foreign_key_checks = 0"


@dataclass(frozen=True, kw_only=True)
class Tie:
    """A foreign key of a damaged table: the statements that take it away and make it as it was."""

    table: TableName
    name: str
    parent: TableName
    drop: str
    add: str


@dataclass(frozen=True, kw_only=True)
class StandIn:
    """An empty table in a lost parent's place. `waits` is where it is made, `stays` where the swap takes it."""

    parent: TableName
    waits: TableName
    stays: TableName
    make: str
    ties: tuple[Tie, ...]

    @property
    def renames(self) -> tuple[tuple[TableName, TableName], ...]:
        """Return its part of the swap, which comes first."""
        return (self.waits, self.parent), (self.parent, self.stays)


def closure(tables: Iterable[TableName], *keys: Iterable[ForeignKey]) -> tuple[TableName, ...]:
    """Return the tables and all that are tied to them by any of the foreign keys, sorted.

    A parent that is swapped alone leaves its children's keys on the old table, and a child that is swapped alone has
    keys on the parent that goes away.
    """
    tied: dict[TableName, set[TableName]] = defaultdict(set)
    for key in (key for some in keys for key in some):
        tied[key.table].add(key.parent)
        tied[key.parent].add(key.table)
    found: set[TableName] = set()
    waiting = list(tables)
    while waiting:
        table = waiting.pop()
        if table not in found:
            found.add(table)
            waiting.extend(tied[table] - found)
    return tuple(sorted(found))


def namesakes(
    known: Iterable[TableName], restored: ServerFacts, damaged: ServerFacts
) -> dict[TableName, dict[str, str]]:
    """Return the damaged tables with constraints called like one of a table that comes back, and other names for them.

    Names of foreign keys are one in their schema, on MySQL those of checks too. A table that was renamed away has kept
    them, and both tables cannot have them.
    """
    back = {table for table in known if table in restored.tables}
    taken: dict[str, set[str]] = defaultdict(set)
    for table in back:
        names = constraint_names(restored.tables[table].create, checks=not damaged.is_mariadb)
        taken[table.schema] |= {name.casefold() for name in names}
    found: dict[TableName, dict[str, str]] = {}
    for table, facts in sorted(damaged.tables.items()):
        if table in back or not taken[table.schema]:
            continue
        names = constraint_names(facts.create, checks=not damaged.is_mariadb)
        for name in sorted(name for name in names if name.casefold() in taken[table.schema]):
            new = next(
                new for number in count(1) if (new := f"{name[:58]}_{number}").casefold() not in taken[table.schema]
            )
            taken[table.schema].add(new.casefold())
            found.setdefault(table, {})[name] = new
    return found


def named_apart(damaged: ServerFacts, others: Mapping[TableName, Mapping[str, str]]) -> ServerFacts:
    """Return what is known of a server as if some constraints of its tables had these other names."""
    tables = {
        table: replace(facts, create=with_constraints_renamed(facts.create, others[table]))
        if table in others
        else facts
        for table, facts in damaged.tables.items()
    }
    keys = (replace(key, name=others.get(key.table, {}).get(key.name, key.name)) for key in damaged.foreign_keys)
    return replace(damaged, tables=tables, foreign_keys=tuple(keys))


def lost_parents(known: Iterable[TableName], restored: ServerFacts, damaged: ServerFacts) -> tuple[TableName, ...]:
    """Return the tables that come back and that foreign keys of the damaged server point at though it has lost them."""
    back = {table for table in known if table in restored.tables and table not in damaged.tables}
    return tuple(sorted({key.parent for key in damaged.foreign_keys if key.parent in back}))


def stand_ins(
    parents: Iterable[TableName], damaged: ServerFacts, *, dated: Mapping[str, str], state: str
) -> tuple[StandIn, ...]:
    """Plan a stand-in for each of the lost parents: `state` is the schema in which it waits, `dated` where it stays."""
    return tuple(
        _stand_in(
            parent,
            [key for key in damaged.foreign_keys if key.parent == parent],
            damaged,
            waits=TableName(schema=state, name=f"stand_in_{number}"),
            stays=TableName(schema=dated[parent.schema], name=parent.name),
        )
        for number, parent in enumerate(parents)
    )


def _stand_in(
    parent: TableName, keys: list[ForeignKey], damaged: ServerFacts, *, waits: TableName, stays: TableName
) -> StandIn:
    children = sorted({key.table for key in keys})
    columns: dict[str, str] = {}
    indexes: dict[tuple[str, ...], None] = {}
    for key in keys:
        indexes.setdefault(key.parent_columns)
        for own, theirs in zip(key.columns, key.parent_columns, strict=True):
            columns.setdefault(theirs, f"c{children.index(key.table)}.{quoted(own)} AS {quoted(theirs)}")
    unique = ", ".join(f"UNIQUE KEY ({', '.join(quoted(name) for name in index)})" for index in indexes)
    made_of = ", ".join(f"{child.sql} AS c{number}" for number, child in enumerate(children))
    return StandIn(
        parent=parent,
        waits=waits,
        stays=stays,
        make=f"CREATE TABLE {waits.sql} ({unique}) ENGINE=InnoDB COMMENT='{COMMENT}'"
        f" AS SELECT {', '.join(columns.values())} FROM {made_of} LIMIT 0",
        ties=tuple(tie_of(key, damaged) for key in keys),
    )


def tie_of(key: ForeignKey, server: ServerFacts) -> Tie:
    """Return the statements that take a foreign key away and make it as the server has it."""
    create = server.tables[key.table].create
    parts = take_apart(create, table=key.table, place=lambda table: table, counted="", keys_later=False)
    start = f"ADD CONSTRAINT {quoted(key.name)} "
    clause = next(clause for clause in parts.foreign_keys if clause.startswith(start))
    table = f"ALTER TABLE {key.table.sql}"
    return Tie(
        table=key.table,
        name=key.name,
        parent=key.parent,
        drop=f"{table} DROP FOREIGN KEY {quoted(key.name)}",
        add=f"{table} {clause}",
    )


def make_stand_ins(database: Database, wanted: Iterable[StandIn]) -> None:
    """Make the stand-ins again where they wait."""
    for stand_in in wanted:
        database.execute(f"DROP TABLE IF EXISTS {stand_in.waits.sql}")
        database.execute(stand_in.make)


def untie_statements(wanted: Iterable[StandIn]) -> tuple[str, ...]:
    """Write what makes the keys as they were once the damaged tables stand in their places again."""
    made = tuple(wanted)
    if not made:
        return ()
    ties = tuple(tie for stand_in in made for tie in stand_in.ties)
    remade = tuple(statement for tie in ties for statement in (tie.drop, tie.add))
    return (CHECKS_OFF, *remade, *(f"DROP TABLE IF EXISTS {stand_in.stays.sql}" for stand_in in made))


def untie(database: Database, wanted: Iterable[StandIn]) -> None:
    """Make the keys as they were, those that are not yet, and drop the stand-ins."""
    for stand_in in wanted:
        make_ties(database, stand_in.ties)
        database.execute(CHECKS_OFF)
        database.execute(f"DROP TABLE IF EXISTS {stand_in.stays.sql}")
    database.execute("SET SESSION foreign_key_checks = DEFAULT")


def make_ties(database: Database, ties: Iterable[Tie]) -> None:
    """Make foreign keys that point elsewhere, or nowhere, point at their parents again."""
    database.execute(CHECKS_OFF)
    try:
        for tie in ties:
            points_at = parent_of(database, tie)
            if points_at == tie.parent:
                continue
            if points_at is not None:
                database.execute(tie.drop)
            database.execute(tie.add)
    finally:
        database.execute("SET SESSION foreign_key_checks = DEFAULT")


def still_tied(database: Database, wanted: Iterable[StandIn]) -> tuple[str, ...]:
    """Name the keys that are not as they were."""
    return tuple(
        f"foreign key {tie.name} of {tie.table}"
        for stand_in in wanted
        for tie in stand_in.ties
        if parent_of(database, tie) != tie.parent
    )


def parent_of(database: Database, tie: Tie) -> TableName | None:
    """Return the table that a foreign key points at now, None where there is no such key."""
    found = database.rows(
        "SELECT DISTINCT referenced_table_schema, referenced_table_name FROM information_schema.key_column_usage"
        " WHERE table_schema = %s AND table_name = %s AND constraint_name = %s AND referenced_table_name IS NOT NULL",
        (tie.table.schema, tie.table.name, tie.name),
    )
    return TableName(schema=str(found[0][0]), name=str(found[0][1])) if found else None
