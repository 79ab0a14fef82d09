"""What each schema is, on which evidence, and the one thing to do about it. Pure functions of facts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from runbook_lib.schemas.comparing import MISSING, MISSING_SCHEMA, TOO_FEW, Difference
from runbook_lib.schemas.contract import Contract, SchemaContract
from runbook_lib.schemas.facts import SchemaFacts, Survey
from runbook_lib.schemas.likeness import Likeness, artefact_of, forerunner_of
from runbook_lib.schemas.names import malformed
from runbook_lib.schemas.own import OwnSchema
from runbook_lib.schemas.profile import Profile


class Verdict(StrEnum):
    """What a schema is."""

    ACTIVE = "active"
    INCOMPLETE = "incomplete"
    EMPTY = "empty but expected"
    MISSING = "missing"
    LEFTOVER = "leftover"
    ARTEFACT = "artefact of a dump"
    UNKNOWN = "unknown"
    OURS = "made by these runbooks"
    UNSEEN = "could not be seen"


class Advice(StrEnum):
    """The one thing to do. None of them is done by reading it: dropping always goes through a plan and its approval."""

    KEEP = "keep"
    ASK = "ask"
    PROVE = "drop after proof"
    DROP = "drop"


@dataclass(frozen=True, kw_only=True)
class SchemaVerdict:
    """The verdict on one schema, each sentence of its evidence, the advice, and whom or what to ask."""

    schema: str
    verdict: Verdict
    advice: Advice
    evidence: tuple[str, ...]
    ask: str = ""
    purpose: str = ""
    tables: int = 0
    filled: int = 0


def judge(
    survey: Survey,
    *,
    contract: Contract,
    differences: Sequence[Difference] = (),
    likenesses: Mapping[str, Likeness] | None = None,
    profiles: Mapping[str, Profile] | None = None,
    own: Mapping[str, OwnSchema] | None = None,
) -> tuple[SchemaVerdict, ...]:
    """Judge every schema there is or should be: those of the contract in its order, then the others by name.

    `own` are those that copies back of these runbooks have made.
    """
    others = sorted(set(survey.schemas) - set(contract.schemas))
    found = []
    for name in [*contract.schemas, *others]:
        facts, wanted = survey.schemas.get(name), contract.schemas.get(name)
        differing = [difference for difference in differences if difference.schema == name]
        if facts is None:
            assert wanted is not None
            if wanted.status == "active":
                found.append(_absent(name, wanted, differing))
        elif wanted and wanted.status == "active":
            found.append(replace(_expected(facts, wanted, differing), purpose=wanted.purpose))
        elif wanted is None and own and name in own:
            found.append(_ours(facts, own[name]))
        else:
            likeness = (likenesses or {}).get(name)
            verdict = _other(facts, survey, contract, likeness, (profiles or {}).get(name))
            found.append(replace(verdict, purpose=wanted.purpose if wanted else ""))
    return tuple(found)


def _absent(name: str, wanted: SchemaContract, own: Sequence[Difference]) -> SchemaVerdict:
    sure = any(difference.what == MISSING_SCHEMA for difference in own)
    return SchemaVerdict(
        schema=name,
        verdict=Verdict.MISSING if sure else Verdict.UNSEEN,
        advice=Advice.ASK,
        evidence=("the schema is not there" if sure else "this account does not see the schema, if it is there",),
        ask=wanted.ask,
        purpose=wanted.purpose,
    )


def _expected(facts: SchemaFacts, wanted: SchemaContract, own: Sequence[Difference]) -> SchemaVerdict:
    broken = [difference for difference in own if difference.breaks]
    evidence = [_held(facts)]
    evidence += [d.detail for d in broken if d.what == MISSING and not d.table]
    names = sorted({d.table for d in broken if d.what == MISSING and d.table})
    if names:
        evidence.append(f"missing: {_some(names)}")
    few = sorted({d.table for d in broken if d.what == TOO_FEW})
    if few:
        evidence.append(f"too few rows: {_some(few)}")
    evidence += [f"{d.table}: {d.what}, {d.detail}" for d in broken if d.what not in (MISSING, TOO_FEW)][:5]
    extra = sorted({d.table for d in own if not d.breaks and d.what.endswith("not expected")})
    if extra:
        evidence.append(f"not in the contract: {_some(extra)}")
    unsure = [d for d in own if not d.breaks and d.what.startswith("could not")]
    if unsure:
        evidence.append(f"could not be seen: {_some([d.table for d in unsure])}")
    if not wanted.tables and not wanted.min_tables:
        evidence.append("the contract expects no table in it")
    verdict = Verdict.ACTIVE
    if broken:
        verdict = Verdict.EMPTY if not facts.tables or facts.all_empty else Verdict.INCOMPLETE
    elif unsure:
        verdict = Verdict.UNSEEN
    ask = "" if verdict is Verdict.ACTIVE else wanted.ask
    return _verdict(facts, verdict, Advice.KEEP if verdict is Verdict.ACTIVE else Advice.ASK, evidence, ask)


def _other(
    facts: SchemaFacts, survey: Survey, contract: Contract, likeness: Likeness | None, profile: Profile | None
) -> SchemaVerdict:
    wanted = contract.schemas.get(facts.name)
    evidence = [_held(facts), *_ties(facts, survey)]
    if origin := artefact_of(facts, survey):
        evidence.append(
            f"every table is named like `{facts.base_tables[0].name}`: a dump chose this schema and wrote the names of "
            f"{origin} inside one pair of quotes"
        )
        if facts.all_empty:
            evidence.append("it comes back with the next load unless the dump is cleaned (`runbook dump clean`)")
        ask = "whoever delivers the dump"
        advice = Advice.PROVE if facts.all_empty else Advice.ASK
        return _verdict(facts, Verdict.ARTEFACT, advice, evidence, ask)
    superseded = [name for name, other in contract.schemas.items() if facts.name in other.replaces]
    if superseded:
        evidence.append(f"{superseded[0]} does its work now, says the contract")
    other = forerunner_of(facts.name, survey.schemas)
    if other:
        evidence += _against(other, likeness)
    if superseded or (other and facts.name.startswith("_")) or (wanted and wanted.status == "legacy"):
        if facts.all_empty is None:
            return _verdict(facts, Verdict.LEFTOVER, Advice.ASK, [*evidence, "not every table could be read"], "")
        bare = not facts.tables and not facts.code and not survey.references_to(facts.name)
        return _verdict(facts, Verdict.LEFTOVER, Advice.DROP if bare else Advice.PROVE, evidence, "")
    if profile and profile.origin:
        evidence.append(f"probably {profile.origin}")
    ask = (wanted.ask if wanted else "") or (profile.ask if profile else "") or "the accounts that are granted it"
    return _verdict(facts, Verdict.UNKNOWN, Advice.ASK, evidence, ask)


def _ours(facts: SchemaFacts, own: OwnSchema) -> SchemaVerdict:
    evidence = [_held(facts), own.text]
    if own.needed:
        evidence.append(own.needed)
    if own.known:
        ends = "; that ends the undo" if own.needed else ""
        evidence.append(f'`drop` = "{facts.name}" shows the plan that drops it{ends}')
    advice = Advice.ASK if not own.known else Advice.KEEP if own.needed else Advice.PROVE
    ask = "" if own.known else "whoever ran bring_back_data on this cluster"
    return _verdict(facts, Verdict.OURS, advice, evidence, ask)


def _held(facts: SchemaFacts) -> str:
    tables = facts.base_tables
    if not tables:
        return "holds no table" if not facts.views else f"holds no table, {len(facts.views)} views"
    unread = sum(table.empty is None for table in tables)
    text = f"{len(tables)} tables, {len(facts.filled)} of them with rows" if facts.filled else f"{len(tables)} tables, "
    if not facts.filled:
        text += "all empty" if not unread else "none seen with rows"
    return text + (f"; {unread} could not be read" if unread else "")


def _ties(facts: SchemaFacts, survey: Survey) -> list[str]:
    ties = []
    if into := survey.references_to(facts.name):
        ties.append(f"referred to by {_some(list(into))}")
    if facts.grants:
        ties.append(f"granted by name to {_some(list(facts.grants))}")
    writes = [table.writes for table in facts.base_tables]
    if survey.counts_usage and writes and not any(writes):
        ties.append("not written since the server started")
    return ties


def _against(other: str, likeness: Likeness | None) -> list[str]:
    said = [f"{other} has the same name but for the underscore"]
    if likeness is None:
        return said
    if likeness.tables:
        said.append(
            f"{len(likeness.tables)} of its tables are in {other} too: {_some([t.table for t in likeness.tables])}"
        )
    if likeness.share is not None:
        rows = sum(table.rows or 0 for table in likeness.tables)
        same = sum(table.same or 0 for table in likeness.tables)
        said.append(f"{same:,} of {rows:,} rows ({likeness.share:.0%}) are the same there")
    if likeness.only_own:
        said.append(f"only in it: {_some(list(likeness.only_own))}; what they hold is nowhere else")
    return said


def _some(names: Sequence[str], most: int = 6) -> str:
    rest = len(names) - most
    shown = ", ".join(odd.shown if (odd := malformed(name)) else name for name in names[:most])
    return f"{shown} and {rest} more" if rest > 0 else shown


def _verdict(facts: SchemaFacts, verdict: Verdict, advice: Advice, evidence: Sequence[str], ask: str) -> SchemaVerdict:
    return SchemaVerdict(
        schema=facts.name, verdict=verdict, advice=advice, evidence=tuple(evidence), ask=ask,
        tables=len(facts.base_tables), filled=len(facts.filled),
    )  # fmt: skip
