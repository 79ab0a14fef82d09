"""Compare what is there with what should be, both ways: the contract and dbt's manifest against the server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Database, quoted
from runbook_lib.schemas.contract import Contract, ExpectedTable, SchemaContract
from runbook_lib.schemas.facts import SchemaFacts, Survey
from runbook_lib.schemas.manifest import DbtManifest, DbtRelation
from runbook_lib.times import duration_text, utc_text

MISSING_SCHEMA, MISSING, UNEXPECTED, TOO_FEW, STALE, COLUMNS, UNKNOWN, DRIFT, FAILED = (
    "schema is missing", "table is missing", "table is not expected", "too few rows", "rows are too old",
    "wrong columns", "could not be seen", "columns are documented otherwise", "dbt's last run failed",
)  # fmt: skip
BREAKS = frozenset({MISSING_SCHEMA, MISSING, TOO_FEW, STALE, COLUMNS})
"""What breaks the contract. An unexpected table is worth a look; one that could not be seen proves nothing."""


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One way in which the server is not as the contract or dbt says. `by` is who says so."""

    schema: str
    table: str
    what: str
    detail: str
    by: str = "contract"

    @property
    def breaks(self) -> bool:
        """Tell whether the contract is broken by it."""
        return self.what in BREAKS


@dataclass(frozen=True, kw_only=True)
class Measured:
    """What was asked of one table because the contract wants it: rows up to `min_rows`, and the newest moment."""

    rows: int | None = None
    newest: datetime | None = None
    problem: str = ""


def measure(database: Database, survey: Survey, contract: Contract) -> dict[tuple[str, str], Measured]:
    """Ask the tables whose rows or freshness the contract limits. Counting stops at the number that is wanted."""
    found: dict[tuple[str, str], Measured] = {}
    for schema, wanted in contract.schemas.items():
        if schema not in survey.schemas:
            continue
        facts = survey.schemas[schema]
        for expected in wanted.tables:
            for table in facts.base_tables:
                if expected.matches(table.name) and (expected.min_rows > 1 or expected.fresh):
                    found[schema, table.name] = _measured(database, schema, table.name, expected)
    return found


def _measured(database: Database, schema: str, table: str, expected: ExpectedTable) -> Measured:
    name = quoted(schema, table)
    try:
        rows = None
        if expected.min_rows > 1:
            counted = f"SELECT COUNT(*) FROM (SELECT 1 FROM {name} LIMIT {expected.min_rows}) wanted"  # noqa: S608
            rows = int(database.value(counted))
        newest = None
        if expected.fresh:
            asked = f"SELECT CAST(MAX({quoted(expected.fresh.column)}) AS DATETIME) FROM {name}"  # noqa: S608
            newest = database.value(asked)
    except RunbookError as error:
        return Measured(problem=error.message)
    return Measured(rows=rows, newest=newest.replace(tzinfo=UTC) if newest else None)


def against_contract(
    survey: Survey, contract: Contract, *, measured: Mapping[tuple[str, str], Measured], now: datetime,
    columns: Mapping[str, Mapping[str, tuple[str, ...]]],
) -> tuple[Difference, ...]:  # fmt: skip
    """Compare every schema of the contract with the server."""
    found: list[Difference] = []
    for name, wanted in contract.schemas.items():
        facts = survey.schemas.get(name)
        if facts is None:
            hidden = any("schemas" in unseen.what for unseen in survey.unseen)
            detail = "the account may not be allowed to see it" if hidden else f"the contract says: {wanted.purpose}"
            what = UNKNOWN if hidden else MISSING_SCHEMA
            if wanted.status == "active":
                found.append(Difference(schema=name, table="", what=what, detail=detail))
            continue
        found += _tables(facts, wanted, measured=measured, now=now, columns=columns.get(name, {}))
    return tuple(found)


def _tables(
    facts: SchemaFacts, wanted: SchemaContract, *, measured: Mapping[tuple[str, str], Measured], now: datetime,
    columns: Mapping[str, tuple[str, ...]],
) -> Iterator[Difference]:  # fmt: skip
    if len(facts.base_tables) < wanted.min_tables:
        detail = f"{len(facts.base_tables)} tables, the contract wants at least {wanted.min_tables}"
        yield Difference(schema=facts.name, table="", what=MISSING, detail=detail)
    for expected in wanted.tables:
        matching = [table for table in facts.tables.values() if expected.matches(table.name)]
        if not matching:
            detail = "no table has a name of this pattern" if expected.is_pattern else "there is no table of this name"
            yield Difference(schema=facts.name, table=expected.name, what=MISSING, detail=detail)
        for table in matching:
            asked = measured.get((facts.name, table.name), Measured())
            if asked.problem or (expected.min_rows and table.is_base and table.empty is None):
                detail = asked.problem or "the account may not read it"
                yield Difference(schema=facts.name, table=table.name, what=UNKNOWN, detail=detail)
                continue
            rows = asked.rows if asked.rows is not None else (0 if table.empty else 1)
            if table.is_base and rows < expected.min_rows:
                detail = "it is empty" if rows == 0 else f"it has {rows:,}"
                yield Difference(
                    schema=facts.name, table=table.name, what=TOO_FEW,
                    detail=f"{detail}, the contract wants at least {expected.min_rows:,}",
                )  # fmt: skip
            if expected.fresh and rows:
                yield from _stale(facts.name, table.name, asked.newest, expected, now)
            missing = [column for column in expected.columns if column not in columns.get(table.name, ())]
            if missing:
                detail = f"without {', '.join(missing)}"
                yield Difference(schema=facts.name, table=table.name, what=COLUMNS, detail=detail)
    if wanted.tables and not wanted.others_allowed:
        for table in facts.tables.values():
            if not any(expected.matches(table.name) for expected in wanted.tables):
                detail = f"a {table.kind.lower()} that the contract does not list"
                yield Difference(schema=facts.name, table=table.name, what=UNEXPECTED, detail=detail)


def _stale(
    schema: str, table: str, newest: datetime | None, expected: ExpectedTable, now: datetime
) -> Iterator[Difference]:
    assert expected.fresh is not None
    if newest is None:
        detail = f"no row has a {expected.fresh.column}"
    elif now - newest > expected.fresh.within:
        age, limit = duration_text(now - newest), duration_text(timedelta(hours=expected.fresh.within_hours))
        detail = (
            f"the newest {expected.fresh.column} is {utc_text(newest)}, {age} before the asked moment; limit {limit}"
        )
    else:
        return
    yield Difference(schema=schema, table=table, what=STALE, detail=detail)


def against_dbt(
    survey: Survey, manifest: DbtManifest, *, columns: Mapping[str, Mapping[str, tuple[str, ...]]]
) -> tuple[Difference, ...]:
    """Compare every schema that dbt builds or reads with the server.

    Columns that are only documented may drift: that is worth a look. Where dbt's contract is enforced they break it.
    What dbt reads as a source is expected to be there.
    """
    found: list[Difference] = []
    for schema in sorted({relation.schema for relation in manifest.relations if relation.kind != "test"}):
        facts = survey.schemas.get(schema)
        held = facts.tables if facts else {}
        sources = manifest.sources_in(schema)
        built = {relation.name: relation for relation in (*sources, *manifest.built_in(schema))}
        for name, relation in sorted(built.items()):
            found += _of_relation(relation, name in held, columns.get(schema, {}).get(name, ()))
        expected = built.keys() | {test.name for test in manifest.tests_in(schema)}
        if schema in manifest.schemas and not sources:  # a landing schema holds whatever others load
            found += [
                Difference(schema=schema, table=name, what=UNEXPECTED, detail="dbt does not build it", by="dbt")
                for name in sorted(held) if name not in expected
            ]  # fmt: skip
    return tuple(found)


def _of_relation(relation: DbtRelation, present: bool, columns: tuple[str, ...]) -> Iterator[Difference]:
    schema, name = relation.schema, relation.name
    if relation.failed:
        yield Difference(schema=schema, table=name, what=FAILED, detail=relation.failed, by="dbt")
    if not present:
        detail = f"dbt's {relation.kind} {relation.unique_id} is not there"
        yield Difference(schema=schema, table=name, what=MISSING, detail=detail, by="dbt")
        return
    named = {column.lower() for column in columns}
    if missing := [column for column in relation.columns if column.lower() not in named]:
        what = COLUMNS if relation.enforced else DRIFT
        yield Difference(schema=schema, table=name, what=what, detail=f"without {', '.join(missing)}", by="dbt")
