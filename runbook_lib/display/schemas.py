"""Show an audit of schemas: the inventory, the verdicts, what differs from the contract, odd names, profiles."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from zoneinfo import ZoneInfo

from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.schemas.audit import PROFILED, Audit
from runbook_lib.schemas.drop.apply import Dropped, DropVerification
from runbook_lib.schemas.drop.plan import DropPlan
from runbook_lib.schemas.facts import SchemaFacts, Survey
from runbook_lib.schemas.profile import Profile
from runbook_lib.schemas.verdicts import Advice, SchemaVerdict, Verdict
from runbook_lib.times import duration_text, utc_text

SHOWN = 60
_MIB = 1 << 20
_MARKS = {
    Verdict.ACTIVE: "good",
    Verdict.INCOMPLETE: "bad",
    Verdict.EMPTY: "bad",
    Verdict.MISSING: "bad",
    Verdict.UNSEEN: "warn",
    Verdict.UNKNOWN: "warn",
    Verdict.OURS: "good",
    Verdict.LEFTOVER: "warn",
    Verdict.ARTEFACT: "warn",
}


def inventory_sheet(audit: Audit, *, zone: ZoneInfo) -> Stack:
    """Show what there is, schema by schema, and what the account could not see."""
    survey = audit.survey
    rows = tuple(_inventory_row(facts, survey, zone) for facts in survey.schemas.values())
    tables = sum(len(facts.base_tables) for facts in survey.schemas.values())
    since = (
        f"Reads and writes are statements since the server started, {utc_text(survey.started)}. "
        if survey.started
        else ""
    )
    unseen = tuple((hidden.what, hidden.right) for hidden in survey.unseen)
    parts = [
        Table(
            title="Every schema outside the server's own",
            columns=("schema", "tables", "with rows", "other objects", "engine", "size, MiB", "rows (estimate)",
                     "last written", "reads", "writes", "ties"),
            rows=rows,
            note=f"{since}With rows: each table was asked. — means that the server or this account cannot tell.",
        )
    ]  # fmt: skip
    if unseen:
        parts.append(
            Table(
                title=f"What {survey.account} could not see; it counts as unknown, not as empty",
                columns=("not seen", "the right that shows it"),
                rows=unseen,
                marks=dict.fromkeys(range(len(unseen)), "warn"),
            )
        )
    return Stack(
        headline=f"{len(survey.schemas)} schemas with {tables:,} tables on {survey.server}", tables=tuple(parts)
    )


def _inventory_row(facts: SchemaFacts, survey: Survey, zone: ZoneInfo) -> tuple[object, ...]:
    tables = facts.base_tables
    written = max((table.written for table in tables if table.written), default=None)
    return (
        facts.name,
        len(tables),
        len(facts.filled) if facts.all_empty is not None else None,
        _others(facts),
        ", ".join(sorted({table.engine for table in tables if table.engine})),
        round(sum(table.size_bytes for table in tables) / _MIB, 2),
        sum(table.rows_estimate for table in tables),
        f"{written.astimezone(zone):%Y-%m-%d %H:%M}" if written else None,
        sum(table.reads or 0 for table in tables) if survey.counts_usage else None,
        sum(table.writes or 0 for table in tables) if survey.counts_usage else None,
        _ties(facts, survey),
    )


def _others(facts: SchemaFacts) -> str:
    counts = [("views", len(facts.views))]
    counts += [(f"{kind.lower()}s", facts.count(kind)) for kind in ("ROUTINE", "TRIGGER", "EVENT")]
    return ", ".join(f"{number} {kind}" for kind, number in counts if number)


def _ties(facts: SchemaFacts, survey: Survey) -> str:
    ties = (
        ("granted to", facts.grants),
        ("refers to", survey.references_from(facts.name)),
        ("referred to by", survey.references_to(facts.name)),
    )
    return "\n".join(f"{what} {_few(names)}" for what, names in ties if names)


def _few(values: Sequence[str], most: int = 3) -> str:
    rest = len(values) - most
    return ", ".join(values[:most]) + (f" and {rest} more" if rest > 0 else "")


def verdict_table(audit: Audit) -> Table:
    """Show what each schema is, on which evidence, and the one thing to do about it."""
    rows = tuple(
        (v.schema, f"{v.tables}, {v.filled} filled" if v.tables else "none", v.verdict.value, v.advice.value, _why(v))
        for v in audit.verdicts
    )
    return Table(
        title="What each schema is",
        columns=("schema", "tables", "verdict", "advice", "evidence, and whom or what to ask"),
        rows=rows,
        marks={index: _MARKS[verdict.verdict] for index, verdict in enumerate(audit.verdicts)},
        note="Advice is no approval: dropping goes through the plan below, and only with its proofs.",
    )


def _why(verdict: SchemaVerdict) -> str:
    return "\n".join([*verdict.evidence, *([f"ask: {verdict.ask}"] if verdict.ask else [])])


def differences_table(audit: Audit) -> Table:
    """Show where the server is not as the contract and dbt want it, like things together, what breaks it first."""
    kinds = Counter(difference.what for difference in audit.differences)
    groups: dict[tuple[bool, str, str, str, str], list[str]] = {}
    for found in sorted(audit.differences, key=lambda difference: not difference.breaks):
        groups.setdefault((found.breaks, found.schema, found.what, found.detail, found.by), []).append(found.table)
    shown = list(groups.items())[:SHOWN]
    by_dbt = f" and dbt's manifest of {audit.manifest.generated_at[:10]}" if audit.manifest else ""
    said = ", ".join(f"{number} × {what}" for what, number in kinds.items()) or "nothing is missing"
    return Table(
        title=f"Against the contract{by_dbt}: {said}",
        columns=("schema", "what", "number", "tables", "detail", "says"),
        rows=tuple(
            (schema, what, len(tables), ", ".join(filter(None, tables)), detail, by)
            for (_, schema, what, detail, by), tables in shown
        ),
        marks={index: "bad" if key[0] else "warn" for index, (key, _) in enumerate(shown)},
        left_out=max(0, len(groups) - SHOWN),
    )


def names_table(audit: Audit) -> Table:
    """Show the names that only quoting makes possible, and where they come from."""
    odd = audit.odd_names
    rows = tuple((o.schema, o.kind, o.name.shown, ", ".join(o.name.faults), o.origin) for o in odd[:12])
    return Table(
        title=f"Malformed names: {len(odd)}" if odd else "Malformed names: none",
        columns=("schema", "kind", "name", "what is wrong", "where it comes from"),
        rows=rows,
        left_out=max(0, len(odd) - 12),
        note="A table of such a name is found by nobody who writes the name without backticks." if odd else "",
    )


def profile_sheet(audit: Audit, *, zone: ZoneInfo) -> Stack:
    """Show what is in the schemas that nothing explains."""
    if not audit.profiles:
        return Stack(headline="There is no schema that nothing explains.")
    tables: list[Table] = []
    for found in list(audit.profiles.values())[:PROFILED]:
        tables += _profile_tables(found, zone)
    return Stack(headline=f"Unexplained: {_few(list(audit.profiles), PROFILED)}", tables=tuple(tables))


def _profile_tables(found: Profile, zone: ZoneInfo) -> list[Table]:
    dates = [
        f"{what} {moment.astimezone(zone):%Y-%m-%d %H:%M} {zone.key}"
        for what, moment in (
            ("made from", found.oldest_made), ("made until", found.newest_made), ("last written", found.last_written),
        ) if moment
    ]  # fmt: skip
    origin = f"Probably {found.origin}." if found.origin else "Nothing about it points to an origin."
    patterns = Table(
        title=f"{found.schema}: what its tables have in common",
        columns=("names", "tables", "with rows", "columns in common"),
        rows=tuple((p.names, p.tables, p.filled, ", ".join(p.columns)) for p in found.patterns[:SHOWN]),
        left_out=max(0, len(found.patterns) - SHOWN),
        note=" ".join([origin, *[f"{date}." for date in dates]]),
    )
    samples = Table(
        title=f"{found.schema}: how rows look",
        columns=("table", "row"),
        rows=tuple(
            (sample.table, ", ".join(f"{c} = {v}" for c, v in zip(sample.columns, row, strict=False)))
            for sample in found.samples
            for row in sample.rows
        ),
        note="Only the shape is shown: a for a letter, 字 for one outside ASCII, 9 for a digit. No personal data.",
    )
    return [patterns, samples]


def audit_result(
    audit: Audit, dropped: Dropped, verified: DropVerification | None, *, cluster: str, approved_by: str
) -> Result:
    """Say what the audit came to. A broken contract or a drop that did not end well is a failed check."""
    broken = audit.broken
    schemas = sorted({difference.schema for difference in broken})
    facts = {
        "server": audit.survey.server,
        "schemas": ", ".join(f"{v.schema}: {v.verdict.value}" for v in audit.verdicts),
        "contract": f"broken in {len(broken)} places" if broken else "kept",
    }
    if audit.survey.unseen:
        facts["not seen"] = "; ".join(hidden.what for hidden in audit.survey.unseen)
    plan = dropped.plan
    failed = bool(broken) or (verified is not None and not verified.holds)
    headline = "Every schema is as the contract wants it"
    if broken:
        headline = f"The contract is broken in {', '.join(schemas)}"
    if dropped.done and plan:
        headline += f"; {plan.schema} was dropped"
    return Result(
        notebook="audit_schemas",
        outcome="check-failed" if failed else "planned" if plan and not dropped.done else "succeeded",
        headline=headline + ".",
        cluster=cluster,
        plan_id=plan.id if plan else "",
        approved_by=approved_by if dropped.done else "",
        changed=dropped.changed,
        facts=facts | _age(audit),
        next=tuple(_next(audit, plan, dropped)),
    )


def _age(audit: Audit) -> dict[str, str]:
    started = audit.survey.started
    return {"server has run for": duration_text(audit.survey.taken - started)} if started else {}


def _next(audit: Audit, plan: DropPlan | None, dropped: Dropped) -> list[str]:
    asked = [verdict for verdict in audit.verdicts if verdict.advice is Advice.ASK and verdict.ask]
    steps = [f"Ask {verdict.ask} about {verdict.schema} ({verdict.verdict.value})." for verdict in asked]
    if any(v.verdict is Verdict.ARTEFACT for v in audit.verdicts):
        steps.append("Clean the vendor's dump before the next load: runbook dump clean DUMP --schema … -o …")
    if plan and not dropped.done and not plan.refused:
        steps.append(f'To drop {plan.schema}: run again with drop="{plan.schema}" and approve="{plan.id}".')
    elif not plan:
        loose = [v.schema for v in audit.verdicts if v.advice in (Advice.DROP, Advice.PROVE)]
        steps += [f"To see the plan for one of {', '.join(loose)}: set `drop` to its name."] if loose else []
    return steps
