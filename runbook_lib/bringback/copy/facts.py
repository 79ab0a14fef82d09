"""What a server says of its tables and of the objects around them, as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from runbook_lib.inventory import TableName


@dataclass(frozen=True, kw_only=True)
class Column:
    """A column. `kind` is its data type in small letters; `charset` is empty for what is no text."""

    name: str
    kind: str
    full_type: str
    nullable: bool
    generated: bool
    counted: bool
    charset: str


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

    `kind` is TRIGGER, VIEW, PROCEDURE, FUNCTION or EVENT. `table` is a trigger's table, empty for others.
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

    @property
    def title(self) -> str:
        """Name it for people."""
        return f"{self.kind.lower()} {self.schema}.{self.name}"


@dataclass(frozen=True, kw_only=True)
class TableFacts:
    """One base table: its definition, columns, keys, and its size by the server's estimate.

    `key` are the columns of the primary key, else of a unique key without NULL, else none. `uniques` are the other
    unique keys. `counter` is the next AUTO_INCREMENT value, None without one.
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

    @property
    def loaded(self) -> tuple[Column, ...]:
        """Give the columns that hold data of their own; generated ones are computed again."""
        return tuple(column for column in self.columns if not column.generated)

    def column(self, name: str) -> Column | None:
        """Give a column by name, None if there is none."""
        return next((column for column in self.columns if column.name == name), None)


@dataclass(frozen=True, kw_only=True)
class ServerFacts:
    """What one of the two servers holds, as far as a copy back needs it.

    `schemas` are (character set, collation) by name. `settings` are server variables by name. `grants` are statements
    that give rights on a table, column or routine, without which an account could not work as before.
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
    grants: frozenset[str] = frozenset()
    clients: Mapping[str, int] = field(default_factory=dict)

    def triggers_of(self, table: TableName) -> tuple[StoredObject, ...]:
        """Give a table's triggers in the order they fire."""
        return tuple(
            one
            for one in self.objects
            if one.kind == "TRIGGER" and one.schema == table.schema and one.table == table.name
        )
