"""Does a load hold? The next generation looked at before it is published, each thing as a check with its sentence.

*bad* holds the load; *unknown* does too, because what nobody could look at is published by nobody. What a person
accepts by name (`accept`) is said as *mind*, and is part of the plan's id.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.errors import InputRefused, NotFound, RunbookError
from runbook_lib.guard.dbt_results import dbt_checks
from runbook_lib.guard.history import PastLoad, too_few
from runbook_lib.guard.load_checks import (
    ASK_LOAD,
    Generation,
    contract_checks,
    definition_checks,
    judged,
    key_checks,
    orphan_checks,
    some,
)
from runbook_lib.guard.measuring import SHARE, Closely, Wanted, measure, owned, told_apart
from runbook_lib.guard.sampling import rewriting_checks
from runbook_lib.guard.value_checks import group_checks, value_checks
from runbook_lib.inventory import TableName
from runbook_lib.mysql import Database, quoted
from runbook_lib.proof import Pair, Proof, ProofOptions, Side, prove
from runbook_lib.proof.tally import EXAMINED
from runbook_lib.schemas.contract import SchemaContract, read_contract
from runbook_lib.swap.facts import ServerFacts

GONE_SHARE, SWAPPED_SHARE = 0.5, 0.5  # of a table's rows: more than that is no night's change
_GROWN, _APART = 0.3, 0.7  # rows more than are live; the share of rows that differ in more than their number
_LINGERING = 16  # looks, half a second apart
_FEW = 20  # rows; a share of fewer says nothing


@dataclass(frozen=True, kw_only=True)
class Measures:
    """What a load is measured by: loads published before, and the paths of a contract and of dbt's run_results.json."""

    past: Sequence[PastLoad] = ()
    contract: str = ""
    run_results: str = ""


@dataclass(frozen=True, kw_only=True)
class LoadAudit:
    """What was found of a load. `difference` holds live against next, to the row: missing rows are gone, extra new."""

    generation: Generation
    difference: Proof | None = field(repr=False)
    checks: tuple[Check, ...]
    accepted: tuple[str, ...] = ()

    @property
    def holding(self) -> tuple[Check, ...]:
        """Return the checks that keep the load from being published."""
        return tuple(check for check in self.checks if check.state in ("bad", "unknown"))


def _contract_of(path: str, schema: str) -> SchemaContract | None:
    """Return what a contract says of a schema, None without a contract.

    Raises:
        InputRefused: it cannot be read, or does not know the schema.
    """
    if not path:
        return None
    contract = read_contract(Path(path))
    contract.table_patterns(schema)
    return contract.schemas[schema]


def look(side: Side, facts: ServerFacts, *, live: str, next_schema: str) -> Generation:
    """Count every table of both generations that are to be exchanged. Changes nothing.

    Raises:
        InputRefused: there is no such live schema.
        NotFound: there is no load: its schema is not there, or holds no table.
    """
    if live not in facts.schemas:
        raise InputRefused(f"There is no schema `{live}` at {facts.name}.", hint="Check `live`.")
    names = owned(facts, next_schema)
    if not names:
        missing = "holds no table" if next_schema in facts.schemas else "is not there"
        raise NotFound(
            f"There is no load to publish: `{next_schema}` {missing}.", hint="Has the load run? Look at its log."
        )
    wanted = [*names.values(), *(table for name, table in owned(facts, live).items() if name in names)]
    measured, denied = measure(side.connect, [(table, "rows", ()) for table in wanted])
    return Generation(live=live, next=next_schema, facts=facts, measured=measured, denied=denied)


def audit_load(
    side: Side, generation: Generation, *, measure_by: Measures, at: datetime, accept: str = ""
) -> LoadAudit:
    """Make every check of a load. None changes anything, and none keeps another from being made.

    `at` is the aware moment of this load in the loads' zone. `accept` names subjects whose finding a person accepts.

    Raises:
        InputRefused: a file cannot be read, or `accept` names no subject of a check.
    """
    spec = _contract_of(measure_by.contract, generation.live)
    with side.connect() as database:
        sessions = tuple(_sessions(database, generation))  # before our own are opened
    with ThreadPoolExecutor(1) as pool, side.connect() as database:
        compared = pool.submit(_difference, side, generation)  # it has connections of its own
        beside = [
            *key_checks(database, generation),
            *contract_checks(database, generation, spec, at),
            *(dbt_checks(measure_by.run_results, generation) if measure_by.run_results else ()),
        ]
        difference, trouble = compared.result()
        measured = pool.submit(_measured, side, generation, difference)
        orphans = [*orphan_checks(database, generation, difference)]
        generation = measured.result()
        checks = [
            *sessions,
            *_tables(generation, spec, measure_by.past),
            *_rows(generation, measure_by.past, at),
            *_difference_checks(generation, difference, trouble),
            *definition_checks(generation),
            *orphans,
            *group_checks(database, generation, difference),
            *rewriting_checks(database, generation, difference),
            *_doubled_content(database, generation, difference),
            *value_checks(generation, at, max((load.at for load in measure_by.past), default=None)),
            *beside,
        ]
    subjects = [part for name in accept.split(",") if (part := name.strip())]
    if strange := [name for name in subjects if name not in {check.subject for check in checks}]:
        known = ", ".join(sorted({check.subject for check in checks}))
        raise InputRefused(f'`accept` names "{strange[0]}", which is no check.', hint=f"There are: {known}.")
    return LoadAudit(
        generation=generation,
        difference=difference,
        checks=tuple(_accepted(check, subjects) for check in checks),
        accepted=tuple(sorted(set(subjects))),
    )


def _accepted(check: Check, subjects: Sequence[str]) -> Check:
    if check.subject not in subjects or check.state in ("ok", "warn"):
        return check
    return replace(check, state="warn", sentence=f"Accepted: {check.sentence}")


def _difference(side: Side, generation: Generation) -> tuple[Proof | None, str]:
    names = sorted(set(generation.loaded) & set(generation.current))
    pairs = [
        Pair(expected=TableName(schema=generation.live, name=name), found=TableName(schema=generation.next, name=name))
        for name in names
    ]
    if not pairs:
        return None, ""
    try:
        return prove(side, side, pairs=pairs, options=ProofOptions(personal=("*",))), ""
    except RunbookError as error:
        return None, error.message


def _measured(side: Side, generation: Generation, difference: Proof | None) -> Generation:
    """Measure what differs as closely as it differs; all where the comparison could not be made.

    Which columns have changed is known where rows were changed only, and each of them was looked at.
    """
    verdicts = {verdict.pair.found.name: verdict for verdict in difference.tables} if difference else {}
    wanted: list[Wanted] = []
    for name in set(generation.loaded) & set(generation.current):
        closely: Closely = "all"
        changed = {column.name for column in generation.loaded[name].loaded}
        if name in verdicts:
            verdict = verdicts[name]
            differing = verdict.missing + verdict.extra + verdict.changed
            if not differing:
                continue
            if differing <= SHARE * min(verdict.expected_rows or 0, verdict.found_rows or 0):
                closely = "ends"
            if not verdict.missing and not verdict.extra and verdict.changed <= EXAMINED:
                changed &= set(verdict.columns)
        wanted += [(generation.loaded[name], closely, changed), (generation.current[name], closely, changed)]
    measured, denied = measure(side.connect, wanted)
    return replace(generation, measured={**generation.measured, **measured}, denied={**generation.denied, **denied})


# ---- checks ----------------------------------------------------------------------------------------------------------


def _sessions(database: Database, generation: Generation) -> Iterator[Check]:
    """Nobody may still be loading: no other session in the next generation, no open transaction with changes."""
    try:
        busy = _busy(database, generation)
        for _ in range(_LINGERING):  # a session that has just ended stands in the list for a moment
            if not busy:
                break
            time.sleep(0.5)
            busy = _busy(database, generation)
        all_seen = _sees_all(database)
    except RunbookError as error:
        yield unknown("sessions", f"Whether the load is still running could not be looked at: {error.message}")
        return
    if busy:
        yield bad(
            "sessions",
            f"{some(busy)} is in `{generation.next}`: the load may still be running.",
            "Wait for it to end, or end that session.",
        )
    elif not all_seen:
        yield unknown("sessions", "This account sees only its own sessions; whether the load still runs is not known")
    else:
        yield from _transactions(database, generation)


def _busy(database: Database, generation: Generation) -> list[str]:
    own = int(database.value("SELECT CONNECTION_ID()"))
    rows = database.rows("SELECT id, user, db, command, COALESCE(info, '') FROM information_schema.processlist")
    named = (quoted(generation.next), f"{generation.next}.")
    return [
        f"session {session} of {user}"
        for session, user, schema, command, text in rows
        if int(session) != own
        and (str(schema or "") == generation.next or any(name in str(text) for name in named))
        and str(command) != "Daemon"
    ]


def _sees_all(database: Database) -> bool:
    lines = [str(row[0]) for row in database.rows("SHOW GRANTS")]
    return any(" ON *.* " in line and ("PROCESS" in line or "ALL PRIVILEGES" in line) for line in lines)


def _transactions(database: Database, generation: Generation) -> Iterator[Check]:
    try:
        open_ones = database.rows(
            "SELECT trx_mysql_thread_id FROM information_schema.innodb_trx"
            " WHERE trx_rows_modified > 0 AND trx_mysql_thread_id <> CONNECTION_ID()"
        )
    except RunbookError as error:
        yield unknown("sessions", f"Open transactions could not be looked at: {error.message}")
        return
    if open_ones:
        sessions = some(str(row[0]) for row in open_ones)
        yield warn("sessions", f"Session {sessions} has changed rows and not committed; it may be the load.",
                   "If it is, wait for it to end.")  # fmt: skip
    else:
        yield ok("sessions", f"Nobody is in `{generation.next}`, and no transaction with changes is open.")


def _doubled_content(database: Database, generation: Generation, difference: Proof | None) -> Iterator[Check]:
    """Look, where a table has grown much, whether its rows stand in it twice under numbers of their own."""
    found: list[str] = []
    try:
        for verdict in difference.tables if difference else ():
            new, old = verdict.found_rows or 0, verdict.expected_rows or 0
            name = verdict.pair.found.name
            if old < _FEW or new < old * (1 + _GROWN):
                continue
            counts = [told_apart(database, tables[name]) for tables in (generation.loaded, generation.current)]
            if min(counts) > 0 and counts[0] / new < _APART * counts[1] / old:
                found.append(f"{name}: {new:,} rows, of which {counts[0]:,} differ in more than their number")
    except RunbookError as error:
        yield unknown("rows twice", f"Whether rows stand twice could not be looked at: {error.message}")
        return
    yield judged(
        "rows twice", found, f"The load may have run twice. {ASK_LOAD}", right="No table holds its rows twice."
    )


def _tables(generation: Generation, spec: SchemaContract | None, past: Sequence[PastLoad]) -> Iterator[Check]:
    loaded = set(generation.loaded)
    denied = [f"{name.schema}.{name.name}" for name in generation.denied]
    if denied:
        yield unknown("reading", f"{some(denied)} could not be read")
    expected = set(past[-1].rows) if past else set()
    if spec:
        expected |= {table.name for table in spec.tables if not table.is_pattern}
    gone = sorted(expected - loaded)
    new = sorted(loaded - set(generation.current))
    yield judged(
        "tables",
        [f"{name} is not in the load" for name in gone],
        f"It was in the load before, or the contract wants it. {ASK_LOAD}",
        right=f"{len(loaded)} tables, none is missing; {len(new)} are new.",
    )


def _rows(generation: Generation, past: Sequence[PastLoad], at: datetime) -> Iterator[Check]:
    counts = {name: rows for name in generation.loaded if (rows := generation.rows(generation.next, name)) is not None}
    emptied = [name for name in sorted(counts) if not counts[name] and generation.rows(generation.live, name)]
    if counts and not any(counts.values()):
        yield bad("empty", "Every table of the load is empty.", ASK_LOAD)
    else:
        yield judged("empty", [f"{name} is empty and has rows now" for name in emptied], ASK_LOAD,
                     right="No table that has rows would become empty.")  # fmt: skip
    short = too_few(counts, at, past)
    lines = [
        f"{name}: {counts[name]:,} rows, {short[name].usual:,.0f} are usual on {short[name].kind}"
        for name in sorted(short)
    ]
    if len(past) < 3:
        yield warn("history", f"{len(past)} earlier loads are known, too few for a measure of rows.",
                   "Look at the difference to the row instead.")  # fmt: skip
    else:
        yield judged("history", lines, ASK_LOAD, right=f"As many rows as {len(past)} earlier loads let expect.")


def _difference_checks(generation: Generation, difference: Proof | None, trouble: str) -> Iterator[Check]:
    if trouble:
        yield unknown("difference", f"The load could not be compared with what is live: {trouble}")
    if difference is None:
        return
    if difference.verdict == "same" and set(generation.loaded) <= set(generation.current):
        yield bad("same as live", "The load is exactly what is live already: it may be an earlier file.",
                  ASK_LOAD)  # fmt: skip
        return
    gone, swapped = [], []
    twice = [
        f"{table.pair.expected.name}: {table.found_rows:,} rows, exactly twice as many as are live"
        for table in difference.tables
        if table.expected_rows and table.found_rows == 2 * table.expected_rows and not table.missing + table.changed
    ]
    yield judged("twice", twice, f"The load may have run twice. {ASK_LOAD}", right="No table is loaded twice.")
    for table in difference.tables:
        rows = table.expected_rows or 0
        if rows < _FEW:
            continue
        name = table.pair.expected.name
        if table.missing > rows * SWAPPED_SHARE and table.extra > rows * SWAPPED_SHARE:
            swapped.append(f"{name}: {table.missing:,} of {rows:,} rows would go and {table.extra:,} others come")
        elif table.missing > rows * GONE_SHARE:
            gone.append(f"{name}: {table.missing:,} of {rows:,} rows would go")
    yield judged("rows gone", gone, ASK_LOAD, right="No table would lose more than half of its rows.")
    yield judged("other data", swapped, f"That may be somebody else's file. {ASK_LOAD}",
                 right="No table's rows would be exchanged for others.")  # fmt: skip
