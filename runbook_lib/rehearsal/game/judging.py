"""Is the data right now? Compared with the story's truth; what records claim is not asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from runbook_lib.errors import RunbookError
from runbook_lib.rehearsal.control.aurora.models import Cluster
from runbook_lib.rehearsal.game.happening import Scene
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.rehearsal.story import EstateProof, take_proof
from runbook_lib.rehearsal.story.kept import differences_of_what_was

Answer = Literal["back", "not back", "could not look"]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer, and what is not as it should be. `rows_missing` is a count of rows, None where nobody could count."""

    answer: Answer
    wrong: tuple[str, ...] = ()
    rows_missing: int | None = None


def judge(stand_in: StandIn, scene: Scene) -> Verdict:
    """Compare what the application's cluster holds now with what it must hold, byte for byte. Only reads.

    The cluster is the one that has the name the application knows, whichever it was before.
    """
    name = stand_in.cluster
    with stand_in.control.rds.world.lock:
        cluster = stand_in.control.rds.clusters.get(name)
        members = cluster.live_members if isinstance(cluster, Cluster) and cluster.status == "available" else []
        serves = any(member.status == "available" for member in members)
        resource_id = cluster.db_cluster_resource_id if cluster else ""
    if not resource_id:
        nothing = (f"there is no cluster {name}: the application finds no database",)
        return Verdict(answer="not back", wrong=nothing, rows_missing=scene.truth.rows)
    try:
        with stand_in.data.admin(resource_id) as database:
            found = take_proof(database)
    except RunbookError as error:
        return Verdict(answer="could not look", wrong=(f"{name} could not be read: {error.message}",))
    wrong = differences_of_what_was(scene.truth, found)
    if not serves:
        wrong = (f"{name} has no instance that answers", *wrong)
    return Verdict(answer="not back" if wrong else "back", wrong=wrong, rows_missing=_missing(scene.truth, found))


def _missing(expected: EstateProof, found: EstateProof) -> int:
    """Count the rows that tables lack. A row with other values is none of them."""
    now = _rows(found)
    return sum(max(0, count - now.get(name, 0)) for name, count in _rows(expected).items())


def _rows(proof: EstateProof) -> Mapping[tuple[str, str], int]:
    return {(name, table): one.rows for name, schema in proof.schemas.items() for table, one in schema.tables.items()}
