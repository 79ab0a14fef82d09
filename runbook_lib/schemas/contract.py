"""The contract: which schemas there should be, what for, and which tables each must hold.

It comes from a file that people edit, so every mistake in it is refused with its place, before anything is asked of a
server.
"""

from __future__ import annotations

from datetime import timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from runbook_lib import shipped
from runbook_lib.errors import InputRefused

Status = Literal["active", "legacy", "unknown"]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Freshness(_Strict):
    """The newest value of `column` must not be older than `within_hours`, counted from the asked moment."""

    column: str
    within_hours: float = Field(gt=0)

    @property
    def within(self) -> timedelta:
        """Return it as a duration."""
        return timedelta(hours=self.within_hours)


class ExpectedTable(_Strict):
    """A table that must be there. `name` may be a pattern with `*` and `?`; then it means at least one table."""

    name: str = Field(min_length=1)
    min_rows: int = Field(default=0, ge=0)
    fresh: Freshness | None = None
    columns: tuple[str, ...] = ()

    @property
    def is_pattern(self) -> bool:
        """Tell a pattern from a plain name."""
        return any(char in self.name for char in "*?[")

    def matches(self, table: str) -> bool:
        """Tell whether a table is meant."""
        return fnmatchcase(table, self.name) if self.is_pattern else table == self.name


class Assertion(_Strict):
    """A statement that answers 0, or no row, where all is right: run in the schema before a load is published."""

    name: str = Field(min_length=1)
    sql: str = Field(min_length=1)


def _table(value: Any) -> Any:
    return {"name": value} if isinstance(value, str) else value


class SchemaContract(_Strict):
    """What one schema is for. `active` ones can never be chosen for dropping; `tables` empty means none is required."""

    purpose: str
    status: Status = "active"
    owner: str = ""
    ask: str = ""  # whom or which log to ask when it is not as it should be
    comes_from: str = ""
    tables: tuple[Annotated[ExpectedTable, BeforeValidator(_table)], ...] = ()
    min_tables: int = Field(default=0, ge=0)  # where the names are not fixed
    others_allowed: bool = False  # tables beyond the listed ones are no finding
    replaces: tuple[str, ...] = ()  # schemas whose work this one does now
    assertions: tuple[Assertion, ...] = ()

    @model_validator(mode="after")
    def _once(self) -> SchemaContract:
        names = [table.name for table in self.tables]
        if twice := {name for name in names if names.count(name) > 1}:
            raise ValueError(f"listed twice: {', '.join(sorted(twice))}")
        return self


class Contract(_Strict):
    """All schemas of one cluster."""

    version: Literal[1]
    schemas: dict[str, SchemaContract]

    def table_patterns(self, schema: str) -> tuple[str, ...]:
        """Return the expected tables of a schema by name or pattern.

        Raises:
            InputRefused: the contract does not know the schema.
        """
        if schema not in self.schemas:
            raise InputRefused(
                f'The contract has no schema "{schema}".',
                hint=f"It has: {', '.join(sorted(self.schemas))}. Add it, or leave the contract out.",
            )
        return tuple(table.name for table in self.schemas[schema].tables)


def read_contract(path: Path) -> Contract:
    """Read a contract file (YAML).

    Raises:
        InputRefused: it cannot be read, is not YAML, or says something that no contract can say; with the place.
    """
    try:
        text = _found(path).read_text(encoding="utf-8")
    except OSError as error:
        raise InputRefused(
            f'The contract "{path}" cannot be read: {error.strerror}.', hint="Check `contract`."
        ) from error
    try:
        return Contract.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        line = f" in line {where.line + 1}" if where else ""
        raise InputRefused(f'The contract "{path}" is not valid YAML{line}.', hint="Mend that line.") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise InputRefused(
            f'The contract "{path}" is wrong at {place}: {first["msg"]}.',
            hint=f"{error.error_count()} place(s) to mend; parameters/schemas.yml shows how one looks.",
        ) from error


def _found(path: Path) -> Path:
    """Find a relative path from the folder above too: JupyterLab runs a notebook in its folder, papermill does not.

    Without a checkout `parameters/…` is the file that comes with the library.
    """
    above = Path("..") / path
    return above if not path.is_absolute() and not path.exists() and above.exists() else shipped.parameter_file(path)
