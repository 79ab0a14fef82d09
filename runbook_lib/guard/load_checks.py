"""The checks of a load, table by table: definitions, keys, parents, values, the contract."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.errors import RunbookError
from runbook_lib.guard.measuring import Measured, doubled, is_narrower, orphans, owned
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.proof import Proof, TableVerdict
from runbook_lib.proof.tally import EXAMINED
from runbook_lib.schemas.contract import SchemaContract
from runbook_lib.swap.facts import ServerFacts, TableFacts

_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Generation:
    """The two generations as the server has them: what is live, what would be published, what was measured of both."""

    live: str
    next: str
    facts: ServerFacts = field(repr=False)
    measured: Mapping[TableName, Measured] = field(repr=False)
    denied: Mapping[TableName, str] = field(default_factory=dict)

    @property
    def loaded(self) -> dict[str, TableFacts]:
        """Return the tables of the next generation by name: those that the load owns."""
        return owned(self.facts, self.next)

    @property
    def current(self) -> dict[str, TableFacts]:
        """Return the tables of the live schema by name."""
        return owned(self.facts, self.live)

    def rows(self, schema: str, table: str) -> int | None:
        """Return the exact rows of a table, None where it is not there or could not be read."""
        found = self.measured.get(TableName(schema=schema, name=table))
        return found.rows if found else None


def some(names: Iterable[str]) -> str:
    """Return the first few names, and how many more there are."""
    listed = list(names)
    more = f" and {len(listed) - _SHOWN} more" if len(listed) > _SHOWN else ""
    return ", ".join(listed[:_SHOWN]) + more


def judged(subject: str, found: Sequence[str], hint: str, *, right: str) -> Check:
    """Return a check that is bad where something was found; `right` is said where nothing was."""
    return bad(subject, f"{some(found)}.", hint) if found else ok(subject, right)


ASK_LOAD = "Look at the load's log. If it is meant, accept it by name."


def definition_checks(generation: Generation) -> Iterator[Check]:
    """Hold the definitions against those of what is live: columns, their types, keys, indexes, foreign keys."""
    lost, narrower, changed = [], [], []
    for name, table in sorted(generation.loaded.items()):
        old = generation.current.get(name)
        if old is None:
            continue
        for column in old.columns:
            new = table.column(column.name)
            if new is None:
                lost.append(f"{name}.{column.name} is not in the load")
            elif is_narrower(new, column):
                narrower.append(f"{name}.{column.name} becomes {new.full_type} from {column.full_type}")
            elif (new.full_type, new.charset) != (column.full_type, column.charset):
                changed.append(f"{name}.{column.name} becomes {new.full_type} from {column.full_type}")
    yield judged("columns", lost, ASK_LOAD, right="No column is lost.")
    yield judged("types", narrower, ASK_LOAD, right="No column takes fewer values than before.")
    if changed:
        yield warn("types changed", f"{some(changed)}.", "Ask those who read these columns.")
    yield judged("keys", _lost_keys(generation), ASK_LOAD, right="No key, index or foreign key is lost.")
    yield judged("definitions", [*_otherwise(generation)], ASK_LOAD,
                 right="Defaults, collations, NOT NULL, expressions and foreign keys are as live.")  # fmt: skip


_COMMENT = re.compile(r"\s+COMMENT '(?:[^'\\]|''|\\.)*'")
_TYPE = re.compile(r"^[a-z]+(?: unsigned| zerofill)*(?:\((?:[^()']|'(?:[^'\\]|''|\\.)*')*\))?(?: unsigned| zerofill)*")
_LETTERS = re.compile(r"\s+(?:CHARACTER SET|COLLATE|CHARSET) \S+")
_DOES = re.compile(r"FOREIGN KEY \((?P<columns>[^)]*)\) REFERENCES (?:`(?:[^`]|``)*`\.)?(?P<rest>`.*?)(?:,?$)")


def _otherwise(generation: Generation) -> Iterator[str]:
    """Name what is defined otherwise than live. What may differ is left out: comments, and types, checked above."""
    for name, table in sorted(generation.loaded.items()):
        old = generation.current.get(name)
        if old is None:
            continue
        lines, before = _column_lines(table), _column_lines(old)
        common = [column.name for column in old.columns if column.name in lines and column.name in before]
        shared = [column.name for column in old.columns if table.column(column.name)]
        yield from (f"how {name}.{column} is defined cannot be read" for column in shared if column not in common)
        for column in common:
            new, known = table.column(column), old.column(column)
            if new is None or known is None:
                continue
            if new.collation != known.collation:
                yield f"{name}.{column} is compared by {new.collation or 'its bytes'}, live by {known.collation}"
            elif lines[column] != before[column] and not is_narrower(new, known):
                yield f'{name}.{column} is "{lines[column]}", live "{before[column]}"'
        order = [column.name for column in table.columns if column.name in set(common)]
        if order != common:
            yield f"{name} has its columns in another order"
        yield from _does_otherwise(name, table, old)


def _column_lines(table: TableFacts) -> dict[str, str]:
    """Return how each column is defined, without its comment, type and collation."""
    found = {}
    for line in table.create.splitlines():
        for column in table.columns:
            if line.strip().startswith(f"{quoted(column.name)} "):
                said = line.strip().rstrip(",")[len(quoted(column.name)) :].strip()
                found[column.name] = _LETTERS.sub("", _TYPE.sub("", _COMMENT.sub("", said))).strip()
    return found


def _does_otherwise(name: str, new: TableFacts, old: TableFacts) -> Iterator[str]:
    done, before = ({one["columns"]: one["rest"] for one in _foreign(table)} for table in (new, old))
    for columns, rest in before.items():
        if columns in done and done[columns] != rest:
            yield f"{name}: its foreign key ({columns}) is {done[columns]}, live {rest}"


def _foreign(table: TableFacts) -> list[re.Match[str]]:
    return [found for line in table.create.splitlines() if (found := _DOES.search(line.strip()))]


def _lost_keys(generation: Generation) -> list[str]:
    found = []
    for name, table in sorted(generation.loaded.items()):
        old = generation.current.get(name)
        if old is None:
            continue
        if old.key and set(old.key) != set(table.key):
            found.append(f"{name} loses its key ({', '.join(old.key)})")
        found += [
            f"{name} loses the unique key ({', '.join(unique)})"
            for unique in old.uniques
            if unique not in table.uniques and unique != table.key
        ]
        found += [f"{name} loses the index {index}" for index in _indexes(old) - _indexes(table)]
        found += _lost_of_table(name, table, old)
    keys = {
        (key.table.name, key.columns, key.parent.name)
        for key in generation.facts.foreign_keys
        if key.table.schema == generation.next
    }
    for key in generation.facts.foreign_keys:
        own = key.table.schema == generation.live and key.table.name in generation.loaded
        if own and (key.table.name, key.columns, key.parent.name) not in keys:
            found.append(f"{key.table.name} loses the foreign key {key.name}")
    return found


def _lost_of_table(name: str, new: TableFacts, old: TableFacts) -> Iterator[str]:
    """Return what else a table's definition loses: counting, checks, partitions, its engine."""
    counted = {column.name for column in new.columns if column.counted}
    for column in old.columns:
        if column.counted and column.name not in counted and new.column(column.name):
            yield f"{name}.{column.name} does not count by itself any more (AUTO_INCREMENT)"
    lost = old.create.upper().count(" CHECK (") - new.create.upper().count(" CHECK (")
    if lost > 0:
        yield f"{name} loses {lost} of its CHECK constraints"
    if "PARTITION BY" in old.create.upper() and "PARTITION BY" not in new.create.upper():
        yield f"{name} loses its partitions"
    if new.engine != old.engine:
        yield f"{name} becomes {new.engine or 'another engine'} from {old.engine}"


def _indexes(table: TableFacts) -> set[str]:
    """Return the plain indexes of a table by the text of their columns, as SHOW CREATE TABLE writes them."""
    lines = (line.strip().rstrip(",") for line in table.create.splitlines())
    return {
        line[line.index("(") :]
        for line in lines
        if line.startswith(("KEY ", "FULLTEXT KEY ", "SPATIAL KEY ")) and "(" in line
    }


def key_checks(database: Database, generation: Generation) -> Iterator[Check]:
    """Keys of what is live must be unique in the load, also where the load made its tables without them."""
    found: list[str] = []
    try:
        for name, table in sorted(generation.loaded.items()):
            old = generation.current.get(name)
            wanted = {old.key, *old.uniques} if old else set()
            for columns in sorted(wanted - {table.key, *table.uniques} - {()}):
                if all(table.column(column) for column in columns):
                    count, shown = doubled(database, table.name, columns)
                    found += (
                        [f"{name}: {count:,} values of ({', '.join(columns)}) come twice, such as {shown[0]}"]
                        if count
                        else []
                    )
    except RunbookError as error:
        yield unknown("duplicates", f"Doubled keys could not be looked for: {error.message}")
        return
    yield judged("duplicates", found, ASK_LOAD, right="Every key of what is live is unique in the load.")


def orphan_checks(database: Database, generation: Generation, difference: Proof | None) -> Iterator[Check]:
    """No row loses its parent: by the foreign keys of what is live, of the load, and of tables that stay.

    Where neither the parents' keys nor the children's references are others than live ones, none is looked for.
    """
    found: list[str] = []
    verdicts = {verdict.pair.found: verdict for verdict in difference.tables} if difference else {}
    facts = generation.facts.tables
    try:
        for child, columns, parent, parent_columns in _ties(generation):
            if not all(facts[child].column(name) for name in columns) or not all(
                facts[parent].column(name) for name in parent_columns
            ):
                continue  # a lost column is named by another check
            stays = child.schema != generation.next or _keeps(verdicts.get(child), columns, "extra")
            if stays and (parent.schema != generation.next or _keeps(verdicts.get(parent), parent_columns, "missing")):
                continue
            if count := orphans(database, child, columns, parent, parent_columns):
                found.append(f"{child}: {count:,} rows have no {parent.name} ({', '.join(columns)})")
    except RunbookError as error:
        yield unknown("orphans", f"Rows without a parent could not be looked for: {error.message}")
        return
    yield judged("orphans", found, ASK_LOAD, right="No row loses its parent.")


_Tie = tuple[TableName, tuple[str, ...], TableName, tuple[str, ...]]


def _ties(generation: Generation) -> dict[_Tie, None]:
    """Return what refers to what once the load is published, each tie once: children, columns, parents, columns."""
    found: dict[_Tie, None] = {}
    both = (generation.live, generation.next)

    def published(name: TableName) -> TableName:
        loaded = name.schema in both and name.name in generation.loaded
        return TableName(schema=generation.next, name=name.name) if loaded else name

    for key in generation.facts.foreign_keys:
        to_live = key.parent.schema == generation.live and key.parent.name in generation.loaded
        child, parent = published(key.table), published(key.parent)
        known = child in generation.facts.tables and parent in generation.facts.tables
        if (key.table.schema in both or to_live) and generation.next in (child.schema, parent.schema) and known:
            found[child, key.columns, parent, key.parent_columns] = None
    return found


def _keeps(verdict: TableVerdict | None, columns: Sequence[str], rows: Literal["missing", "extra"]) -> bool:
    """Tell whether a table has the same values in some columns as what is live, but for rows that can do no harm."""
    if verdict is None or getattr(verdict, rows) or verdict.changed > EXAMINED:
        return False
    return not set(columns) & set(verdict.columns)


def contract_checks(
    database: Database, generation: Generation, spec: SchemaContract | None, at: datetime
) -> Iterator[Check]:
    """Hold the load against the contract: least rows, columns, freshness, and the statements it asserts."""
    if spec is None:
        yield warn("contract", f"No contract says what `{generation.live}` must hold.", "Give `contract`.")
        return
    found: list[str] = []
    stale: list[str] = []
    try:
        known = [table for table in spec.tables if not spec.others_allowed]
        if known:
            strange = [name for name in sorted(generation.loaded) if not any(table.matches(name) for table in known)]
            found += [f"{name} is in the load and not in the contract" for name in strange]
        for table in spec.tables:
            for name in sorted(name for name in generation.loaded if table.matches(name)):
                rows = generation.rows(generation.next, name) or 0
                if rows < table.min_rows:
                    found.append(f"{name} has {rows:,} rows, {table.min_rows:,} are the least")
                held = {column.name for column in generation.loaded[name].columns}
                found += [f"{name} has no column {column}" for column in table.columns if column not in held]
                if table.fresh and table.fresh.column in held:
                    newest = database.value(
                        f"SELECT MAX({quoted(table.fresh.column)}) FROM {quoted(generation.next, name)}"
                    )
                    age = _age(newest, at)
                    if age is None or age > table.fresh.within:
                        said = "has no time" if age is None else f"is {age.total_seconds() / 3600:,.0f} hours old"
                        stale.append(
                            f"{name}: its newest {table.fresh.column} {said}, {table.fresh.within_hours:g} are allowed"
                        )
        found += _assertions(database, generation, spec)
    except RunbookError as error:
        yield unknown("contract", f"The contract could not be held against the load: {error.message}")
        return
    yield judged("contract", found, ASK_LOAD, right="The load holds the contract.")
    yield judged(
        "freshness",
        stale,
        f"The file may be an old one. {ASK_LOAD}",
        right="The load is as fresh as the contract wants.",
    )


def _assertions(database: Database, generation: Generation, spec: SchemaContract) -> Iterator[str]:
    """Run the contract's own statements in the next generation: each has to answer 0, or no row."""
    for assertion in spec.assertions:
        database.execute(f"USE {quoted(generation.next)}")
        database.execute("START TRANSACTION READ ONLY")  # an assertion asks; one that would change is refused
        try:
            rows = database.rows(assertion.sql)
        finally:
            database.execute("ROLLBACK")
        value = rows[0][0] if rows and rows[0] else 0
        if value not in (0, None):
            yield f"{assertion.name}: {value}"


def _age(newest: Any, at: datetime) -> timedelta | None:
    if not isinstance(newest, datetime):
        return None
    return at - newest.replace(tzinfo=at.tzinfo if newest.tzinfo is None else newest.tzinfo)
