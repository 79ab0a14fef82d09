"""Put the source's rows beside the copy's, under the locks of the swap: counted, decided by the choices, or refused."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from runbook_lib.bringback.copy.merging import Merge, merge_of, orphans_of
from runbook_lib.bringback.copy.plan import CopyBackPlan, TablePlan
from runbook_lib.errors import CheckFailed
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database


@dataclass(frozen=True, kw_only=True)
class Merged:
    """What became of one table's rows at the source.

    `kept` rows were put beside the copy's, `updated` ones replaced the copy's row of the same key, `dropped` ones of
    the copy gave way. `conflicts` had one key and two contents that no rule decided between; `listed` are keys of
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

    def as_json(self) -> dict[str, Any]:
        """Return it as what `json.dumps` takes."""
        return asdict(self)


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
    if found := [one for one in merged if one.conflicts]:
        said = "; ".join(
            f"{one.table}: {one.conflicts:,}" + (f" (keys {' · '.join(one.listed)})" if one.listed else "")
            for one in found
        )
        raise CheckFailed(
            f"Rows at the source and in the copy have one key and different content: {said}. Nothing was swapped.",
            hint='Look at them and choose whose rows are taken: conflicts="copy" or conflicts="source"; or "newer '
            'wins" with a column that decides.',
            tables=[one.table for one in found],
        )


def _run(database: Database, merge: Merge, found: Merged) -> Merged:
    counts = {"kept": 0, "updated": 0, "dropped": 0}
    for what, statement in merge.statements:
        counts[what] += database.execute(statement)
    return replace(found, kept=counts["kept"], updated=counts["updated"], dropped=counts["dropped"])


def _rule(table: TablePlan) -> str:
    return "as at the source" if table.rows_from == "source" else table.rule


def take_over_late_rows(database: Database, plan: CopyBackPlan) -> None:
    """Take over rows that were written to the old tables between the last look and the rename (MariaDB only).

    The old tables stand still in the dated schema now, so only rows that the new tables do not have are inserted.
    """
    for number, table in enumerate(plan.tables):
        if table.merged and table.damaged and table.key:
            late = replace(table, name=table.damaged, staging=table.name, rule="keep new", rows_from="copy")
            merge = merge_of(late, number, conflicts="copy")
            assert merge is not None
            for _, statement in merge.statements:
                database.execute(statement)
