"""What a survey of a server found, as frozen values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, kw_only=True, slots=True)
class TableFacts:
    """One table or view. Times are aware UTC; None means the server does not know it or the account may not see it.

    `empty` is exact (a probe), `rows_estimate` and `size_bytes` are the server's estimates. `reads` and `writes` count
    the statements that read or wrote it since the server started, the probes of this survey not included.
    """

    name: str
    kind: str  # "BASE TABLE", "VIEW", "SEQUENCE" …
    engine: str = ""
    rows_estimate: int = 0
    size_bytes: int = 0
    created: datetime | None = None
    written: datetime | None = None
    empty: bool | None = None
    reads: int | None = None
    writes: int | None = None

    @property
    def is_base(self) -> bool:
        """Tell a table that holds rows from a view."""
        return self.kind != "VIEW"


@dataclass(frozen=True, kw_only=True, slots=True)
class Code:
    """A view, routine, trigger or event: its text refers to tables by name."""

    schema: str
    name: str
    kind: str  # "VIEW", "FUNCTION", "PROCEDURE", "TRIGGER", "EVENT"
    text: str | None = field(repr=False)  # None when the account may not read it
    definer: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class ForeignKey:
    """A foreign key from one table to another."""

    schema: str
    table: str
    name: str
    to_schema: str
    to_table: str


@dataclass(frozen=True, kw_only=True)
class SchemaFacts:
    """One schema with everything in it."""

    name: str
    tables: Mapping[str, TableFacts]
    code: tuple[Code, ...] = ()
    grants: tuple[str, ...] = ()  # "'reader'@'%' SELECT on staging.rooms"

    @property
    def base_tables(self) -> tuple[TableFacts, ...]:
        """Return the tables that hold rows, sorted by name."""
        return tuple(table for _, table in sorted(self.tables.items()) if table.is_base)

    @property
    def views(self) -> tuple[TableFacts, ...]:
        """Return the views, sorted by name."""
        return tuple(table for _, table in sorted(self.tables.items()) if not table.is_base)

    @property
    def filled(self) -> tuple[str, ...]:
        """Name the tables that hold at least one row."""
        return tuple(table.name for table in self.base_tables if table.empty is False)

    @property
    def all_empty(self) -> bool | None:
        """Tell whether no table holds a row; None when none was seen with one, but some could not be probed."""
        if self.filled:
            return False
        return None if any(table.empty is None for table in self.base_tables) else True

    def count(self, kind: str) -> int:
        """Count the views, routines ("ROUTINE"), triggers or events."""
        kinds = ("FUNCTION", "PROCEDURE") if kind == "ROUTINE" else (kind,)
        return sum(code.kind in kinds for code in self.code)


@dataclass(frozen=True, kw_only=True)
class Unseen:
    """Something the account may not see, and the right that would show it."""

    what: str
    right: str


@dataclass(frozen=True, kw_only=True)
class Survey:
    """What a server holds outside its system schemas, as one account sees it."""

    server: str  # "MySQL 8.0.39" …
    account: str
    taken: datetime
    started: datetime | None  # when the server started; usage counts from there
    counts_usage: bool  # the performance schema is on and may be read
    case_sensitive: bool  # lower_case_table_names is 0
    schemas: Mapping[str, SchemaFacts]
    foreign_keys: tuple[ForeignKey, ...] = ()
    unseen: tuple[Unseen, ...] = ()
    statements: int = 0

    def references_to(self, schema: str) -> tuple[str, ...]:
        """Say what in other schemas refers to a schema: foreign keys, and views, routines, triggers, events by text."""
        found = [
            f"foreign key {key.name} of {key.schema}.{key.table}"
            for key in self.foreign_keys
            if key.to_schema == schema and key.schema != schema
        ]
        for other in self.schemas.values():
            found += [
                f"{code.kind.lower()} {code.schema}.{code.name}"
                for code in other.code
                if code.schema != schema and code.text is not None and mentions(code.text, schema)
            ]
        return tuple(sorted(found))

    def references_from(self, schema: str) -> tuple[str, ...]:
        """Name the other schemas that a schema's foreign keys and code refer to."""
        found = {k.to_schema for k in self.foreign_keys if k.schema == schema and k.to_schema != schema}
        texts = [code.text for code in self.schemas[schema].code if code.text]
        found |= {other for other in self.schemas if other != schema and any(mentions(t, other) for t in texts)}
        return tuple(sorted(found))


def mentions(text: str, schema: str) -> bool:
    """Tell whether SQL text names a schema as a qualifier; servers store names of views in backticks."""
    quoted = "`" + schema.replace("`", "``") + "`"
    if quoted in text:
        return True
    place = text.find(schema)
    while place >= 0:
        before, after = text[place - 1 : place], text[place + len(schema) :].lstrip()[:1]
        if after == "." and not (before.isalnum() or before in ("_", "$", "`")):
            return True
        place = text.find(schema, place + 1)
    return False
