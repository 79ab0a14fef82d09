"""Put the damaged server's rows beside the restored ones, under the locks of the swap, by the rule of each table.

`o1` is the damaged server's first table and `n1` the new one in the staging schema; both are at one server and locked,
under these very aliases, because a locked table may be named only by the names it was locked under. Keys are
compared as the server compares them, all other values byte by byte, so that "a" and "A" are two contents of one key.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.errors import CheckFailed
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.facts import Column, ForeignKey

_AS_IS = {
    "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "date", "datetime", "timestamp", "time", "year",
    "enum", "set", "bit",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What became of the rows that the damaged server had of a table.

    `kept` rows were put beside the restored ones, `updated` ones replaced the restored row of the same key, `dropped`
    restored ones gave way. `conflicts` had one key and two contents that no rule decided between; `listed` are keys of
    some, and `side` is whose row was taken by choice.
    """

    table: str
    rule: str
    kept: int = 0
    updated: int = 0
    dropped: int = 0
    conflicts: int = 0
    side: str = ""
    listed: tuple[str, ...] = ()


def merge_rows(database: Database, plan: CopyBackPlan) -> tuple[Merged, ...]:
    """Set counters beyond both sides', merge every table that has a rule for it, and see that no row lost its parent.

    Raises:
        CheckFailed: rows conflict and nothing says whose are taken, or a row would have no parent.
    """
    _set_counters(database, plan)
    merges = [
        merge
        for number, table in enumerate(plan.tables)
        if (merge := merge_of(table, number, conflicts=plan.conflicts))
    ]
    merged = [_look(database, merge, plan.conflicts) for merge in merges]
    _refuse_conflicts(merged, plan)
    done = tuple(_run(database, merge, found) for merge, found in zip(merges, merged, strict=True))
    for key, count in orphans_of(plan):
        if lost := int(database.value(count)):
            raise CheckFailed(
                f"{lost:,} rows of {key.table} would have no parent in {key.parent} ({key.name}). Nothing was swapped.",
                hint=f'Choose "keep new" for {key.parent} too, so that the rows they point at stay.',
            )
    return done


def _set_counters(database: Database, plan: CopyBackPlan) -> None:
    for table in plan.tables:
        if not table.counted:
            continue
        value = max(table.counter, *(_counter(database, name) for name in (table.name, table.staging)))
        if value > _counter(database, table.staging):
            database.execute(f"ALTER TABLE {table.staging.sql} AUTO_INCREMENT = {value}")


def _counter(database: Database, table: TableName) -> int:
    if not database.is_mariadb:
        database.execute("SET SESSION information_schema_stats_expiry = 0")
    found = database.value(
        "SELECT auto_increment FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        (table.schema, table.name),
    )
    return int(found or 0)


def _look(database: Database, merge: Merge, side: str) -> Merged:
    """Count what is in conflict before anything is written."""
    found = Merged(table=str(merge.table.name), rule=_rule(merge.table))
    if merge.conflicts and (count := int(database.value(merge.conflicts))):
        listed = tuple(", ".join(map(str, row)) for row in database.rows(merge.listed))
        found = replace(found, conflicts=count, listed=listed, side=side)
    if merge.clashes and (count := int(database.value(merge.clashes))):
        found = replace(found, conflicts=found.conflicts + count, side=side)
    return found


def _refuse_conflicts(merged: list[Merged], plan: CopyBackPlan) -> None:
    if plan.conflicts:
        return
    if found := [table for table in merged if table.conflicts]:
        said = "; ".join(
            f"{table.table}: {table.conflicts:,}" + (f" (keys {' · '.join(table.listed)})" if table.listed else "")
            for table in found
        )
        raise CheckFailed(
            f"Rows of the source and of the copy have the same key and different content: {said}. Nothing was swapped.",
            hint='Look at them and choose whose rows are taken: conflicts="copy" or conflicts="source"; or "newer '
            'wins" with a column that decides.',
            tables=[table.table for table in found],
        )


def _run(database: Database, merge: Merge, found: Merged) -> Merged:
    counts = {"kept": 0, "updated": 0, "dropped": 0}
    for what, statement in merge.statements:
        counts[what] += database.execute(statement)
    return replace(found, kept=counts["kept"], updated=counts["updated"], dropped=counts["dropped"])


def _rule(table: TablePlan) -> str:
    return "all its own rows" if table.rows_from == "damaged" else table.rule


@dataclass(frozen=True, kw_only=True)
class Merge:
    """What is run for one table, in order. `conflicts` and `clashes` count, and must give 0 where nothing is chosen.

    A conflict is one key with two contents that no rule decides between; a clash is a new row whose other unique key
    another row has. `listed` gives the keys of some conflicts.
    """

    table: TablePlan
    conflicts: str = ""
    listed: str = ""
    clashes: str = ""
    statements: tuple[tuple[str, str], ...] = ()


def aliases_of(plan: CopyBackPlan) -> tuple[tuple[TableName, str], ...]:
    """Return the tables that merging reads and writes, each with every alias it goes by."""
    if not any(table.merged for table in plan.tables):
        return ()
    found: list[tuple[TableName, str]] = []
    for number, table in enumerate(plan.tables):
        found += [(table.staging, f"{letter}{number}") for letter in "nucp"]
        if table.dated:
            found.append((table.name, f"o{number}"))
    return tuple(found)


def merge_of(table: TablePlan, number: int, *, conflicts: str) -> Merge | None:
    """Return the statements for one table, by its place in the plan; None where only restored rows are wanted."""
    if not table.merged:
        return None
    written = _Written(table, number)
    if table.rows_from == "damaged":
        return Merge(table=table, statements=written.as_on_damaged())
    if not table.key:
        return Merge(table=table, statements=(("kept", written.keep_without_key()),))
    undecided = written.undecided()
    steps: list[tuple[str, str]] = []
    if table.rule == "newer wins":
        steps.append(("updated", written.update(written.newer())))
    if conflicts == "source":
        steps.append(("updated", written.update(undecided)))
        steps += [("dropped", written.drop_clashing(unique)) for unique in written.uniques]
    steps.append(("kept", written.keep(skip_clashes=conflicts == "copy")))
    return Merge(
        table=table,
        conflicts=f"SELECT COUNT(*) {written.pairs} WHERE {undecided}",
        listed=f"SELECT {written.shown_key} {written.pairs} WHERE {undecided} ORDER BY {written.shown_key} LIMIT 10",
        clashes=written.count_clashes(),
        statements=tuple(steps),
    )


def only_in(table: TablePlan, name: TableName, *, but_not_in: TableName) -> tuple[str, str]:
    """Write two statements on the rows of a table that another one of the same columns does not hold: all, and count.

    A row that both hold with different values is among them.
    """
    what, where = _Written(replace(table, name=name, staging=but_not_in), 1).only_on_damaged()
    return f"SELECT {what} {where}", f"SELECT COUNT(*) {where}"


def orphans_of(plan: CopyBackPlan) -> tuple[tuple[ForeignKey, str], ...]:
    """Return a count of rows without a parent for every foreign key that a merge could have broken."""
    numbers = {table.name: number for number, table in enumerate(plan.tables)}
    if not any(table.merged for table in plan.tables):
        return ()
    return tuple(
        (key, _orphans(key, plan, numbers[key.table], numbers[key.parent]))
        for key in plan.foreign_keys
        if key.parent in numbers
    )


def _orphans(key: ForeignKey, plan: CopyBackPlan, child: int, parent: int) -> str:
    match = " AND ".join(
        f"p{parent}.{quoted(theirs)} = c{child}.{quoted(own)}"
        for own, theirs in zip(key.columns, key.parent_columns, strict=True)
    )
    filled = " AND ".join(f"c{child}.{quoted(own)} IS NOT NULL" for own in key.columns)
    return (
        f"SELECT COUNT(*) FROM {plan.tables[child].staging.sql} AS c{child}"
        f" LEFT JOIN {plan.tables[parent].staging.sql} AS p{parent} ON {match}"
        f" WHERE {filled} AND p{parent}.{quoted(key.parent_columns[0])} IS NULL"
    )


class _Written:
    """The parts of one table's statements: `old` and `new` are the aliases of the damaged table and the new one."""

    def __init__(self, table: TablePlan, number: int) -> None:
        self.table = table
        self.old, self.new, self.other = f"o{number}", f"n{number}", f"u{number}"
        self.match = " AND ".join(f"{self.new}.{quoted(name)} = {self.old}.{quoted(name)}" for name in table.key)
        self.pairs = (
            f"FROM {table.name.sql} AS {self.old} JOIN {table.staging.sql} AS {self.new} ON {self.match or 'FALSE'}"
        )
        self.shown_key = ", ".join(f"{self.old}.{quoted(name)}" for name in table.key)
        known = {column.name for column in table.compared}
        self.uniques = tuple(unique for unique in table.uniques if known.issuperset(unique))

    def differs(self) -> str:
        others = [column for column in self.table.compared if column.name not in self.table.key]
        differing = [f"NOT ({_bytes(column, self.old)} <=> {_bytes(column, self.new)})" for column in others]
        return " OR ".join(differing) or "FALSE"

    def undecided(self) -> str:
        if self.table.rule != "newer wins":
            return self.differs()
        column = quoted(self.table.newer_by)
        return f"{self.old}.{column} <=> {self.new}.{column} AND ({self.differs()})"

    def newer(self) -> str:
        old, new = (f"{alias}.{quoted(self.table.newer_by)}" for alias in (self.old, self.new))
        return f"{old} > {new} OR ({new} IS NULL AND {old} IS NOT NULL)"

    def update(self, condition: str) -> str:
        names = [quoted(column.name) for column in self.table.compared if column.name not in self.table.key]
        put = ", ".join(f"{self.new}.{name} = {self.old}.{name}" for name in names)
        joined = f"{self.table.staging.sql} AS {self.new} JOIN {self.table.name.sql} AS {self.old} ON {self.match}"
        return f"UPDATE {joined} SET {put} WHERE {condition}" if put else "DO 0"

    def new_rows(self) -> str:
        return (
            f"FROM {self.table.name.sql} AS {self.old} LEFT JOIN {self.table.staging.sql} AS {self.new}"
            f" ON {self.match} WHERE {self.new}.{quoted(self.table.key[0])} IS NULL"
        )

    def keep(self, *, skip_clashes: bool = False) -> str:
        names = [quoted(column.name) for column in self.table.compared]
        free = "".join(f" AND NOT {self.clash(unique)}" for unique in self.uniques) if skip_clashes else ""
        given = ", ".join(f"{self.old}.{name}" for name in names)
        into = f"INSERT INTO {self.table.staging.sql} ({', '.join(names)})"
        return f"{into} SELECT {given} {self.new_rows()}{free}"

    def clash(self, unique: Sequence[str]) -> str:
        match = " AND ".join(f"{self.other}.{quoted(name)} = {self.old}.{quoted(name)}" for name in unique)
        return f"EXISTS (SELECT 1 FROM {self.table.staging.sql} AS {self.other} WHERE {match})"

    def count_clashes(self) -> str:
        clashes = " OR ".join(self.clash(unique) for unique in self.uniques)
        return f"SELECT COUNT(*) {self.new_rows()} AND ({clashes})" if clashes else ""

    def drop_clashing(self, unique: Sequence[str]) -> str:
        """Write what takes a restored row away whose unique key a row of the damaged server has under another key."""
        match = " AND ".join(f"{self.other}.{quoted(name)} = {self.old}.{quoted(name)}" for name in unique)
        same = " AND ".join(f"{self.other}.{quoted(name)} = {self.old}.{quoted(name)}" for name in self.table.key)
        joined = f"{self.table.staging.sql} AS {self.other} JOIN {self.table.name.sql} AS {self.old} ON {match}"
        return f"DELETE {self.other} FROM {joined} WHERE NOT ({same})"

    def as_on_damaged(self) -> tuple[tuple[str, str], ...]:
        """Write what makes the new table equal to the damaged one, with what was written since it was filled."""
        names = ", ".join(quoted(column.name) for column in self.table.columns)
        staging, present = self.table.staging.sql, f"{self.table.name.sql} AS {self.old}"
        if not self.table.key:
            return (
                ("dropped", f"DELETE FROM {staging}"),
                ("kept", f"INSERT INTO {staging} ({names}) SELECT {names} FROM {present}"),
            )
        gone = f"LEFT JOIN {present} ON {self.match} WHERE {self.old}.{quoted(self.table.key[0])} IS NULL"
        return (
            ("dropped", f"DELETE {self.new} FROM {staging} AS {self.new} {gone}"),
            ("updated", self.update(self.differs())),
            ("kept", self.keep()),
        )

    def keep_without_key(self) -> str:
        """Write what adds the rows that the damaged server has more often, all their values taken together."""
        names = ", ".join(quoted(column.name) for column in self.table.compared)
        return f"INSERT INTO {self.table.staging.sql} ({names}) SELECT {names} {self.more_often()}"

    def more_often(self) -> str:
        """Write FROM and WHERE for the rows that the damaged server has more often, all their values taken together."""
        names = ", ".join(quoted(column.name) for column in self.table.compared)
        of_old, of_new = self.whole(self.old), self.whole(self.new)
        numbered = (
            f"SELECT {names}, {of_old} AS `h#`, ROW_NUMBER() OVER (PARTITION BY {of_old}) AS `r#`"
            f" FROM {self.table.name.sql} AS {self.old}"
        )
        counted = f"SELECT {of_new} AS `h#`, COUNT(*) AS `c#` FROM {self.table.staging.sql} AS {self.new} GROUP BY `h#`"
        return (
            f"FROM ({numbered}) AS x LEFT JOIN ({counted}) AS y ON x.`h#` = y.`h#` WHERE x.`r#` > COALESCE(y.`c#`, 0)"
        )

    def only_on_damaged(self) -> tuple[str, str]:
        """Write what is selected, and from where, to get the damaged table's rows that the other does not hold so."""
        if not self.table.key:
            return ", ".join(f"x.{quoted(column.name)}" for column in self.table.compared), self.more_often()
        missing = f"{self.new}.{quoted(self.table.key[0])} IS NULL"
        return f"{self.old}.*", (
            f"FROM {self.table.name.sql} AS {self.old} LEFT JOIN {self.table.staging.sql} AS {self.new} ON {self.match}"
            f" WHERE {missing} OR {self.differs()}"
        )

    def whole(self, alias: str) -> str:
        """Write a hash over all values of a row, each behind its length, NULL with a sign of its own."""
        values = [f"CAST({_bytes(column, alias)} AS BINARY)" for column in self.table.compared]
        parts = ", ".join(f"IFNULL(CONCAT(LENGTH({value}), ':', {value}), 'n')" for value in values)
        return f"SHA2(CONCAT({parts}), 256)"


def _bytes(column: Column, alias: str) -> str:
    name = f"{alias}.{quoted(column.name)}"
    if column.kind in _AS_IS:
        return name
    if column.kind in ("float", "double"):
        return f"CAST(CAST({name} AS DOUBLE) AS CHAR)"  # as a number, −0 would equal 0
    return f"CAST({name} AS CHAR)" if column.kind == "json" else f"CAST({name} AS BINARY)"
