"""What belongs to the tables and does not move with them: schemas, views, routines, events, triggers, grants."""

from __future__ import annotations

from runbook_lib.bringback.copy.objects import make_all, there
from runbook_lib.bringback.copy.plan import CopyBackPlan, create_schema
from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Database, quoted


def make_schemas(source: Database, plan: CopyBackPlan) -> None:
    """Make the dated schemas and those that the source has lost."""
    for schema, how in plan.schemas.items():
        if schema in plan.new_schemas or schema in plan.damaged_schemas.values():
            source.execute(create_schema(schema, *how))


def finish(source: Database, plan: CopyBackPlan) -> tuple[str, ...]:
    """Make the objects that are missing, give the grants, and drop the staging schemas; give what failed, and why."""
    here = there(source, plan.objects)
    missing = [one for one in plan.objects if (one.kind, one.schema, one.name) not in here]
    problems = [f"{one.title}: {why}" for one, why in make_all(source, missing)]
    for grant in plan.grants:
        try:
            source.execute(grant)
        except RunbookError as error:
            problems.append(f"{grant}: {error.message}")
    for schema in sorted({table.staging.schema for table in plan.tables}):
        if not source.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (schema,)):
            source.execute(f"DROP DATABASE IF EXISTS {quoted(schema)}")
    return tuple(problems)
