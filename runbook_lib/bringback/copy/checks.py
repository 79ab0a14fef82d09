"""The checks before a copy back: room, rights, settings, and what is special about the tables."""

from __future__ import annotations

from runbook_lib.bringback.copy.plan import CopyBackPlan
from runbook_lib.bringback.copy.transport.lines import is_known
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database
from runbook_lib.swap.facts import ServerFacts
from runbook_lib.swap.objects import definer_of
from runbook_lib.swap.reading import read_server

NEEDED = ("CREATE", "DROP", "ALTER", "INSERT", "SELECT", "UPDATE", "DELETE", "INDEX", "REFERENCES", "LOCK TABLES")
_DEFINERS = {"SET_USER_ID", "SET_ANY_DEFINER", "SET USER", "SUPER", "ALL"}


def checks_now(restored: Database, damaged: Database, plan: CopyBackPlan) -> tuple[Check, ...]:
    """Read both servers again and check them for a plan."""
    schemas = {table.name.schema for table in plan.tables}
    right = read_server(restored, name=plan.restored, schemas=schemas)
    return copy_checks(plan, right, read_server(damaged, name=plan.damaged, schemas=schemas))


def copy_checks(plan: CopyBackPlan, restored: ServerFacts, damaged: ServerFacts) -> tuple[Check, ...]:
    """Check a plan against what both servers hold. Pure."""
    return (
        _same_server(plan),
        _rights(plan, damaged),
        _definers(plan, damaged),
        _rights_of_others(restored, damaged),
        _read_only(damaged),
        _room(plan, damaged),
        _ways(plan),
        _scheduler(restored),
        _names(restored, damaged),
        *_taken_names(plan, damaged),
        _clients(plan, damaged),
        *_tables(plan),
    )


def _same_server(plan: CopyBackPlan) -> Check:
    if plan.restored_identity == plan.damaged_identity:
        return bad(
            "two servers",
            "The restored and the damaged server are one and the same.",
            "Name the restored cluster as the copy.",
        )
    return ok("two servers", "The restored and the damaged one are two servers.")


def _rights(plan: CopyBackPlan, damaged: ServerFacts) -> Check:
    needed = [*NEEDED, *(["TRIGGER"] if plan.triggers_on or plan.triggers_off else [])]
    kinds = {item.kind for item in (*plan.objects, *(changed.now for changed in plan.replaced))}
    needed += ["CREATE VIEW"] if "VIEW" in kinds else []
    needed += ["CREATE ROUTINE", "ALTER ROUTINE"] if kinds & {"PROCEDURE", "FUNCTION"} else []
    needed += ["GRANT OPTION"] if plan.grants or plan.shut or any(changed.grants for changed in plan.replaced) else []
    needed += ["EVENT"] if "EVENT" in kinds else []
    if "ALL" in damaged.rights:
        return ok("rights on the damaged server", "The account may do everything.")
    if lacking := [right for right in needed if right not in damaged.rights]:
        return bad(
            "rights on the damaged server",
            f"The account may not {', '.join(lacking)} on all schemas.",
            "Use the cluster's master user, or grant these on *.*: the staging and dated schemas do not exist yet.",
        )
    return ok("rights on the damaged server", f"The account holds the {len(needed)} rights that are needed.")


def _definers(plan: CopyBackPlan, damaged: ServerFacts) -> Check:
    made = plan.made
    if damaged.accounts is not None and (gone := [item for item in made if _is_gone(definer_of(item), damaged)]):
        said = "; ".join(f"{item.title} ({definer_of(item)})" for item in gone)
        return warn(
            "definers",
            f"They work in the name of accounts that do not exist on the damaged server: {said}. They keep that name.",
            "Make these accounts (CREATE USER) before anybody uses them: they fail until then.",
        )
    if made and damaged.accounts is None:
        return unknown(
            "definers",
            "The account may not read mysql.user of the damaged server, so whether the accounts exist in whose name "
            f"{len(made)} triggers and other objects work is not known; without its account one fails when it is used",
            "Grant SELECT on mysql.* to the account, or look at their definers before you approve.",
        )
    if not made or damaged.rights & _DEFINERS:
        return ok("definers", f"{len(made)} triggers and other objects keep their definers.")
    return warn(
        "definers",
        f"{len(made)} triggers and other objects are made again, and this account may not do so for another definer.",
        "Grant SET_USER_ID (8.0; SET_ANY_DEFINER from 8.2, SET USER in MariaDB), or be their definer.",
    )


def _rights_of_others(restored: ServerFacts, damaged: ServerFacts) -> Check:
    subject = "rights of other accounts"
    blind = [server.name for server in (restored, damaged) if "rights" in server.unseen]
    if not blind:
        return ok(subject, "They can be read on both servers.")
    return unknown(
        subject,
        f"The account may not read them on {' and '.join(blind)} (tables of mysql), so rights that went with lost "
        "routines are not given again, and who may not read a damaged schema is not kept out of its dated one",
        "Grant SELECT on mysql.* to the account and plan again; or compare SHOW GRANTS of these accounts by hand.",
    )


def _is_gone(account: str, damaged: ServerFacts) -> bool:
    return bool(account) and damaged.accounts is not None and account not in damaged.accounts


def _read_only(damaged: ServerFacts) -> Check:
    if damaged.settings.get("read_only", "OFF") == "ON":
        return bad("writable", "The damaged server is read-only.", "Connect to the writer's endpoint of the cluster.")
    return ok("writable", "The damaged server takes writes.")


def _room(plan: CopyBackPlan, damaged: ServerFacts) -> Check:
    size = f"{plan.bytes / (1 << 30):,.2f} GiB"
    if damaged.settings.get("aurora_version"):
        return ok("room", f"{size} are written; an Aurora volume grows by itself, and the dated schema is billed too.")
    said = f"{size} are written beside what is there, and no SQL tells a server's free disk"
    return unknown("room", said, "Look at the server's free disk before you approve.")


def _ways(plan: CopyBackPlan) -> Check:
    ways = sorted({(table.way, table.why) for table in plan.tables})
    said = "; ".join(f"{way}: {why}" for way, why in ways)
    if any(way == "insert" or (way == "mydumper" and "local_infile" in why) for way, why in ways):
        return warn("way of the rows", said, "Set local_infile=1 in the cluster parameter group: some times faster.")
    return ok("way of the rows", said or "No rows travel.")


def _scheduler(restored: ServerFacts) -> Check:
    events = [item for item in restored.objects if item.kind == "EVENT"]
    if restored.settings.get("event_scheduler", "OFF") == "ON" and events:
        return warn(
            "event scheduler of the copy",
            f"It is on, and {len(events)} events may change the copy while it is read.",
            "Set event_scheduler=OFF in the copy's parameter group.",
        )
    return ok("event scheduler of the copy", "No event changes the copy while it is read.")


def _names(restored: ServerFacts, damaged: ServerFacts) -> Check:
    right, wrong = (server.settings.get("lower_case_table_names", "0") for server in (restored, damaged))
    if right != wrong:
        return bad(
            "capital letters in names",
            f"lower_case_table_names is {right} on the restored server and {wrong} on the damaged one.",
            "Restore the copy with the source's cluster parameter group.",
        )
    return ok("capital letters in names", "Both servers treat capital letters in names alike.")


def _taken_names(plan: CopyBackPlan, damaged: ServerFacts) -> tuple[Check, ...]:
    """Say which tables cannot come back because a view or a sequence has their name now."""
    lost = {table.name for table in plan.tables if table.dated is None}
    in_the_way = [
        item.title
        for item in damaged.objects
        if item.kind in ("VIEW", "SEQUENCE") and TableName(schema=item.schema, name=item.name) in lost
    ]
    if not in_the_way or plan.resumes:
        return ()
    return (
        bad(
            "names of lost tables",
            f"Tables that come back have the names of what was made since: {', '.join(in_the_way)}.",
            "Keep its definition (SHOW CREATE), drop or rename it, and plan again.",
        ),
    )


def _clients(plan: CopyBackPlan, damaged: ServerFacts) -> Check:
    schemas = {table.name.schema for table in plan.tables}
    busy = {schema: count for schema, count in damaged.clients.items() if schema in schemas}
    merged = any(table.merged for table in plan.tables)
    if busy:
        said = ", ".join(f"{count} in {schema}" for schema, count in sorted(busy.items()))
        kept = (
            "their rows are looked at under a lock"
            if merged
            else "with the rule replace the rows they write are not kept"
        )
        return warn(
            "connections to the damaged server", f"{said}; {kept}.", "Stop the application if it can be stopped."
        )
    if "connections" in damaged.unseen:
        return unknown(
            "connections to the damaged server",
            "The account may not see those of others (PROCESS is missing), so whether an application or the load is "
            "writing to these tables now is not known",
            "Grant PROCESS to the account; or ask whoever runs the application and the load before you approve.",
        )
    return ok("connections to the damaged server", "No other connection uses the schemas concerned.")


def _tables(plan: CopyBackPlan) -> tuple[Check, ...]:
    found: list[Check] = []
    keyless = [str(table.name) for table in plan.tables if not table.key and table.rows_from == "restored"]
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
    return tuple(found)
