"""The plan of a copy back: every table, statement and object, decided before anything is changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from runbook_lib.bringback.copy.choices import CopyChoices, RowRule
from runbook_lib.inventory import TableName
from runbook_lib.swap.facts import Column, ForeignKey, Grant, StoredObject
from runbook_lib.swap.foreign_keys import StandIn
from runbook_lib.swap.names import state_schema
from runbook_lib.swap.objects import replace_statements, statements_of
from runbook_lib.swap.reach import Shut
from runbook_lib.swap.rename import Renames, Swap, create_schema

# Seen on two cores with both servers beside the client, secondary indexes included: see benchmarks.
BYTES_A_SECOND = 6_000_000


@dataclass(frozen=True, kw_only=True)
class TablePlan:
    """One table of the swap.

    `rows_from` is "restored", or "damaged" for a table that is not damaged itself and only goes along because foreign
    keys tie it to one that is. `verdict` is the proof's word. `staging` is where it is made; `dated` where the damaged
    server's own stays afterwards, None for a table that it has lost. `constraints` are its indexes,
    foreign keys and checks. `compared` are the columns both sides have,
    `retyped` those of them whose type or character set was changed since, `key`
    tells their rows apart (empty for a table without a key). `counted` is the AUTO_INCREMENT column and `counter` its
    next value on the restored server. `way` is how the rows travel, `why` the reason.
    """

    name: TableName
    staging: TableName
    dated: TableName | None
    verdict: str
    rows_from: str
    rule: RowRule
    newer_by: str
    way: str
    why: str
    create: str
    add_keys: tuple[str, ...]
    add_foreign_keys: str
    constraints: tuple[str, ...]
    engine: str
    present_engine: str
    versioned: bool
    columns: tuple[Column, ...]
    compared: tuple[Column, ...]
    retyped: tuple[str, ...]
    key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...]
    counted: str
    counter: int
    rows: int
    bytes: int
    notes: tuple[str, ...] = ()

    @property
    def transactional(self) -> bool:
        """Tell whether a change of its rows can be taken back."""
        return self.engine.upper() == "INNODB"

    @property
    def lockable(self) -> bool:
        """Tell whether it may be locked together with tables that know transactions, whatever the server."""
        return self.transactional and self.present_engine.upper() in ("", "INNODB")

    @property
    def merged(self) -> bool:
        """Tell whether rows of the damaged server are put beside the restored ones at the end."""
        return self.dated is not None and (self.rule != "replace" or self.rows_from == "damaged")


@dataclass(frozen=True, kw_only=True)
class Replaced:
    """A view, routine or event that becomes as it was. `grants` give a routine its rights again, either way."""

    now: StoredObject
    becomes: StoredObject
    grants: tuple[str, ...] = ()

    def statements(self, *, mariadb: bool, back: bool = False) -> tuple[str, ...]:
        """Write what puts the restored one in its place, or the present one `back`."""
        return *replace_statements(self.now if back else self.becomes, mariadb=mariadb), *self.grants


@dataclass(frozen=True, kw_only=True)
class CopyBackPlan:
    """What would be done to what. Equal plans have equal ids, whenever they are made.

    `renames` is the swap, in its order. `objects` are what the damage has taken away, `replaced` what it has changed
    and `definitions` puts back, `shut` keeps accounts out of the schemas that are made. `triggers_off` and
    `triggers_on` are those of the swapped tables, taken away before the swap and made again after it. `stand_ins` keep
    damaged tables' foreign keys off parents that come back. `resumes` says that a run of this plan has begun and is not
    finished. `along` says in words what comes with the tables. `places` are the ARN and resource id of the restored and
    of the damaged cluster: two clusters of one name share no plan.
    `choices` are what the plan was made from, to be held against those of whoever goes on with it.
    """

    restored: str
    damaged: str
    restored_identity: str
    damaged_identity: str
    key: str
    planned_at: datetime
    tables: tuple[TablePlan, ...]
    schemas: Mapping[str, tuple[str, str]]
    new_schemas: Mapping[str, tuple[str, str]]
    dated_schemas: Mapping[str, str]
    foreign_keys: tuple[ForeignKey, ...]
    triggers_off: tuple[StoredObject, ...]
    triggers_on: tuple[StoredObject, ...]
    objects: tuple[StoredObject, ...]
    grants: tuple[Grant, ...]
    conflicts: str
    workers: int
    bucket: str
    mariadb: bool
    locked_rename: bool
    stand_ins: tuple[StandIn, ...] = ()
    replaced: tuple[Replaced, ...] = ()
    shut: tuple[Shut, ...] = ()
    definitions: str = "source"
    along: str = ""
    notes: tuple[str, ...] = ()
    resumes: bool = False
    places: tuple[str, str] = ("", "")
    choices: CopyChoices | None = field(default=None, repr=False)
    fingerprint: str = field(default="", repr=False)

    @property
    def id(self) -> str:
        """Return the plan's id: a hash of the statements and of what they were made for, not of the clock."""
        content = {
            "statements": [self._timeless(text) for text in self.statements],
            "rules": [[str(t.name), t.rule, t.newer_by, t.way, t.rows_from] for t in self.tables],
            "conflicts": self.conflicts,
            "servers": [self.restored_identity, self.damaged_identity, self.fingerprint],
            **({"places": self.places} if any(self.places) else {}),  # a plan begun before they were kept has none
        }
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]

    def _timeless(self, text: str) -> str:
        stamp = f"_damaged_{self.planned_at:%Y%m%dt%H%M%Sz}"
        return text.replace(stamp, "<time>").replace(stamp.replace("_", "\\_"), "<time>")

    @property
    def state(self) -> str:
        """Return the schema on the damaged server that keeps how far this copy back has come."""
        return state_schema(self.key)

    @property
    def made(self) -> tuple[StoredObject, ...]:
        """Return every trigger, view, routine and event that the damaged server has as planned afterwards."""
        return *self.triggers_on, *self.objects, *(changed.becomes for changed in self.replaced)

    @property
    def bytes(self) -> int:
        """Return the size of everything that travels, as the restored server estimates it, indexes included."""
        return sum(table.bytes for table in self.tables)

    @property
    def seconds(self) -> float:
        """Estimate how long copying takes."""
        return self.bytes / BYTES_A_SECOND + 0.05 * len(self.tables)

    @property
    def renames(self) -> Renames:
        """Return the renames: stand-ins for lost parents, all present tables away, then all new ones in."""
        stand_ins = tuple(pair for stand_in in self.stand_ins for pair in stand_in.renames)
        away = tuple((table.name, table.dated) for table in self.tables if table.dated)
        return stand_ins + away + tuple((table.staging, table.name) for table in self.tables)

    @property
    def free(self) -> frozenset[TableName]:
        """Return the tables that cannot be locked beside the others."""
        if self.locked_rename or self.mariadb:
            return frozenset()
        return frozenset(name for table in self.tables if not table.lockable for name in (table.name, table.staging))

    @property
    def swap(self) -> Swap:
        """Return what changes places with what."""
        return Swap(renames=self.renames, off=self.triggers_off, on=self.triggers_on, free=self.free)

    @property
    def statements(self) -> tuple[str, ...]:
        """Return every statement that changes the damaged server, in order; rows travel where the tables are made."""
        return (
            *(create_schema(name, *how) for name, how in self.schemas.items()),
            *(kept_out.statement for kept_out in self.shut if kept_out.schema in self.schemas),
            *(text for item in self.objects if item.kind == "SEQUENCE" for text in statements_of(item)),
            *(
                statement
                for table in self.tables
                for statement in (table.create, *table.add_keys, table.add_foreign_keys)
                if statement
            ),
            *(stand_in.make for stand_in in self.stand_ins),
            *self.swap.statements,
            *(text for item in self.objects if item.kind != "SEQUENCE" for text in statements_of(item)),
            *(statement for changed in self.replaced for statement in changed.statements(mariadb=self.mariadb)),
            *(grant.statement for grant in self.grants),
        )
