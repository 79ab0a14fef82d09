"""Plan the drop of one schema: proofs first, the way back and the full DDL with it. Nothing here changes anything."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from runbook_lib.errors import InputRefused
from runbook_lib.inventory import SYSTEM_SCHEMAS
from runbook_lib.mysql import Database, quoted
from runbook_lib.schemas.audit import Audit
from runbook_lib.schemas.facts import SchemaFacts
from runbook_lib.schemas.verdicts import Advice
from runbook_lib.times import TimeWindow, duration_text, iso, utc_text


@dataclass(frozen=True, kw_only=True)
class Proof:
    """One thing that must be so before a schema may go. `text` is the evidence, or why it is not proved."""

    name: str
    holds: bool
    text: str


@dataclass(frozen=True, kw_only=True)
class DropPlan:
    """What would be dropped, why that is safe, and how it comes back. Equal plans have equal ids, whenever made."""

    server: str
    schema: str
    tables: tuple[str, ...]
    views: tuple[str, ...]
    code: tuple[str, ...]
    filled: tuple[str, ...]
    proofs: tuple[Proof, ...]
    ddl: tuple[str, ...] = field(repr=False)
    way_back: str
    statements: tuple[str, ...]

    @property
    def id(self) -> str:
        """Return the plan's id: a hash of what would be dropped, with its definitions and which tables hold rows."""
        content = [self.server, self.schema, self.statements, self.ddl, self.filled]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

    @property
    def refused(self) -> str:
        """Say in a sentence why it cannot be applied, empty when every proof holds."""
        failing = [proof for proof in self.proofs if not proof.holds]
        if not failing:
            return ""
        return f"`{self.schema}` is not dropped: " + "; ".join(proof.text for proof in failing) + "."


def propose_drop(
    database: Database, audit: Audit, *, drop: str, cluster: str, window: TimeWindow | None
) -> DropPlan | None:
    """Make the plan for one schema, or None when none is chosen. Only reads.

    `window` are the cluster's restorable seconds, `cluster` what no other cluster has: its ARN and resource id.

    Raises:
        InputRefused: the schema is the system's, the contract calls it active, or it does not exist.
    """
    if not drop:
        return None
    facts = _chosen(audit, drop)
    proofs = tuple(_proofs(audit, facts, window))
    tables = tuple(table.name for table in facts.base_tables)
    return DropPlan(
        server=cluster,
        schema=drop,
        tables=tables,
        views=tuple(table.name for table in facts.views),
        code=tuple(f"{code.kind.lower()} {code.name}" for code in facts.code if code.kind != "VIEW"),
        filled=facts.filled,
        proofs=proofs,
        ddl=definitions(database, facts),
        way_back=_way_back(facts, window),
        statements=tuple(_statements(drop, tables)),
    )


def _chosen(audit: Audit, drop: str) -> SchemaFacts:
    wanted = audit.contract.schemas.get(drop)
    if drop.lower() in SYSTEM_SCHEMAS:
        raise InputRefused(f'"{drop}" is a system schema; it can never be dropped here.', hint="Leave `drop` empty.")
    if wanted and wanted.status == "active":
        raise InputRefused(
            f'The contract calls "{drop}" active ({wanted.purpose}); it can never be dropped here.',
            hint="Leave `drop` empty, or have its owner change the contract first.",
        )
    if drop not in audit.survey.schemas:
        choices = [verdict.schema for verdict in audit.verdicts if verdict.advice in (Advice.DROP, Advice.PROVE)]
        raise InputRefused(
            f'There is no schema "{drop}" that this account can see.', hint=f"To choose from: {', '.join(choices)}."
        )
    return audit.survey.schemas[drop]


def _proofs(audit: Audit, facts: SchemaFacts, window: TimeWindow | None) -> Iterator[Proof]:
    survey = audit.survey
    rights = [unseen for unseen in survey.unseen if not unseen.what.startswith("reads and writes")]
    text = "the account sees everything that could contradict"
    if rights:
        text = "this account cannot see " + "; ".join(f"{unseen.what} (needs {unseen.right})" for unseen in rights)
    yield Proof(name="nothing is hidden", holds=not rights, text=text)
    yield _holds_nothing_of_its_own(audit, facts)
    into = survey.references_to(facts.name)
    text = f"{', '.join(into[:5])} refers to it" if into else "no foreign key, view, routine, trigger or event names it"
    yield Proof(name="nothing refers to it", holds=not into, text=text)
    yield _unused(audit, facts)
    text = "AWS gives no restorable second for this cluster now"
    if window:
        text = f"every second from {utc_text(window.earliest)} to {utc_text(window.latest)} can be restored"
    yield Proof(name="there is a way back", holds=window is not None, text=text)


def _holds_nothing_of_its_own(audit: Audit, facts: SchemaFacts) -> Proof:
    name = "it is empty or a copy"
    if (made := audit.own.get(facts.name)) and made.known:
        return Proof(name=name, holds=True, text="; ".join(filter(None, (made.text, made.needed))))
    if facts.all_empty is None:
        return Proof(name=name, holds=False, text="not every table of it could be probed")
    if facts.all_empty:
        count = len(facts.base_tables)
        text = f"none of its {count} tables holds a row (each was probed)" if count else "it holds no table"
        return Proof(name=name, holds=True, text=text)
    likeness = audit.likenesses.get(facts.name)
    if likeness is None:
        return Proof(name=name, holds=False, text=f"{len(facts.filled)} of its tables hold rows, and no copy is known")
    if likeness.is_copy:
        return Proof(name=name, holds=True, text=f"every row of it is in {likeness.other} as well")
    own = [f"{t.table} ({(t.rows or 0) - t.same:,} rows)" for t in likeness.tables if t.same not in (None, t.rows)]
    own += [f"{t.table} ({t.note})" for t in likeness.tables if t.same is None]
    own += [f"{table} (only in it)" for table in likeness.only_own if table in facts.filled]
    text = f"it holds rows that are not in {likeness.other}: {', '.join(own[:6])}"
    return Proof(name=name, holds=False, text=text)


def _unused(audit: Audit, facts: SchemaFacts) -> Proof:
    name, survey = "nobody uses it", audit.survey
    if not facts.tables:
        return Proof(name=name, holds=True, text="there is nothing in it to read or write")
    if (own := audit.own.get(facts.name)) and own.known:
        return Proof(name=name, holds=True, text="only these runbooks have made it and know it")
    if not survey.counts_usage or survey.started is None:
        text = "this server does not count reads and writes (performance_schema is off or hidden)"
        return Proof(name=name, holds=False, text=text)
    since = f"since the server started {duration_text(survey.taken - survey.started)} ago"
    used = [table for table in facts.base_tables if table.reads or table.writes]
    if used:
        worst = max(used, key=lambda table: (table.writes or 0, table.reads or 0))
        most = f"{worst.name} read {worst.reads:,} and written {worst.writes:,} times"
        text = f"{len(used)} of its tables were used {since}, {most}"
        return Proof(name=name, holds=False, text=text)
    return Proof(name=name, holds=True, text=f"no table of it was read or written {since}")


def _way_back(facts: SchemaFacts, window: TimeWindow | None) -> str:
    made_anew = "Running the definitions below makes it again"
    if not facts.filled:
        return f"{made_anew}, as empty as it was."
    at = f' with timestamp="{iso(window.latest)}" or any later second before the drop' if window else ""
    return f"{made_anew}, without the rows of {', '.join(facts.filled[:5])}; those come from restore_to_timestamp{at}."


def _statements(schema: str, tables: tuple[str, ...]) -> Iterator[str]:
    if tables:
        listed = ", ".join(quoted(schema, table) for table in tables)
        yield "LOCK TABLES " + ", ".join(f"{quoted(schema, table)} WRITE" for table in tables)
        yield f"DROP TABLE {listed}"
        yield "UNLOCK TABLES"
    yield f"DROP DATABASE {quoted(schema)}"


def definitions(database: Database, facts: SchemaFacts) -> tuple[str, ...]:
    """Return the full DDL of a schema: the schema, its tables, views, routines, triggers and events, in that order."""
    found = [str(database.rows(f"SHOW CREATE DATABASE {quoted(facts.name)}")[0][1])]
    for table in (*facts.base_tables, *facts.views):
        found.append(str(database.rows(f"SHOW CREATE TABLE {quoted(facts.name, table.name)}")[0][1]))
    for code in facts.code:
        if code.kind != "VIEW":
            row = database.rows(f"SHOW CREATE {code.kind} {quoted(facts.name, code.name)}")[0]
            found.append(str(row[3] if code.kind == "EVENT" else row[2]))
    return tuple(found)


def candidates(audit: Audit) -> tuple[str, ...]:
    """Name the schemas that the advice would let go, for the reader who has chosen none."""
    return tuple(verdict.schema for verdict in audit.verdicts if verdict.advice in (Advice.DROP, Advice.PROVE))
