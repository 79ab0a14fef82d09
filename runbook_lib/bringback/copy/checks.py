"""The checks before a copy back: room, rights, settings, and what is special about the tables."""

from __future__ import annotations

from collections.abc import Iterable

from runbook_lib.bringback.copy.facts import ServerFacts
from runbook_lib.bringback.copy.lines import is_known
from runbook_lib.bringback.copy.objects import definer_of
from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.reading import read_server
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.errors import CheckFailed
from runbook_lib.mysql import Database

NEEDED = ("CREATE", "DROP", "ALTER", "INSERT", "SELECT", "UPDATE", "DELETE", "INDEX", "REFERENCES", "LOCK TABLES")
_DEFINERS = {"SET_USER_ID", "SET_ANY_DEFINER", "SET USER", "SUPER", "ALL"}


def source_checks(copy: Database, source: Database, plan: CopyBackPlan) -> tuple[Check, ...]:
    """Read both servers again and check them for a plan."""
    schemas = {table.name.schema for table in plan.tables}
    return copy_checks(
        plan, read_server(copy, name=plan.copy, schemas=schemas), read_server(source, name=plan.source, schemas=schemas)
    )


def copy_checks(plan: CopyBackPlan, copy: ServerFacts, source: ServerFacts) -> tuple[Check, ...]:
    """Check a plan against what both servers hold. Pure."""
    return (
        _same_server(plan),
        _rights(plan, source),
        _definers(plan, source),
        _read_only(source),
        _room(plan, source),
        _ways(plan),
        _scheduler(copy),
        _names(copy, source),
        _clients(plan, source),
        *_tables(plan),
    )


def require(checks: Iterable[Check], plan: CopyBackPlan) -> None:
    """Stop a plan that a check speaks against.

    Raises:
        CheckFailed: a check is bad.
    """
    if found := [check for check in checks if check.state == "bad"]:
        raise CheckFailed(
            "; ".join(f"{check.subject}: {check.sentence.rstrip('.')}" for check in found) + ". Nothing was changed.",
            hint=" ".join(check.hint for check in found),
            plan_id=plan.id,
        )


def _same_server(plan: CopyBackPlan) -> Check:
    if plan.copy_identity == plan.source_identity:
        return bad("two servers", "The copy and the source are one server.", "Name the restored cluster as the copy.")
    return ok("two servers", "The copy and the source are two servers.")


def _rights(plan: CopyBackPlan, source: ServerFacts) -> Check:
    needed = [*NEEDED, *(["TRIGGER"] if plan.triggers_on or plan.triggers_off else [])]
    kinds = {one.kind for one in (*plan.objects, *(one.now for one in plan.replaced))}
    needed += ["CREATE VIEW"] if "VIEW" in kinds else []
    needed += ["CREATE ROUTINE", "ALTER ROUTINE"] if kinds & {"PROCEDURE", "FUNCTION"} else []
    needed += ["GRANT OPTION"] if plan.grants or plan.shut or any(one.grants for one in plan.replaced) else []
    needed += ["EVENT"] if "EVENT" in kinds else []
    if "ALL" in source.rights:
        return ok("rights at the source", "The account may do everything.")
    if lacking := [right for right in needed if right not in source.rights]:
        return bad(
            "rights at the source",
            f"The account may not {', '.join(lacking)} on all schemas.",
            "Use the cluster's master user, or grant these on *.*: the staging and dated schemas do not exist yet.",
        )
    return ok("rights at the source", f"The account holds the {len(needed)} rights that are needed.")


def _definers(plan: CopyBackPlan, source: ServerFacts) -> Check:
    made = plan.made
    if source.accounts is not None and (gone := [one for one in made if _is_gone(definer_of(one), source)]):
        said = "; ".join(f"{one.title} ({definer_of(one)})" for one in gone)
        return warn(
            "definers",
            f"Made in the name of accounts that the source does not have: {said}. They keep that name.",
            "Make these accounts (CREATE USER) before anybody uses what works in their name: it fails until then.",
        )
    if not made or source.rights & _DEFINERS:
        return ok("definers", f"{len(made)} triggers and other objects keep their definers.")
    return warn(
        "definers",
        f"{len(made)} triggers and other objects are made again, and not in another definer's name.",
        "Grant SET_USER_ID (8.0; SET_ANY_DEFINER from 8.2, SET USER in MariaDB), or be their definer.",
    )


def _is_gone(account: str, source: ServerFacts) -> bool:
    return bool(account) and source.accounts is not None and account not in source.accounts


def _read_only(source: ServerFacts) -> Check:
    if source.settings.get("read_only", "OFF") == "ON":
        return bad("writable", "The source is read-only.", "Connect to the writer's endpoint of the cluster.")
    return ok("writable", "The source takes writes.")


def _room(plan: CopyBackPlan, source: ServerFacts) -> Check:
    size = f"{plan.bytes / (1 << 30):,.2f} GiB"
    if source.settings.get("aurora_version"):
        return ok("room", f"{size} are written; an Aurora volume grows by itself, and the dated schema is billed too.")
    return unknown("room", f"{size} are written beside what is there, and no SQL tells a server's free disk")


def _ways(plan: CopyBackPlan) -> Check:
    ways = sorted({(table.way, table.why) for table in plan.tables})
    said = "; ".join(f"{way}: {why}" for way, why in ways)
    if any(way == "insert" or (way == "mydumper" and "local_infile" in why) for way, why in ways):
        return warn("way of the rows", said, "Set local_infile=1 in the cluster parameter group: some times faster.")
    return ok("way of the rows", said or "No rows travel.")


def _scheduler(copy: ServerFacts) -> Check:
    events = [one for one in copy.objects if one.kind == "EVENT"]
    if copy.settings.get("event_scheduler", "OFF") == "ON" and events:
        return warn(
            "event scheduler of the copy",
            f"It is on, and {len(events)} events may change the copy while it is read.",
            "Set event_scheduler=OFF in the copy's parameter group.",
        )
    return ok("event scheduler of the copy", "No event changes the copy while it is read.")


def _names(copy: ServerFacts, source: ServerFacts) -> Check:
    ours, theirs = (one.settings.get("lower_case_table_names", "0") for one in (copy, source))
    if ours != theirs:
        return bad(
            "letters of names",
            f"lower_case_table_names is {ours} at the copy and {theirs} at the source.",
            "Restore the copy with the source's cluster parameter group.",
        )
    return ok("letters of names", "Both servers treat capitals in names alike.")


def _clients(plan: CopyBackPlan, source: ServerFacts) -> Check:
    schemas = {table.name.schema for table in plan.tables}
    busy = {schema: count for schema, count in source.clients.items() if schema in schemas}
    merged = any(table.merged for table in plan.tables)
    if busy:
        said = ", ".join(f"{count} in {schema}" for schema, count in sorted(busy.items()))
        kept = (
            "their rows are looked at under a lock" if merged else "with the rule replace their rows are not taken over"
        )
        return warn("connections at the source", f"{said}; {kept}.", "Stop the application if it can be stopped.")
    return ok("connections at the source", "No other connection stands in the schemas concerned.")


def _tables(plan: CopyBackPlan) -> tuple[Check, ...]:
    found: list[Check] = []
    keyless = [str(table.name) for table in plan.tables if not table.key and table.rows_from == "copy"]
    if keyless:
        found.append(
            warn("tables without a key", ", ".join(keyless), "Each is copied in one transaction, and not in parallel.")
        )
    strange = [
        f"{table.name}.{column.name} ({column.full_type})"
        for table in plan.tables
        for column in table.columns
        if not is_known(column)
    ]
    if strange:
        found.append(
            warn(
                "unusual types",
                f"{', '.join(strange)} travel as text.",
                "The proof before the swap tells whether exact.",
            )
        )
    versioned = [str(table.name) for table in plan.tables if "WITH SYSTEM VERSIONING" in table.create]
    if versioned:
        found.append(
            warn("versioned tables", ", ".join(versioned), "Only current rows are copied; history stays in the copy.")
        )
    return tuple(found)
