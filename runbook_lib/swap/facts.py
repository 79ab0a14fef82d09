"""What a server says of its tables and of the objects around them, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column. `kind` is its data type in small letters; `charset` and `collation` are empty for what is no text."""

    name: str
    kind: str
    full_type: str
    nullable: bool
    generated: bool
    counted: bool
    charset: str
    collation: str = ""


@dataclass(frozen=True, kw_only=True)
class ForeignKey:
    """A foreign key, named within its table's schema."""

    name: str
    table: TableName
    columns: tuple[str, ...]
    parent: TableName
    parent_columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class StoredObject:
    """A trigger, view, routine or event: the statement that makes it, and the session it is made in.

    `kind` is TRIGGER, VIEW, PROCEDURE, FUNCTION, EVENT, SEQUENCE, PACKAGE or PACKAGE BODY. `table` is a trigger's
    table, empty for others; `goes_on` has a sequence go on where it was, so that no number is given twice. `meaning`
    is what a view is compared by: MySQL writes the same view in other words while one of its tables is missing, and
    cannot show it at all while the schema of one is missing: its `statement` is empty then.
    """

    kind: str
    schema: str
    name: str
    statement: str
    sql_mode: str = ""
    charset: str = "utf8mb4"
    collation: str = "utf8mb4_general_ci"
    time_zone: str = ""
    table: str = ""
    meaning: str = ""
    goes_on: str = ""

    @property
    def title(self) -> str:
        """Name it for people."""
        return f"{self.kind.lower()} {self.schema}.{self.name}"

    @property
    def id(self) -> tuple[str, str, str]:
        """Return what tells it from others at one server."""
        return self.kind, self.schema, self.name

    def is_made_as(self, other: StoredObject) -> bool:
        """Tell whether two objects of the same name are defined alike."""
        mine, theirs = (made.meaning or made.statement for made in (self, other))
        return (mine, self.sql_mode, self.time_zone) == (theirs, other.sql_mode, other.time_zone)


@dataclass(frozen=True, kw_only=True)
class Grant:
    """Rights that an account ("'name'@'host'") holds on a schema, a table (or its columns) or a routine.

    `kind` is "schema", "table", "FUNCTION" or "PROCEDURE"; `name` is empty for a schema, whose name may be a pattern.
    """

    kind: str
    schema: str
    name: str
    account: str
    rights: frozenset[str]

    @property
    def where(self) -> str:
        """Write what the rights are on, as GRANT takes it."""
        if self.kind == "schema":
            return f"{quoted(self.schema)}.*"
        return (
            f"{self.kind} {quoted(self.schema, self.name)}" if self.kind.isupper() else quoted(self.schema, self.name)
        )

    @property
    def statement(self) -> str:
        """Write the statement that gives them."""
        return f"GRANT {', '.join(sorted(self.rights))} ON {self.where} TO {self.account}"

    @property
    def taken_away(self) -> str:
        """Write the statement that takes them away."""
        return f"REVOKE {', '.join(sorted(self.rights))} ON {self.where} FROM {self.account}"


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """One base table: its definition, columns, keys, and its size by the server's estimate.

    `key` are the columns of the primary key, else of a unique key without NULL, else none. `uniques` are the other
    unique keys. `counter` is the next AUTO_INCREMENT value, None without one. `versioned` tables keep their history
    (MariaDB).
    """

    name: TableName
    create: str = field(repr=False)
    engine: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    uniques: tuple[tuple[str, ...], ...]
    counter: int | None
    rows: int
    bytes: int
    versioned: bool = False

    @property
    def loaded(self) -> tuple[Column, ...]:
        """Return the columns that hold data of their own; generated ones are computed again."""
        return tuple(column for column in self.columns if not column.generated)

    def column(self, name: str) -> Column | None:
        """Return a column by name, None if there is none."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What a server holds, as far as a swap needs it.

    `schemas` are (character set, collation) by name. `settings` are server variables by name. `grants` are the rights
    that accounts hold on schemas, tables, columns and routines; `accounts` all accounts, None if they may not be seen.
    `everywhere` are rights on everything by account, `restricted` what partial revokes take of them in a schema.
    `clients` counts the other connections by schema, `swaps` the finished swaps that the server knows of.
    `unknown` names, by schema, what is of a kind that is not read here. `place` is what no other cluster has. `unseen`
    says what the account may not look at: "accounts", the "rights" of others, their "connections"; what is said of
    these is then not all there is.
    """

    name: str
    identity: str
    version: str
    is_mariadb: bool
    schemas: Mapping[str, tuple[str, str]]
    tables: Mapping[TableName, TableFacts]
    foreign_keys: tuple[ForeignKey, ...]
    objects: tuple[StoredObject, ...]
    settings: Mapping[str, str]
    rights: frozenset[str]
    grants: frozenset[Grant] = frozenset()
    place: str = ""
    accounts: frozenset[str] | None = None
    everywhere: Mapping[str, frozenset[str]] = field(default_factory=dict)
    restricted: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    clients: Mapping[str, int] = field(default_factory=dict)
    swaps: int = 0
    unknown: tuple[tuple[str, str], ...] = ()
    unseen: frozenset[str] = frozenset()

    def triggers_of(self, table: TableName) -> tuple[StoredObject, ...]:
        """Return a table's triggers in the order they fire."""
        return tuple(
            trigger
            for trigger in self.objects
            if trigger.kind == "TRIGGER" and trigger.schema == table.schema and trigger.table == table.name
        )
