"""Put the damaged server's rows beside the restored ones, under the locks of the swap, by the rule of each table.

What is taken over is gathered first, in a table of its own in the state's schema: rows of keys that the restored table
does not have, and rows that a rule or a choice takes over a restored one. Only then are restored rows taken away and
these put in, so that values may have moved from row to row in any order. Keys are compared as the server compares them,
and values, the keys' own letters too, byte by byte: "a" and "A" are two contents of one key.

Aliases by the table's place in the plan: `o` the damaged server's own table, `n` and `u` the new one in the staging
schema, `m` and `w` the rows gathered. A locked table may be named only by the names it was locked under.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.errors import CheckFailed, about
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.swap.facts import Column, ForeignKey

_AS_IS = {
    "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "date", "datetime", "timestamp", "time", "year",
    "enum", "set", "bit",
}  # fmt: skip
_EXACT = "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES"
_OTHER_RULE = (
    'Rows written since could not be put beside the restored ones: choose "replace" for this table, or set them right.'
)
LISTED = 10  # rows in conflict that are shown by their keys


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What became of the rows that the damaged server had of a table.

    `kept` rows were put beside the restored ones, `updated` ones replaced the restored row of the same key, `dropped`
    restored ones gave way. `conflicts` had one key or unique value and two contents that no rule decided between;
    `listed` are some of them, and `side` is whose row was taken by choice.
    """

    table: str
    rule: str
    kept: int = 0
    updated: int = 0
    dropped: int = 0
    conflicts: int = 0
    side: str = ""
    listed: tuple[str, ...] = ()


def gathered_in(plan: CopyBackPlan, number: int) -> TableName:
    """Return the table that gathers what is taken over of a table, by its place in the plan."""
    return TableName(schema=plan.state, name=f"rows_{number}")


def seen_in(plan: CopyBackPlan, number: int) -> TableName:
    """Return the table that notes a damaged table's keys under the locks, where these are let go too early."""
    return TableName(schema=plan.state, name=f"seen_{number}")


def make_room(database: Database, plan: CopyBackPlan) -> None:
    """Make the tables that merging needs, empty. They must be there before anything is locked."""
    for number, table in enumerate(plan.tables):
        if not table.merged:
            continue
        merge = _Merge(plan, number)
        for name, statement in ((gathered_in(plan, number), merge.make()), (seen_in(plan, number), merge.make_seen())):
            if statement:
                with about(str(table.name)):
                    database.execute(f"DROP TABLE IF EXISTS {name.sql}")
                    database.execute(statement)


def aliases_of(plan: CopyBackPlan) -> tuple[tuple[TableName, str], ...]:
    """Return the tables that merging reads and writes, each with every alias it goes by; an empty one is its name."""
    if not any(table.merged for table in plan.tables):
        return ()
    found: list[tuple[TableName, str]] = []
    for number, table in enumerate(plan.tables):
        found += [(table.staging, f"{letter}{number}") for letter in "nucp"]
        if table.dated:
            found.append((table.name, f"o{number}"))
        if table.merged and table.rows_from == "restored":
            found += [(gathered_in(plan, number), alias) for alias in ("", f"m{number}", f"w{number}")]
        if table.merged and table.key and not plan.locked_rename:
            found.append((seen_in(plan, number), ""))
    return tuple(found)


def merge_rows(database: Database, plan: CopyBackPlan, *, lockable: bool) -> tuple[Merged, ...]:
    """Merge every table that has a rule for it, of those that know transactions or of the others.

    Of the first see too that no row lost its parent; call it in a transaction. Call it for the others outside of one.

    Raises:
        CheckFailed: rows conflict and nothing says whose are taken, or a row would have no parent.
        StepFailed: the server refuses a row; the message names the table.
    """
    merges = [
        _Merge(plan, number) for number, table in enumerate(plan.tables) if table.merged and table.lockable == lockable
    ]
    found = []
    for merge in merges:
        with about(str(merge.table.name), hint=_OTHER_RULE):
            merge.set_mode(database)
            found.append(merge.gather(database))
    _refuse_conflicts(found, plan)
    done = tuple(_run(database, merge, table) for merge, table in zip(merges, found, strict=True))
    for key, count in orphans_of(plan) if lockable else ():
        if lost := int(database.value(count)):
            raise CheckFailed(
                f"{lost:,} rows of {key.table} would have no parent in {key.parent} ({key.name}). Nothing was swapped.",
                hint=f'Choose "keep new" for {key.parent} too, so that the rows they point at stay.',
            )
    return done


def set_counters(database: Database, plan: CopyBackPlan) -> None:
    """Set AUTO_INCREMENT of the new tables beyond both sides'."""
    for table in plan.tables:
        if not table.counted:
            continue
        value = max(table.counter, *(_counter(database, name) for name in (table.name, table.staging)))
        if value > _counter(database, table.staging):
            with about(str(table.name)):
                database.execute(f"ALTER TABLE {table.staging.sql} AUTO_INCREMENT = {value}")


def _counter(database: Database, table: TableName) -> int:
    if not database.is_mariadb:
        database.execute("SET SESSION information_schema_stats_expiry = 0")
    found = database.value(
        "SELECT auto_increment FROM information_schema.tables WHERE table_schema = %s AND table_name = %s",
        (table.schema, table.name),
    )
    return int(found or 0)


def _refuse_conflicts(merged: Sequence[Merged], plan: CopyBackPlan) -> None:
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


def _run(database: Database, merge: _Merge, found: Merged) -> Merged:
    counts = {"kept": 0, "updated": 0, "dropped": 0, "away": 0}
    with about(str(merge.table.name), hint=_OTHER_RULE):
        for what, statement in merge.statements():
            counts[what] += database.execute(statement)
    return replace(found, kept=counts["kept"], updated=counts["updated"], dropped=counts["dropped"])


def only_in(table: TablePlan, name: TableName, *, but_not_in: TableName) -> tuple[str, str]:
    """Write two statements on the rows of a table that another one of the same columns does not hold: all, and count.

    A row that both hold with different values is among them.
    """
    what, where = _Rows(replace(table, name=name, staging=but_not_in), 1).only_on_damaged()
    return f"SELECT {what} {where}", f"SELECT COUNT(*) {where}"


def in_both(table: TablePlan, name: TableName) -> tuple[str, str]:
    """Write two statements on the rows of a new table whose keys another table holds: all, and count."""
    pairs = _Rows(replace(table, name=name, staging=table.name), 1).pairs
    return f"SELECT n1.* {pairs}", f"SELECT COUNT(*) {pairs}"


def hashes_of(table: TablePlan, name: TableName) -> str:
    """Write the statement that returns a hash of every row of a table, in the order of the hashes."""
    rows = _Rows(replace(table, compared=table.columns, name=name), 1)
    return f"SELECT {rows.whole(rows.old)} AS `h#` FROM {rows.damaged} ORDER BY `h#`"


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


class _Rows:
    """The rows of two tables held against each other: `old` and `new` are the aliases of the damaged and new one."""

    def __init__(self, table: TablePlan, number: int) -> None:
        self.table = table
        self.old, self.new = f"o{number}", f"n{number}"
        self.damaged, self.staging = f"{table.name.sql} AS {self.old}", f"{table.staging.sql} AS {self.new}"
        self.columns = {column.name: column for column in table.compared}
        self.match = " AND ".join(f"{self.read(name, self.new)} = {self.read(name, self.old)}" for name in table.key)
        self.pairs = f"FROM {self.damaged} JOIN {self.staging} ON {self.match or 'FALSE'}"
        self.is_new = f"{self.new}.{quoted(table.key[0])} IS NULL" if table.key else ""

    def read(self, name: str, alias: str) -> str:
        """Write a column; one whose letters were made otherwise since, in the restored character set and collation."""
        column = self.columns.get(name)
        plain = f"{alias}.{quoted(name)}"
        if column is None or not column.charset or name not in self.table.retyped:
            return plain
        return f"CONVERT({plain} USING {column.charset}) COLLATE {column.collation}"

    def bytes(self, column: Column, alias: str) -> str:
        """Write a column so that two values are equal only if all their bytes are."""
        name = self.read(column.name, alias)
        if column.kind in _AS_IS:
            return name
        if column.kind in ("float", "double"):
            return f"CAST(CAST({name} AS DOUBLE) AS CHAR)"  # as a number, −0 would equal 0
        return f"CAST({name} AS CHAR)" if column.kind == "json" else f"CAST({name} AS BINARY)"

    def differs(self) -> str:
        """Write the condition that a pair of rows differs, were it only in the letters of its key."""
        told = [c for c in self.table.compared if c.name not in self.table.key or c.kind not in _AS_IS]
        differing = [f"NOT ({self.bytes(column, self.old)} <=> {self.bytes(column, self.new)})" for column in told]
        return " OR ".join(differing) or "FALSE"

    def more_often(self) -> str:
        """Write FROM and WHERE for the rows that the damaged table has more often, all their values taken together."""
        names = ", ".join(quoted(column.name) for column in self.table.compared)
        of_old, of_new = self.whole(self.old), self.whole(self.new)
        numbered = (
            f"SELECT {names}, {of_old} AS `h#`, ROW_NUMBER() OVER (PARTITION BY {of_old}) AS `r#` FROM {self.damaged}"
        )
        counted = f"SELECT {of_new} AS `h#`, COUNT(*) AS `c#` FROM {self.staging} GROUP BY `h#`"
        return (
            f"FROM ({numbered}) AS x LEFT JOIN ({counted}) AS y ON x.`h#` = y.`h#` WHERE x.`r#` > COALESCE(y.`c#`, 0)"
        )

    def only_on_damaged(self) -> tuple[str, str]:
        """Write what is selected, and from where, to get the damaged table's rows that the other does not hold so."""
        if not self.table.key:
            return ", ".join(f"x.{quoted(column.name)}" for column in self.table.compared), self.more_often()
        return f"{self.old}.*", (
            f"FROM {self.damaged} LEFT JOIN {self.staging} ON {self.match} WHERE {self.is_new} OR {self.differs()}"
        )

    def whole(self, alias: str) -> str:
        """Write a hash over all values of a row, each behind its length, NULL with a sign of its own."""
        values = [f"CAST({self.bytes(column, alias)} AS BINARY)" for column in self.table.compared]
        parts = ", ".join(f"IFNULL(CONCAT(LENGTH({value}), ':', {value}), 'n')" for value in values)
        return f"SHA2(CONCAT({parts}), 256)"


class _Merge(_Rows):
    """One table's merge: the rows that are taken over gathered in `m`, what they clash with, and the statements."""

    def __init__(self, plan: CopyBackPlan, number: int) -> None:
        table = plan.tables[number]
        super().__init__(table, number)
        self.plan = plan
        self.side = plan.conflicts
        self.number = number
        self.gathered = gathered_in(plan, number).sql
        self.m, self.w, self.u = f"m{number}", f"w{number}", f"u{number}"
        loaded = {column.name for column in table.columns}
        self.computed = sorted({name for unique in table.uniques for name in unique} - loaded)

    def set_mode(self, database: Database) -> None:
        """Have the server refuse a value that does not fit where a column's type was changed since."""
        strict = ",STRICT_ALL_TABLES" if self.table.retyped else ""
        database.execute(f"SET SESSION sql_mode = '{_EXACT}{strict}'")

    def make(self) -> str:
        """Write the table that gathers what is taken over; `#pair` says that a restored row of its key gives way."""
        if self.table.rows_from == "damaged":
            return ""
        names = [*(column.name for column in self.table.columns), *self.computed]
        index = f", KEY ({self._listed(self.table.key)})" if self.table.key else ""
        return (
            f"CREATE TABLE {self.gathered} (`#n` BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY,"
            f" `#pair` TINYINT NOT NULL{index}) ENGINE=InnoDB AS SELECT 0 AS `#pair`, {self._listed(names)}"
            f" FROM {self.table.staging.sql} LIMIT 0"
        )

    def make_seen(self) -> str:
        """Write the table that notes the keys there are under the locks, where somebody may come in after them."""
        if self.plan.locked_rename or not self.table.key:
            return ""
        keys = self._listed(self.table.key)
        return (
            f"CREATE TABLE {seen_in(self.plan, self.number).sql} (KEY ({keys})) ENGINE=InnoDB"
            f" AS SELECT {keys} FROM {self.table.name.sql} LIMIT 0"
        )

    def gather(self, database: Database) -> Merged:
        """Gather what is taken over, and count what conflicts; the staging table is not changed yet."""
        table = self.table
        found = Merged(table=str(table.name), rule="all its own rows" if table.rows_from == "damaged" else table.rule)
        if not self.plan.locked_rename and table.key:
            keys = self._listed(table.key)
            seen = seen_in(self.plan, self.number).sql
            database.execute(f"INSERT INTO {seen} ({keys}) SELECT {keys} FROM {self.damaged}")
        if table.rows_from == "damaged":
            return found
        if not table.key:
            names = self._listed(column.name for column in table.compared)
            database.execute(f"INSERT INTO {self.gathered} (`#pair`, {names}) SELECT 0, {names} {self.more_often()}")
        else:
            count = int(database.value(f"SELECT COUNT(*) {self.pairs} WHERE {self._undecided()}"))
            if count:
                keys = ", ".join(f"{self.old}.{quoted(name)}" for name in table.key)
                which = f"SELECT {keys} {self.pairs} WHERE {self._undecided()} ORDER BY {keys} LIMIT {LISTED}"
                found = replace(found, conflicts=count, listed=_shown(database, which), side=self.side)
            for statement in (self._gather_new(), self._gather_pairs()):
                database.execute(statement)
        return self._clashes(database, found)

    def _clashes(self, database: Database, found: Merged) -> Merged:
        """Count rows gathered whose unique value a restored row keeps; by choice those rows are not taken over."""
        again = True
        while again:
            again = False
            for unique in self.table.uniques:
                count = int(database.value(f"SELECT COUNT(*) {self._clash(unique)}"))
                if not count:
                    continue
                names = ", ".join(f"{self.m}.{quoted(name)}" for name in unique)
                which = _shown(database, f"SELECT {names} {self._clash(unique)} ORDER BY {names} LIMIT {LISTED}")
                listed = (*found.listed, *(f"{', '.join(unique)} = {value}" for value in which))[:LISTED]
                found = replace(found, conflicts=found.conflicts + count, listed=listed, side=self.side)
                if self.side == "copy":
                    database.execute(f"DELETE {self.m} {self._clash(unique)}")
                    again = True  # a restored row that stays after all may be in the way of another
        return found

    def statements(self) -> Iterator[tuple[str, str]]:
        """Write what changes the staging table, each with what its count means."""
        table, names = self.table, self._listed(column.name for column in self.table.columns)
        staging = table.staging.sql
        if table.rows_from == "damaged":
            if table.key:
                join = f"FROM {self.staging} LEFT JOIN {self.damaged} ON {self.match}"
                yield "dropped", f"DELETE {self.new} {join} WHERE {self.old}.{quoted(table.key[0])} IS NULL"
                yield "updated", f"DELETE {self.new} {join} WHERE {self.differs()}"
            else:
                yield "dropped", f"DELETE FROM {staging}"
            new = f"LEFT JOIN {self.staging} ON {self.match} WHERE {self.is_new}" if table.key else ""
            own = ", ".join(f"{self.old}.{quoted(column.name)}" for column in table.columns)
            yield "kept", f"INSERT INTO {staging} ({names}) SELECT {own} FROM {self.damaged} {new}"
            return
        if self.side == "source":
            for unique in table.uniques:
                yield "dropped", f"DELETE {self.u} {self._clash(unique)}"
        if table.key:
            key = self._equal(table.key, self.m, self.new)
            join = f"FROM {self.staging} JOIN {self.gathered} AS {self.m} ON {key}"
            yield "away", f"DELETE {self.new} {join} WHERE {self.m}.`#pair` = 1"
            rows = f"SELECT {names} FROM {self.gathered} WHERE `#pair` = 1"
            yield "updated", f"INSERT INTO {staging} ({names}) {rows}"
        both = self._listed(column.name for column in table.compared)
        yield "kept", f"INSERT INTO {staging} ({both}) SELECT {both} FROM {self.gathered} WHERE `#pair` = 0"

    def _gather_new(self) -> str:
        names = [*(column.name for column in self.table.compared), *self.computed]
        given = ", ".join(f"{self.old}.{quoted(name)}" for name in names)
        return (
            f"INSERT INTO {self.gathered} (`#pair`, {self._listed(names)}) SELECT 0, {given} FROM {self.damaged}"
            f" LEFT JOIN {self.staging} ON {self.match} WHERE {self.is_new}"
        )

    def _gather_pairs(self) -> str:
        wins = [self._newer()] if self.table.rule == "newer wins" else []
        wins += [self._undecided()] if self.side == "source" else []
        names = [*(column.name for column in self.table.columns), *self.computed]
        kept = {column.name for column in self.table.columns} - set(self.columns)
        given = ", ".join(f"{self.new if name in kept else self.old}.{quoted(name)}" for name in names)
        chosen = " OR ".join(f"({condition})" for condition in wins) or "FALSE"
        into = f"INSERT INTO {self.gathered} (`#pair`, {self._listed(names)})"
        return f"{into} SELECT 1, {given} {self.pairs} WHERE {chosen}"

    def _undecided(self) -> str:
        if self.table.rule != "newer wins":
            return self.differs()
        column = quoted(self.table.newer_by)
        return f"{self.old}.{column} <=> {self.new}.{column} AND ({self.differs()})"

    def _newer(self) -> str:
        old, new = (f"{alias}.{quoted(self.table.newer_by)}" for alias in (self.old, self.new))
        return f"{old} > {new} OR ({new} IS NULL AND {old} IS NOT NULL)"

    def _clash(self, unique: Sequence[str]) -> str:
        """Write FROM and WHERE for rows gathered, and restored rows that keep one of their unique values."""
        found = (
            f"FROM {self.gathered} AS {self.m} JOIN {self.table.staging.sql} AS {self.u}"
            f" ON {self._equal(unique, self.m, self.u)}"
        )
        if not self.table.key:
            return found
        gives_way = f"LEFT JOIN {self.gathered} AS {self.w} ON {self._equal(self.table.key, self.w, self.u)}"
        return f"{found} {gives_way} WHERE {self.w}.`#n` IS NULL"

    @staticmethod
    def _equal(names: Sequence[str], left: str, right: str) -> str:
        return " AND ".join(f"{left}.{quoted(name)} = {right}.{quoted(name)}" for name in names)

    @staticmethod
    def _listed(names: Sequence[str] | Iterator[str]) -> str:
        return ", ".join(quoted(name) for name in names)


def _shown(database: Database, sql: str) -> tuple[str, ...]:
    return tuple(
        ", ".join(f"X'{value.hex()}'" if isinstance(value, bytes) else str(value) for value in row)
        for row in database.rows(sql)
    )
