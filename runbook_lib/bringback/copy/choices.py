"""What the person may choose about a copy back: which tables, and what becomes of rows written since."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from runbook_lib.errors import InputRefused
from runbook_lib.inventory import TableName

RowRule = Literal["replace", "keep new", "newer wins"]
ROW_RULES: Mapping[str, str] = {
    "replace": "the copy's rows and nothing else: what was written since the restored second stays only in the "
    "dated schema",
    "keep new": "the copy's rows, and the rows at the source whose key the copy does not have; a row deleted since "
    "comes back",
    "newer wins": "as keep new, and of two rows with one key the one with the greater value in the named column",
}
CONFLICTS: Mapping[str, str] = {
    "": "stop before the swap and list them",
    "copy": "the copy's row is taken, the source's stays only in the dated schema",
    "source": "the source's row is taken over the copy's",
}
THROUGH = ("", "load", "insert", "mydumper", "s3")
DEFINITIONS: Mapping[str, str] = {
    "source": "left as they are now, and named",
    "copy": "the copy's again; the present ones are in the record before, and an undo puts them back",
}


@dataclass(frozen=True, kw_only=True)
class CopyChoices:
    """Everything has a default: the tables that the proof says are damaged, replaced by the copy's.

    `tables` are names of tables ("schema.table", quoted with backticks where a part holds a dot) or of whole schemas.
    `rules` and `newer_by` are by table, in the same writing; `rows` is for all others. `conflicts` says which side is
    taken where both have a row of one key with different content and no rule decides: with "" nobody guesses, and
    the swap does not happen while there are any. `definitions` says what becomes of views, routines and events that
    are made otherwise at the source now; those that it has lost come back: all of a schema that is named (of every
    schema where nothing is named), and the views that read a table that is named. `through` is the way
    that every table must travel; with "" each table goes the way that the plan finds best.
    """

    tables: tuple[str, ...] = ()
    rows: str = "replace"
    rules: Mapping[str, str] = field(default_factory=dict)
    newer_by: Mapping[str, str] = field(default_factory=dict)
    conflicts: str = ""
    definitions: str = "source"
    bucket: str = ""
    through: str = ""
    workers: int = 2

    def __post_init__(self) -> None:
        for rule in (self.rows, *self.rules.values()):
            if rule not in ROW_RULES:
                raise InputRefused(f'There is no rule "{rule}" for rows.', hint=f"Use one of: {', '.join(ROW_RULES)}.")
        if self.conflicts not in CONFLICTS:
            raise InputRefused(
                f'"{self.conflicts}" does not say which side a conflict is decided for.',
                hint='Set `conflicts` to "copy" or "source", or leave it empty to be shown them.',
            )

        if self.definitions not in DEFINITIONS:
            raise InputRefused(
                f'"{self.definitions}" does not say whose views, routines and events are kept where they differ.',
                hint='Set `definitions` to "copy" or "source".',
            )

        if self.through not in THROUGH:
            raise InputRefused(
                f'Rows cannot travel through "{self.through}".',
                hint='Write "through: " and load, insert, mydumper, s3 or a bucket; without it the plan chooses.',
            )

    def rule_of(self, table: TableName) -> str:
        """Return the rule for a table's rows."""
        return str(_of(self.rules, table) or self.rows)

    def newer_column(self, table: TableName) -> str:
        """Return the column that says which of two rows is newer, empty where none is named."""
        return str(_of(self.newer_by, table) or self.newer_by.get("*", ""))


def _of(values: Mapping[str, str], table: TableName) -> str | None:
    for name in (str(table), table.sql, table.schema):
        if name in values:
            return values[name]
    return None


def chosen(names: tuple[str, ...], known: frozenset[TableName]) -> tuple[TableName, ...]:
    """Return the tables that names stand for; a schema's name stands for all its tables.

    Raises:
        InputRefused: a name stands for nothing that the copy holds.
    """
    found: set[TableName] = set()
    for name in names:
        meant = {table for table in known if name in (str(table), table.sql, table.schema)}
        if not meant:
            raise InputRefused(
                f'The copy holds no table or schema "{name}".',
                hint='Write "schema.table" or "schema"; quote a part that holds a dot: "`basis`.`staging.rooms`".',
            )
        found |= meant
    return tuple(sorted(found))
