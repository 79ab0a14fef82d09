"""Show what a watch found: what is not as it should be first, with what to do about it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.checks import State
from runbook_lib.display.result import Result
from runbook_lib.display.stack import Stack
from runbook_lib.display.table import Table
from runbook_lib.looking import Seen
from runbook_lib.times import utc_text
from runbook_lib.watch.checks import of_declared
from runbook_lib.watch.facts import Facts
from runbook_lib.watch.inside import Inside
from runbook_lib.watch.past import Past
from runbook_lib.watch.watched import ORDER, Watched

_WORDS: dict[State, str] = {"bad": "BAD", "unknown": "unknown", "warn": "mind", "ok": "ok"}
_MARKS: dict[State, str] = {"bad": "bad", "unknown": "warn", "warn": "warn", "ok": "good"}
_SHOWN, _NAMED = 60, 8


def facts_table(facts: Facts) -> Table:
    """Show what was read of AWS, and what could not be."""
    seen: dict[str, Seen[Any]] = {
        "clusters": facts.clusters,
        "automated snapshots, the newest of each cluster": facts.automated,
        "manual snapshots asked whom they are shared with": facts.shared,
        "recovery points in locked vaults and other accounts": facts.apart,
        "instances": facts.instances,
        "certificate authorities": facts.certificates,
        "engine versions": facts.versions,
        "quotas": facts.quotas,
        "Glue jobs": facts.loads,
    }
    rows = [(what, len(of), of.why_not or "") for what, of in seen.items()]
    marks = {index: "warn" for index, row in enumerate(rows) if row[2]}
    watched = f"{len(facts.watched)} clusters are watched" if not facts.cluster else f"Watched is {facts.cluster}"
    without = f" Left out: {facts.choices.leave_out}." if facts.choices.leave_out else ""
    note = f"{watched}, by {len(facts.checks)} checks.{without}"
    return Table(title="Read of AWS", columns=("", "number", "not seen"), rows=tuple(rows), marks=marks, note=note)


def inside_table(inside: Inside | None, past: Past) -> Table:
    """Show what was read of the database and of earlier records."""
    rows: list[tuple[str, str]] = []
    if inside is None:
        rows.append(("database", "not looked at: a watch of a whole region opens none"))
    else:
        tables = f"{len(inside.tables())} tables" if inside.audit else inside.why_not.get("audit", "left out")
        account = inside.account.account if inside.account else inside.why_not.get("account", "left out")
        log = "read" if inside.log else inside.why_not.get("log", "left out")
        rows += [("binary log", log), ("schemas and tables", tables), ("loader's account", account)]
    rows.append(("records", past.why_not or f"{past.records}, {len(past.drills)} of them drills"))
    rows.append(("clusters known from earlier records", past.why_not or str(len(past.known))))
    return Table(title="Read of the database and of records", columns=("", ""), rows=tuple(rows))


@dataclass(frozen=True, kw_only=True)
class FindingsSheet:
    """What was found, and beside it what the next watch compares with and metrics are made of."""

    stack: Stack
    kept: Mapping[str, Any] = field(repr=False)

    def __str__(self) -> str:
        return str(self.stack)

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": str(self), "text/html": self.stack.html(), "application/json": dict(self.kept)}


def findings_sheet(watched: Watched) -> FindingsSheet:
    """Show what is not as it should be, then every check with how often it stands how."""
    troubles = watched.troubles
    shown = troubles[:_SHOWN]
    worst = Table(
        title="What is not as it should be",
        columns=("", "check", "of", "what was found", "what to do", "the notebook that helps"),
        rows=tuple(
            (_WORDS[each.state], each.declared.name, each.about, each.check.sentence, each.check.hint, each.command)
            for each in shown
        ),
        marks={index: _MARKS[each.state] for index, each in enumerate(shown)},
        left_out=len(troubles) - len(shown),
    )
    rows: list[tuple[Any, ...]] = []
    marks: dict[int, str] = {}
    by_check = of_declared(watched.findings)
    several = any(len(found) > 1 for found in by_check.values())  # of one cluster the counts tell nothing
    for declared, found in by_check.items():
        counts = Counter(finding.state for finding in found)
        state = next(state for state in ORDER if counts[state])
        marks[len(rows)] = _MARKS[state]
        said = found[0].check.sentence if len(found) == 1 else ""
        numbers = [counts[each] for each in ORDER] if several else []
        rows.append((_WORDS[state], declared.name, declared.title, *numbers, said))
    heads = ("", "check", "what was looked at", *(_WORDS[state] for state in ORDER if several), "")
    every = Table(title="Every check", columns=heads, rows=tuple(rows), marks=marks)
    stack = Stack(headline=headline(watched), tables=(worst, every) if troubles else (every,))
    return FindingsSheet(stack=stack, kept=watched.as_json())


def headline(watched: Watched) -> str:
    """Say in one sentence how it stands."""
    names = {
        state: [*dict.fromkeys(each.declared.name for each in watched.troubles if each.state == state)]
        for state in ORDER
    }
    of = watched.facts.cluster or f"{len(watched.facts.watched)} clusters of {watched.facts.region}"
    parts = []
    if names["bad"]:
        parts.append(f"bad: {_listed(names['bad'])}")
    if names["unknown"]:
        parts.append(f"could not be looked at: {_listed(names['unknown'])}")
    if names["warn"]:
        parts.append(f"to mind: {_listed(names['warn'])}")
    return f"{of}: {'; '.join(parts)}." if parts else f"{of}: all {len(watched.facts.checks)} checks are ok."


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def watch_result(watched: Watched) -> Result:
    """Sum the watch up. What is bad, and what nobody could look at, makes it a failed check."""
    counts = watched.counts
    facts = {
        "watched": watched.facts.cluster or f"{len(watched.facts.watched)} clusters of {watched.facts.region}",
        "at": utc_text(watched.facts.now),
        "checks": ", ".join(f"{counts[state]} {_WORDS[state]}" for state in ORDER if counts[state]),
    }
    commands = dict.fromkeys(each.command for each in watched.troubles if each.state in ("bad", "unknown"))
    return Result(
        notebook="watch_backups",
        outcome="succeeded" if watched.is_well else "check-failed",
        headline=headline(watched),
        cluster=watched.facts.scope,
        facts=facts,
        next=tuple([*commands][:_NAMED]),
    )
