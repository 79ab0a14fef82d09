"""The audit as a whole: everything that the notebook shows, read once."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from runbook_lib.mysql import Database
from runbook_lib.schemas.comparing import Difference, against_contract, against_dbt, measure
from runbook_lib.schemas.contract import Contract, read_contract
from runbook_lib.schemas.facts import Survey
from runbook_lib.schemas.last_audit import LastAudit, last_from, own_reads_taken_off, remembered
from runbook_lib.schemas.likeness import Likeness, artefact_of, compare_schemas, forerunner_of
from runbook_lib.schemas.manifest import DbtManifest, read_manifest
from runbook_lib.schemas.names import MalformedName, malformed, same_but_for_case
from runbook_lib.schemas.own import OwnSchema, own_schemas
from runbook_lib.schemas.profile import Profile, profile, profile_by_names
from runbook_lib.schemas.survey import columns_of, reads_of, survey
from runbook_lib.schemas.verdicts import SchemaVerdict, judge

log = logging.getLogger(__name__)

PROFILED = 10
"""So many unexplained schemas, those with most filled tables, are looked into; the others are known by their names."""

_read_before: dict[str, LastAudit] = {}
"""What this process has read of each server: who plans, reads and approves in one kernel has no record yet."""


@dataclass(frozen=True, kw_only=True)
class OddName:
    """A malformed name and where it is: a schema (`kind` "schema"), table, view, column or routine."""

    schema: str
    kind: str
    name: MalformedName
    origin: str


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was found, compared and judged. Everything in it is a value; showing it is the display's matter."""

    survey: Survey
    contract: Contract
    manifest: DbtManifest | None
    differences: tuple[Difference, ...]
    likenesses: Mapping[str, Likeness]
    profiles: Mapping[str, Profile]
    verdicts: tuple[SchemaVerdict, ...]
    odd_names: tuple[OddName, ...]
    own: Mapping[str, OwnSchema]
    now: datetime
    last: LastAudit | None
    reads_after: Mapping[tuple[str, str], int]  # the server's counts when our own reading was over

    @property
    def broken(self) -> tuple[Difference, ...]:
        """Return what breaks the contract."""
        return tuple(difference for difference in self.differences if difference.breaks)

    def verdict_on(self, schema: str) -> SchemaVerdict | None:
        """Return the verdict on one schema, None for one that was not judged."""
        return next((verdict for verdict in self.verdicts if verdict.schema == schema), None)


def audit_schemas(
    database: Database, *, contract: str, dbt_manifest: str = "", now: datetime, last: LastAudit | None = None
) -> Audit:
    """Look at every schema of a server, compare it with the contract (and dbt's manifest), and judge it. Only reads.

    `now` is the moment freshness is measured against.

    Raises:
        InputRefused: the contract or the manifest cannot be used.
    """
    wanted = read_contract(Path(contract))
    manifest = read_manifest(Path(dbt_manifest)) if dbt_manifest else None
    return _audit(database, wanted, manifest, now=now, last=last)


def audit_again(database: Database, audit: Audit) -> Audit:
    """Look once more, with the same contract. The reads of the audit before are not taken for somebody's."""
    return _audit(database, audit.contract, audit.manifest, now=audit.now, last=audit.last)


def _newest(*known: LastAudit | None) -> LastAudit | None:
    return max((last for last in known if last), key=lambda last: last.taken, default=None)


def _audit(
    database: Database, wanted: Contract, manifest: DbtManifest | None, *, now: datetime, last: LastAudit | None
) -> Audit:
    found = own_reads_taken_off(survey(database), _newest(last, _read_before.get(str(database.endpoint))))
    manifest = manifest.for_server(case_sensitive=found.case_sensitive) if manifest else None
    own = own_schemas(database, found.schemas)
    unexplained = sorted(
        (name for name in found.schemas if name not in own and _is_unexplained(name, found, wanted)),
        key=lambda name: (-len(found.schemas[name].filled), name),
    )
    looked_into = unexplained[:PROFILED]
    columns = columns_of(database, _with_columns(found, wanted, manifest) | set(looked_into))
    measured = measure(database, found, wanted)
    differences = against_contract(found, wanted, measured=measured, now=now, columns=columns)
    if manifest:
        differences += against_dbt(found, manifest, columns=columns)
    likenesses = {
        name: compare_schemas(database, found, name, other)
        for name in found.schemas
        if name not in wanted.schemas and (other := forerunner_of(name, found.schemas))
    }
    profiles = {
        name: profile(database, found.schemas[name], columns=columns.get(name, {}), manifest=manifest)
        if name in looked_into
        else profile_by_names(found.schemas[name], manifest=manifest)
        for name in unexplained
    }
    after = reads_of(database) if found.counts_usage else {}
    _read_before[str(database.endpoint)] = last_from(remembered(found, reads_now=after), run_id="")
    return Audit(
        survey=found,
        contract=wanted,
        manifest=manifest,
        differences=differences,
        likenesses=likenesses,
        profiles=profiles,
        verdicts=judge(
            found, contract=wanted, differences=differences, likenesses=likenesses, profiles=profiles, own=own
        ),
        odd_names=odd_names(found),
        own=own,
        now=now,
        last=last,
        reads_after=after,
    )


def _is_unexplained(name: str, found: Survey, wanted: Contract) -> bool:
    known = wanted.schemas.get(name)
    if known:
        return known.status == "unknown"
    superseded = any(name in other.replaces for other in wanted.schemas.values())
    renamed = name.startswith("_") and forerunner_of(name, found.schemas)
    return not superseded and not renamed and not artefact_of(found.schemas[name], found)


def _with_columns(found: Survey, wanted: Contract, manifest: DbtManifest | None) -> set[str]:
    asked = {name for name, schema in wanted.schemas.items() if any(table.columns for table in schema.tables)}
    built = {relation.schema for relation in manifest.relations if relation.columns} if manifest else set()
    return (asked | built) & set(found.schemas)


def odd_names(found: Survey) -> tuple[OddName, ...]:
    """Return every malformed name of a schema, table, view or routine, and names that differ by case only."""
    odd: list[OddName] = []
    for schema, facts in found.schemas.items():
        if bad := malformed(schema):
            odd.append(OddName(schema=schema, kind="schema", name=bad, origin=""))
        origin = artefact_of(facts, found)
        for table in facts.tables.values():
            if bad := malformed(table.name):
                odd.append(
                    OddName(schema=schema, kind=table.kind.lower(), name=bad, origin=_origin(bad, origin, found))
                )
        odd += [
            OddName(schema=schema, kind=code.kind.lower(), name=bad, origin="")
            for code in facts.code
            if code.kind != "VIEW" and (bad := malformed(code.name))
        ]
        for group in same_but_for_case(list(facts.tables)):
            bad = MalformedName(name=" / ".join(group), faults=("differ by upper and lower case only",))
            text = "on a server with lower_case_table_names=1 they would be one table"
            odd.append(OddName(schema=schema, kind="tables", name=bad, origin=text))
    return tuple(odd)


def _origin(bad: MalformedName, artefact: str, found: Survey) -> str:
    wanted = found.schemas.get(bad.meant_schema)
    if wanted and bad.meant in wanted.tables:
        return f"meant {bad.meant_schema}.{bad.meant}, which exists: quoted as one name by a dump"
    if artefact or bad.meant_schema in found.schemas:
        return f"meant {bad.meant_schema}.{bad.meant}: quoted as one name by a dump"
    return f"probably meant {bad.meant}" if bad.meant else ""
