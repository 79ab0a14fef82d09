"""The plan of a publish: every statement and object, decided before anything is changed. Pure functions of facts.

The tables of the load change places with their namesakes in one RENAME; tables that the load does not own stay.
Triggers of the live tables are on the new ones afterwards, foreign keys of tables that stay point at the new ones;
views, grants and routines follow the names by themselves.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from runbook_lib.errors import InputRefused
from runbook_lib.guard.generations import STATE, UNDONE, WAS, Published, dated, is_generation_of
from runbook_lib.guard.load_audit import LoadAudit
from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted
from runbook_lib.swap.definition import without_counter
from runbook_lib.swap.facts import ServerFacts, StoredObject
from runbook_lib.swap.foreign_keys import Tie, tie_of
from runbook_lib.swap.reach import Shut, shut_out
from runbook_lib.swap.rename import Swap, create_schema


@dataclass(frozen=True, kw_only=True)
class OldGeneration:
    """A generation that goes with this publish: its schema, the state that proves it ours, and its tables."""

    schema: str
    state: str
    tables: tuple[str, ...]

    @property
    def statements(self) -> tuple[str, ...]:
        """Return what drops it: only the tables that the state names, so that nothing else goes with it."""
        names = ", ".join(quoted(self.schema, table) for table in self.tables)
        return (*([f"DROP TABLE {names}"] if self.tables else []), f"DROP DATABASE {quoted(self.schema)}")


@dataclass(frozen=True, kw_only=True)
class PublishPlan:
    """What would be done. `tables` are those of the load, `replaced` those that are live; the others are new.

    `place` names the account, region and cluster (or server) it is for. `rows` and `digests` are those of the load as
    it was audited. `at` names the generation before and is no part of the id: the same load has the same id.
    """

    place: str
    live: str
    next: str
    at: datetime
    tables: tuple[str, ...]
    replaced: tuple[str, ...]
    staying: tuple[str, ...]
    triggers: tuple[StoredObject, ...]
    ties: tuple[Tie, ...]
    schema: tuple[str, str]
    shut: tuple[Shut, ...] = ()
    drops: tuple[OldGeneration, ...] = ()
    fingerprint: str = ""
    rows: Mapping[str, int] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)
    accepted: tuple[str, ...] = ()

    @property
    def was(self) -> str:
        """Return the schema in which the generation before is kept."""
        return dated(self.live, WAS, self.at)

    @property
    def undone(self) -> str:
        """Return the schema in which this load is kept if it is taken back."""
        return dated(self.live, UNDONE, self.at)

    @property
    def state(self) -> str:
        """Return the schema that keeps how far the publish has come, and what undoes it."""
        return f"{STATE}{self.id}"

    @property
    def id(self) -> str:
        """Return a hash of what would be done to what; not of the clock."""
        content = [
            self.place, self.live, self.next, self.tables, self.replaced, self.fingerprint, self.accepted,
            [trigger.statement for trigger in self.triggers], [tie.add for tie in self.ties],
            [old.statements for old in self.drops], sorted(self.rows.items()), sorted(self.digests.items()),
        ]  # fmt: skip
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:12]

    @property
    def swap(self) -> Swap:
        """Return the exchange: live tables away, the load's tables into their places, triggers as before."""
        away = [(TableName(schema=self.live, name=t), TableName(schema=self.was, name=t)) for t in self.replaced]
        into = [(TableName(schema=self.next, name=t), TableName(schema=self.live, name=t)) for t in self.tables]
        return Swap(renames=(*away, *into), off=self.triggers, on=self.triggers)

    @property
    def statements(self) -> tuple[str, ...]:
        """Return every statement, in order."""
        return (
            create_schema(self.was, *self.schema),
            *(kept_out.statement for kept_out in self.shut),
            *self.swap.statements,
            *(statement for tie in self.ties for statement in (tie.drop, tie.add)),
            *(statement for old in self.drops for statement in old.statements),
        )


def propose_publish(
    audit: LoadAudit, *, place: str, at: datetime, keep: int, earlier: Sequence[Published] = ()
) -> PublishPlan:
    """Make the plan of publishing a load. `keep` generations before the live one are kept, this publish's included.

    Raises:
        InputRefused: the load has triggers or views of its own, or `keep` is less than one.
    """
    generation = audit.generation
    facts, live = generation.facts, generation.live
    if keep < 1:
        raise InputRefused(
            f"`keep` is {keep}; the generation before has to be kept, or nothing could be undone.",
            hint="Set keep=1 or more.",
        )
    _refuse_objects(facts, generation.next)
    tables = tuple(sorted(generation.loaded))
    replaced = tuple(name for name in tables if name in generation.current)
    names = {TableName(schema=live, name=name) for name in replaced}
    outside = [key for key in facts.foreign_keys if key.parent in names and key.table not in names]
    found = audit.difference.tables if audit.difference else ()
    plan = PublishPlan(
        place=place,
        live=live,
        next=generation.next,
        at=at,
        tables=tables,
        replaced=replaced,
        staying=tuple(sorted(set(generation.current) - set(tables))),
        triggers=tuple(trigger for name in sorted(names) for trigger in facts.triggers_of(name)),
        ties=tuple(tie_of(key, facts) for key in outside if key.table.schema != generation.next),
        schema=facts.schemas[live],
        drops=_oldest(facts, earlier, live=live, keep=keep),
        fingerprint=fingerprint(facts, live, generation.next, tables),
        rows={name: rows for name in tables if (rows := generation.rows(generation.next, name)) is not None},
        digests={table.pair.found.name: str(table.found_digest.total) for table in found if table.found_digest},
        accepted=audit.accepted,
    )
    return replace(plan, shut=shut_out({plan.was: live}, facts))


def fingerprint(facts: ServerFacts, live: str, next_schema: str, tables: Sequence[str]) -> str:
    """Return a hash of how the tables that change places are made, and of their triggers."""
    names = [TableName(schema=schema, name=name) for schema in (live, next_schema) for name in tables]
    made = [
        [str(name), without_counter(facts.tables[name].create), [t.statement for t in facts.triggers_of(name)]]
        for name in names
        if name in facts.tables
    ]
    return hashlib.sha256(json.dumps(made).encode()).hexdigest()[:16]


def _refuse_objects(facts: ServerFacts, schema: str) -> None:
    own = [item for item in facts.objects if item.schema == schema]
    if own:
        raise InputRefused(
            f"`{schema}` has {own[0].title} of its own, which a RENAME cannot take along.",
            hint=f"Let the load make tables only; what hangs on them stays in the live schema. Drop {own[0].title}.",
        )


def _oldest(facts: ServerFacts, earlier: Sequence[Published], *, live: str, keep: int) -> tuple[OldGeneration, ...]:
    """Return the generations beyond `keep` that their own state proves to be ours: their name, and only its tables."""
    kept = [load for load in earlier if load.was in facts.schemas and is_generation_of(load.was, live)]
    found = []
    for old in kept[: max(0, len(kept) + 1 - keep)]:
        tables = tuple(sorted(name.name for name in facts.tables if name.schema == old.was))
        if set(tables) <= set(old.rows):
            found.append(OldGeneration(schema=old.was, state=old.state, tables=tables))
    return tuple(found)
