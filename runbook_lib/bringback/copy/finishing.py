"""What belongs to the tables and does not move with them: schemas, views, routines, events, triggers, grants."""

from __future__ import annotations

from collections.abc import Iterable

from runbook_lib.bringback.copy.objects import make_all, put_all_in_place, there
from runbook_lib.bringback.copy.plan import CopyBackPlan, create_schema
from runbook_lib.bringback.copy.reach import shut
from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Database, quoted


def make_schemas(source: Database, plan: CopyBackPlan) -> None:
    """Make the dated schemas and those that the source has lost."""
    for schema, how in plan.schemas.items():
        if schema in plan.new_schemas or schema in plan.damaged_schemas.values():
            source.execute(create_schema(schema, *how))
    shut(source, set(plan.damaged_schemas.values()), plan.shut)


def finish(source: Database, plan: CopyBackPlan) -> tuple[str, ...]:
    """Make the objects that are missing or others, give the grants, and drop the staging schemas; give what failed."""
    here = there(source, plan.objects)
    problems = make_all(source, [one for one in plan.objects if one.id not in here])
    problems += put_all_in_place(source, [one.becomes for one in plan.replaced])
    said = [f"{one.title}: {why}" for one, why in problems]
    said += give(source, (*(text for one in plan.replaced for text in one.grants), *(g.statement for g in plan.grants)))
    for schema in sorted({table.staging.schema for table in plan.tables}):
        if not source.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (schema,)):
            source.execute(f"DROP DATABASE IF EXISTS {quoted(schema)}")
            said += give(source, [one.opened for one in plan.shut if one.schema == schema])
    return tuple(said)


def put_back(source: Database, plan: CopyBackPlan) -> tuple[str, ...]:
    """Put the objects back that the plan has replaced, with their rights; give what failed, and why."""
    problems = put_all_in_place(source, [one.now for one in plan.replaced])
    said = [f"{one.title}: {why}" for one, why in problems]
    return (*said, *give(source, [text for one in plan.replaced for text in one.grants]))


def give(source: Database, statements: Iterable[str]) -> list[str]:
    """Return or take rights; give what failed, and why. No account is made by it."""
    problems = []
    if source.is_mariadb:
        # without it, a GRANT to an account that is gone would make one without a password
        source.execute("SET SESSION sql_mode = 'NO_AUTO_CREATE_USER'")
    for statement in statements:
        try:
            source.execute(statement)
        except RunbookError as error:
            problems.append(f"{statement}: {error.message}")
    source.execute("SET SESSION sql_mode = ''")
    return problems
