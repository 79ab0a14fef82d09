"""The plan of a copy back: every table, statement and object, decided before anything is changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from runbook_lib.bringback.copy.choices import RowRule
from runbook_lib.bringback.copy.facts import Column, ForeignKey, Grant, StoredObject
from runbook_lib.bringback.copy.names import state_schema
from runbook_lib.bringback.copy.objects import drop_statement, replace_statements, statements_of
from runbook_lib.bringback.copy.reach import Shut
from runbook_lib.bringback.copy.stand_ins import StandIn
from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted

# Seen on two cores with both servers beside the client, secondary indexes included: see benchmarks.
BYTES_A_SECOND = 6_000_000


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """One table of the swap.

    `rows_from` is "copy", or "source" for a table that is not damaged and only goes along because foreign keys tie
    it to one that is. `verdict` is the proof's word. `staging` is where it is made; `damaged` where the source's own
    stays afterwards, None for a table the source has lost. `compared` are the columns both sides have, `key` tells
    their rows apart (empty for a table without a key). `counted` is the AUTO_INCREMENT column and `counter` its next
    value at the copy. `way` is how the rows travel, `why` the reason.
    """

    name: TableName
    staging: TableName
    damaged: TableName | None
    verdict: str
    rows_from: str
    rule: RowRule
    newer_by: str
    way: str
    why: str
    create: str
    add_keys: str
    add_foreign_keys: str
    columns: tuple[Column, ...]
    compared: tuple[Column, ...]
    key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...]
    counted: str
    counter: int
    rows: int
    bytes: int
    notes: tuple[str, ...] = ()

    @property
    def merged(self) -> bool:
        """Tell whether rows of the source are put beside the copy's at the end."""
        return self.damaged is not None and (self.rule != "replace" or self.rows_from == "source")


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A view, routine or event that becomes the copy's again. `grants` give a routine its rights again, either way."""

    now: StoredObject
    becomes: StoredObject
    grants: tuple[str, ...] = ()

    def statements(self, *, mariadb: bool, back: bool = False) -> tuple[str, ...]:
        """Write what puts the copy's in its place, or what was there `back`."""
        return *replace_statements(self.now if back else self.becomes, mariadb=mariadb), *self.grants


@dataclass(frozen=True, kw_only=True)
class CopyBackPlan:
    """What would be done to what. Equal plans have equal ids, whenever they are made.

    `renames` is the swap, in its order. `objects` are what the damage has taken away, `replaced` what it has changed
    and `definitions` puts back, `shut` keeps accounts out of the schemas that are made. `triggers_off` and
    `triggers_on` are those of the swapped tables, taken away before the swap and made again after it. `stand_ins` keep
    damaged tables' foreign keys off parents that come back. `resumes` says that an unfinished run of this plan stands
    at the source. `along` says in words what comes with the tables.
    """

    copy: str
    source: str
    copy_identity: str
    source_identity: str
    key: str
    planned_at: datetime
    tables: tuple[TablePlan, ...]
    schemas: Mapping[str, tuple[str, str]]
    new_schemas: Mapping[str, tuple[str, str]]
    damaged_schemas: Mapping[str, str]
    foreign_keys: tuple[ForeignKey, ...]
    triggers_off: tuple[StoredObject, ...]
    triggers_on: tuple[StoredObject, ...]
    objects: tuple[StoredObject, ...]
    grants: tuple[Grant, ...]
    conflicts: str
    workers: int
    bucket: str
    locked_rename: bool
    stand_ins: tuple[StandIn, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    shut: tuple[Shut, ...] = ()
    definitions: str = "source"
    along: str = ""
    notes: tuple[str, ...] = ()
    resumes: bool = False
    fingerprint: str = field(default="", repr=False)

    @property
    def id(self) -> str:
        """Return the plan's id: a hash of the statements and of what they were made for, not of the clock."""
        content = {
            "statements": [self._timeless(text) for text in self.statements],
            "rules": [[str(t.name), t.rule, t.newer_by, t.way, t.rows_from] for t in self.tables],
            "conflicts": self.conflicts,
            "servers": [self.copy_identity, self.source_identity, self.fingerprint],
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def _timeless(self, text: str) -> str:
        stamp = f"_damaged_{self.planned_at:%Y%m%dt%H%M%Sz}"
        return text.replace(stamp, "<time>").replace(stamp.replace("_", "\\_"), "<time>")

    @property
    def state(self) -> str:
        """Return the schema at the source that keeps how far this copy back has come."""
        return state_schema(self.key)

    @property
    def made(self) -> tuple[StoredObject, ...]:
        """Return every trigger, view, routine and event that stands as planned afterwards."""
        return *self.triggers_on, *self.objects, *(one.becomes for one in self.replaced)

    @property
    def mariadb(self) -> bool:
        """Tell the source's engine family."""
        return not self.locked_rename

    @property
    def bytes(self) -> int:
        """Return the size of everything that travels, as the copy estimates it, indexes included."""
        return sum(table.bytes for table in self.tables)

    @property
    def seconds(self) -> float:
        """Estimate how long copying takes."""
        return self.bytes / BYTES_A_SECOND + 0.05 * len(self.tables)

    @property
    def renames(self) -> tuple[tuple[TableName, TableName], ...]:
        """Return the swap: stand-ins for lost parents, all of the source's tables away, then all new ones in."""
        stand_ins = tuple(pair for one in self.stand_ins for pair in one.renames)
        away = tuple((table.name, table.damaged) for table in self.tables if table.damaged)
        return stand_ins + away + tuple((table.staging, table.name) for table in self.tables)

    @property
    def swap(self) -> tuple[str, ...]:
        """Return the statements of the swap in their order, without the locks around them."""
        return swap_statements(self.triggers_off, self.renames, self.triggers_on)

    @property
    def statements(self) -> tuple[str, ...]:
        """Return every statement that changes the source, in order; rows travel where the tables are made."""
        return (
            *(create_schema(name, *how) for name, how in self.schemas.items()),
            *(one.statement for one in self.shut if one.schema in self.schemas),
            *(
                statement
                for table in self.tables
                for statement in (table.create, table.add_keys, table.add_foreign_keys)
                if statement
            ),
            *(one.make for one in self.stand_ins),
            *self.swap,
            *(statement for one in self.objects for statement in statements_of(one)),
            *(statement for one in self.replaced for statement in one.statements(mariadb=self.mariadb)),
            *(grant.statement for grant in self.grants),
        )

    def as_json(self) -> dict[str, Any]:
        """Return the plan as what `json.dumps(default=str)` takes."""
        return asdict(self)


def swap_statements(
    off: tuple[StoredObject, ...], renames: tuple[tuple[TableName, TableName], ...], on: tuple[StoredObject, ...]
) -> tuple[str, ...]:
    """Write a swap: triggers away, because a table that has one cannot change its schema; one RENAME; triggers back."""
    return (
        *(drop_statement(one) for one in off),
        *((rename_statement(renames),) if renames else ()),
        *(statement for one in on for statement in statements_of(one)),
    )


def rename_statement(renames: tuple[tuple[TableName, TableName], ...]) -> str:
    """Write the one statement that renames them all, or none."""
    return "RENAME TABLE " + ",\n  ".join(f"{old.sql} TO {new.sql}" for old, new in renames)


def create_schema(name: str, charset: str, collation: str) -> str:
    """Write the statement that makes a schema."""
    return f"CREATE DATABASE IF NOT EXISTS {quoted(name)} CHARACTER SET {charset} COLLATE {collation}"
