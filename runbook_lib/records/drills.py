"""What a store's records say of drills: the last proof, each drill with its hash, and those that are missing."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Mapping
from typing import Any

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import list_clusters
from runbook_lib.drills.scorecard import NOT_HELD, DrillRecord, Register
from runbook_lib.drills.values import SealedProof
from runbook_lib.errors import ApprovalRefused, InputRefused, NotFound
from runbook_lib.events import content_of
from runbook_lib.looking import Seen, look
from runbook_lib.proof import Proof
from runbook_lib.records.chain import read_chain
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.recovery import moment_in
from runbook_lib.records.register import Entry, check_store, entries
from runbook_lib.records.store import MANIFEST, PROOF, Store, default_store
from runbook_lib.records.verify import verify_store

log = logging.getLogger(__name__)

DRILL = "drill_restore"
_PROVING = ("restore_to_timestamp", DRILL)
_REFUSED = (InputRefused.exit_code, ApprovalRefused.exit_code)  # nothing was restored


def drills_on_record(*, store: Store | None = None) -> Register:
    """Read every drill of a store, and hold the store against its chain.

    A drill that went on when it was killed has no cluster in its record; it counts as missing. Runs that go on are left
    out. Where there is no store, nothing is known, and the register says so.
    """
    chosen = store or default_store()
    try:
        check_store(chosen)
    except NotFound as error:
        return Register(why_not=error.message)
    found = [entry for entry in entries(chosen) if entry.outcome is not Outcome.RUNNING]
    findings = verify_store(chosen)
    spoilt = {finding.file.rpartition("/")[0]: finding.problem for finding in findings}
    present = {entry.run_id for entry in found}
    gone = {link.run_id: link.folder for link in _links(chosen, found) if link.run_id and link.run_id not in present}
    drills = tuple(_drill(entry, spoilt, chosen) for entry in found if entry.notebook == DRILL)
    missing = [f"{folder} is gone" for folder in gone.values() if f"-{DRILL}-" in folder]
    missing += [
        f"{drill.place} does not say its cluster: {drill.problem}"
        for drill in drills
        if not drill.cluster and drill.outcome not in NOT_HELD
    ]
    return Register(
        drills=tuple(drill for drill in drills if drill.cluster),
        clusters=frozenset(entry.cluster for entry in found if entry.cluster),
        missing=tuple(missing),
        findings=tuple(map(str, findings)),
    )


def last_proof(cluster: str, *, store: Store | None = None) -> SealedProof | None:
    """Return the newest proof that a finished restore or drill of a cluster left, if its record is as it was sealed.

    A drill's counts only if it was proved. A proof whose file is not the one that was sealed is left out, and said.
    """
    for entry in reversed([*entries(store or default_store())]):
        second = moment_in((entry.summary.get("recovery") or {}).get("recovery_point"))
        of_drill = (entry.summary.get("recovery") or {}).get("drill")
        if entry.notebook not in _PROVING or entry.cluster != cluster or second is None or entry.manifest is None:
            continue
        if isinstance(of_drill, dict) and of_drill.get("verdict") != "proved":
            continue
        sealed = entry.manifest.files.get(PROOF)
        if sealed is None or entry.manifest.seal != entry.manifest.expected_seal():
            continue
        try:
            content = content_of(entry.folder / PROOF)
            if hashlib.sha256(content).hexdigest() != sealed.sha256:
                raise ValueError("it is not the file that was sealed")
            proof = Proof.from_json(json.loads(content))
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("the proof in the record %s is left out: %s", entry.run_id, error)
            continue
        return SealedProof(proof=proof, second=second, run_id=entry.run_id, sha256=sealed.sha256)
    return None


def clusters_alive(session: AwsSession) -> Seen[str]:
    """Return the clusters of the region that applications may mean, or why they could not be listed."""
    return look(lambda: [cluster.identifier for cluster in list_clusters(session) if cluster.stands_for_itself])


def _links(store: Store, found: list[Entry]) -> list[Any]:
    """Return every record that the chain names, or that a later record of a drill names as the one before it."""
    before = [entry.manifest.previous for entry in found if entry.manifest and entry.manifest.previous]
    return [*read_chain(store), *before]


def _drill(entry: Entry, spoilt: Mapping[str, str], store: Store) -> DrillRecord:
    said: Mapping[str, Any] = entry.summary.get("recovery") or {}
    of_drill: Mapping[str, Any] = said.get("drill") or {}
    manifest, place = entry.manifest, store.name_of(entry.folder)
    approval = manifest.approval if manifest else None
    content = content_of(entry.folder / MANIFEST) if manifest else b""
    return DrillRecord(
        cluster=entry.cluster,
        started=entry.started,
        outcome="refused" if manifest and manifest.exit_code in _REFUSED else entry.outcome.value,
        run_id=entry.run_id,
        place=place,
        sha256=hashlib.sha256(content).hexdigest() if content else "",
        problem=entry.problem or spoilt.get(place, ""),
        person=approval.by if approval else manifest.operator.aws_arn if manifest else "",
        second=moment_in(said.get("recovery_point")),
        verdict=str(of_drill.get("verdict", "")),
        rows_proved=_number(of_drill.get("rows_proved")) or 0,  # type: ignore[arg-type]
        phases={
            str(name): float(took) for name, took in (said.get("phases") or {}).items() if _number(took) is not None
        },
        recovery_seconds=_number(said.get("recovery_seconds")),
        recovery_time_minutes=_number(of_drill.get("recovery_time_minutes")),
        lag_seconds=_number(of_drill.get("lag_seconds")),
        recovery_point_minutes=_number(of_drill.get("recovery_point_minutes")),
        usd=_number(of_drill.get("usd")),
    )


def _number(value: object) -> float | None:
    return value if isinstance(value, int | float) and not isinstance(value, bool) else None
