"""What is in a schema that nobody can explain: patterns instead of a guess, and no personal data."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Database, quoted
from runbook_lib.schemas.facts import SchemaFacts
from runbook_lib.schemas.manifest import DbtManifest

_DBT_TESTS = ("not_null", "unique", "accepted_values", "relationships")
_SAMPLED_TABLES, _SAMPLED_ROWS, _DATED_TABLES = 4, 2, 40
_ORIGINS: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"_airbyte_"), "raw data of Airbyte", "whoever runs Airbyte"),
    (re.compile(r"(tmp|temp)_|_(tmp|temp)$"), "temporary tables of a job that did not clean up", "the jobs' logs"),
    (re.compile(r"(bak|backup|old)_|_(bak|backup|old)\d*$|_20\d{6}$"), "copies made by hand", "who may create tables"),
)


@dataclass(frozen=True, kw_only=True)
class Pattern:
    """Tables of like names: what they share, how many, how many hold rows, and the columns they have in common."""

    names: str
    tables: int
    filled: int
    columns: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """Rows of one table, every text and every long number replaced by its shape ("Aaa aaa", "999-999")."""

    table: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]


@dataclass(frozen=True, kw_only=True)
class Profile:
    """A schema described. `last_written` as the server or the newest moment in the data says, whichever is later.

    `origin` and `ask` are empty when nothing points anywhere.
    """

    schema: str
    patterns: tuple[Pattern, ...]
    samples: tuple[Sample, ...]
    oldest_made: datetime | None
    newest_made: datetime | None
    last_written: datetime | None
    origin: str = ""
    ask: str = ""


def profile(
    database: Database, facts: SchemaFacts, *, columns: Mapping[str, tuple[str, ...]], manifest: DbtManifest | None
) -> Profile:
    """Describe a schema: naming patterns, columns, dates, row shapes, the likely origin, the last write."""
    tables = facts.base_tables
    patterns = _patterns(facts, columns)
    origin, ask = likely_origin([table.name for table in tables], patterns, schema=facts.name, manifest=manifest)
    made = [table.created for table in tables if table.created]
    written = [table.written for table in tables if table.written]
    written += _newest_values(database, facts)
    return Profile(
        schema=facts.name,
        patterns=patterns,
        samples=tuple(
            _sample(database, facts.name, name, columns.get(name, ())) for name in facts.filled[:_SAMPLED_TABLES]
        ),
        oldest_made=min(made, default=None),
        newest_made=max(made, default=None),
        last_written=max(written, default=None),
        origin=origin,
        ask=ask,
    )


def profile_by_names(facts: SchemaFacts, *, manifest: DbtManifest | None) -> Profile:
    """Describe a schema from what the survey knows of it already, without asking the server anything more."""
    names = [table.name for table in facts.base_tables]
    origin, ask = likely_origin(names, (), schema=facts.name, manifest=manifest)
    made = [table.created for table in facts.base_tables if table.created]
    written = [table.written for table in facts.base_tables if table.written]
    return Profile(
        schema=facts.name, patterns=(), samples=(), oldest_made=min(made, default=None),
        newest_made=max(made, default=None), last_written=max(written, default=None), origin=origin, ask=ask,
    )  # fmt: skip


def likely_origin(
    names: Sequence[str], patterns: Sequence[Pattern], *, schema: str, manifest: DbtManifest | None
) -> tuple[str, str]:
    """Say where tables of such names come from, and whom to ask; both empty when nothing points anywhere."""
    if not names:
        return "", ""
    if manifest and (known := {test.name for test in manifest.tests_in(schema)} & set(names)):
        whose = f" of project {manifest.project}" if manifest.project else ""
        text = f"failures of tests{whose}, stored by dbt: {len(known)} of {len(names)} are in its manifest"
        return text, "dbt's project: its store_failures setting"
    if manifest and (said := manifest.explains(schema)):
        return said, "dbt's log of the last run"
    tests = sum(name.startswith(_DBT_TESTS) for name in names)
    counts = any("n_records" in pattern.columns for pattern in patterns)
    if tests >= 0.8 * len(names):
        text = (
            f"failures stored by dbt tests (store_failures): {tests} of {len(names)} names begin as dbt names its tests"
        )
        return text + (", and the columns are dbt's" if counts else ""), "dbt's project: its store_failures setting"
    for pattern, what, who in _ORIGINS:
        if sum(bool(pattern.search(name)) for name in names) >= 0.6 * len(names):
            return what, who
    return "", ""


def _patterns(facts: SchemaFacts, columns: Mapping[str, tuple[str, ...]]) -> tuple[Pattern, ...]:
    groups: dict[str, list[str]] = {}
    for table in facts.base_tables:
        groups.setdefault(_stem(table.name), []).append(table.name)
    filled = set(facts.filled)
    found = []
    for stem, names in groups.items():
        common = set.intersection(*(set(columns.get(name, ())) for name in names))
        ordered = tuple(column for column in columns.get(names[0], ()) if column in common)
        title = f"{stem}_…" if len(names) > 1 else names[0]
        found.append(Pattern(names=title, tables=len(names), filled=len(filled & set(names)), columns=ordered))
    return tuple(sorted(found, key=lambda pattern: -pattern.tables))


def _stem(name: str) -> str:
    for test in _DBT_TESTS:
        if name.startswith(test + "_"):
            return test
    return re.split(r"[_\-. ]", name.lstrip("_"), maxsplit=1)[0] or name


def _newest_values(database: Database, facts: SchemaFacts) -> list[datetime]:
    """Return the newest moment in the data of each filled table: a server forgets last writes when it is restarted."""
    found = []
    moments = database.rows(
        "SELECT table_name, column_name FROM information_schema.columns WHERE table_schema = %s "
        "AND data_type IN ('datetime', 'timestamp')",
        (facts.name,),
    )
    for table, column in moments:
        if table in facts.filled[:_DATED_TABLES]:
            try:
                newest = database.value(f"SELECT MAX({quoted(column)}) FROM {quoted(facts.name, table)}")  # noqa: S608
            except RunbookError:
                continue  # the column may be hidden from this account; the others still tell
            if isinstance(newest, datetime):
                found.append(newest.replace(tzinfo=UTC))
    return found


def _sample(database: Database, schema: str, table: str, columns: tuple[str, ...]) -> Sample:
    try:
        rows = database.rows(f"SELECT * FROM {quoted(schema, table)} LIMIT {_SAMPLED_ROWS}")  # noqa: S608  # quoted
    except RunbookError as error:
        return Sample(table=table, columns=("",), rows=((error.message,),))
    return Sample(
        table=table,
        columns=columns,
        rows=tuple(tuple(shape(value) for value in row) for row in rows),
    )


def shape(value: Any) -> str:
    """Write a value so that its kind shows and the person does not: digits become 9, letters a, A or 字."""
    if value is None:
        return "NULL"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d}"
    if isinstance(value, date):
        return f"{value:%Y}-…"  # a bare date may be somebody's birthday
    if isinstance(value, (bytes, bytearray)):
        return f"{len(value)} bytes"
    if isinstance(value, int) and abs(value) < 1000:
        return str(value)  # counts and small keys name nobody
    text = str(value)
    masked = "".join(_mask(char) for char in text[:24])
    return masked + ("…" if len(text) > 24 else "")


def _mask(char: str) -> str:
    if char.isdigit():
        return "9"
    if char.isalpha():
        return ("A" if char.isupper() else "a") if char.isascii() else "字"
    return char if char in " _-.,:@/+()" else "·"
