"""The whole incident on this machine: inspect, plan, restore, and the proof that the right data came back."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from runbook_lib.errors import CheckFailed
from runbook_lib.records.run import RunRecord, run_notebook
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.rehearsal.story import EstateProof, Story, differences, take_proof
from runbook_lib.rehearsal.story.kept import wrong_after_keeping
from runbook_lib.times import iso

Say = Callable[[str], None]


@dataclass(frozen=True, kw_only=True)
class Damage:
    """What two moments of the estate differ in. Tables are written `schema.table`, rows are exact counts."""

    gone: tuple[str, ...]
    emptied: tuple[str, ...]
    smaller: tuple[str, ...]
    rows_lost: int


@dataclass(frozen=True, kw_only=True)
class Rehearsal:
    """What a rehearsal came to. `left` is every difference between the restored data and the story's own proof.

    Where it was put back into the damaged cluster, `kept` is how many rows written after the wipe had to stay, and
    `wrong` is what the story's own proof finds wrong there.
    """

    engine: str
    story: Story
    damage: Damage
    tables_back: int
    rows_back: int
    left: tuple[str, ...]
    records: tuple[RunRecord, ...]
    seconds: Mapping[str, float]
    kept: int | None = None
    wrong: tuple[str, ...] = ()

    @property
    def proved(self) -> bool:
        """Tell whether exactly the story's data came back, and to the damaged cluster too where it was put back."""
        return not self.left and not self.wrong


def damage_between(before: EstateProof, after: EstateProof) -> Damage:
    """Count what is missing in the later proof."""
    rows, now = _rows(before), _rows(after)
    gone = tuple(name for name in rows if name not in now)
    emptied = tuple(name for name, count in rows.items() if count and now.get(name) == 0)
    smaller = tuple(name for name, count in rows.items() if 0 < now.get(name, 0) < count)
    lost = sum(max(0, count - now.get(name, 0)) for name, count in rows.items())
    return Damage(gone=gone, emptied=emptied, smaller=smaller, rows_lost=lost)


def _rows(proof: EstateProof) -> dict[str, int]:
    return {
        f"{name}.{table}": found.rows
        for name, schema in proof.schemas.items()
        for table, found in schema.tables.items()
    }


@dataclass
class Clock:
    """Times phases and says when each begins."""

    say: Say
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Time what is done inside."""
        self.say(f"{name} …")
        began = time.monotonic()
        yield
        self.seconds[name] = time.monotonic() - began


def rehearse(
    stand_in: StandIn, *, notebooks: Path, store: Store, seed: int, say: Say, to_the_end: bool = True
) -> Rehearsal:
    """Tell the story to a running stand-in, then bring the data back. Raises as `bring_back`.

    `to_the_end` puts it into service too: copied back into the damaged cluster, with the rows kept that the
    application wrote since. Without it the rehearsal ends when the copy is proved.
    """
    clock = Clock(say)
    with clock.phase("a week of history and the failing load"):
        story = stand_in.tell_story(seed=seed, progress=lambda text, done, total: say(f"  {done:>2}/{total} {text}"))
    done = bring_back(stand_in, story, notebooks=notebooks, store=store, clock=clock)
    return put_back(stand_in, done, notebooks=notebooks, store=store, clock=clock) if to_the_end else done


def bring_back(
    stand_in: StandIn, story: Story, *, notebooks: Path, store: Store, clock: Clock, target: str = ""
) -> Rehearsal:
    """Bring the data from before the wipe back with the notebooks, headless, and hold it to the story's proof.

    `target` names the new cluster; empty leaves it to the plan.

    Raises:
        CheckFailed: a notebook did not end as it should; its record says why.
    """
    moment = iso(story.restore_point)
    common = {"timestamp": moment, "region": stand_in.control.region, "timezone": "Asia/Tokyo"}

    def run(name: str, expected: str, **parameters: Any) -> RunRecord:
        return _run(notebooks / f"{name}.ipynb", expected, common | parameters, stand_in=stand_in, store=store)

    with clock.phase("inspect_backups"):
        inspected = run("inspect_backups", "succeeded")
    with clock.phase("restore_to_timestamp: plan"):
        planned = run("restore_to_timestamp", "planned", target=target)
    with clock.phase("restore_to_timestamp: restore"):
        approve = _result(planned)["plan_id"]
        restored = run("restore_to_timestamp", "succeeded", target=target, approve=approve)
    with clock.phase("proof against the story"):
        found = _proof_of_copy(stand_in, _result(restored)["changed"][0])
    expected = story.proofs[story.restore_point]
    return Rehearsal(
        engine=f"{stand_in.engine.family} {stand_in.engine.version}",
        story=story,
        damage=damage_between(expected, story.proofs[story.moments["now"]]),
        tables_back=found.tables,
        rows_back=found.rows,
        left=differences(expected, found),
        records=(inspected, planned, restored),
        seconds=clock.seconds,
    )


def put_back(stand_in: StandIn, done: Rehearsal, *, notebooks: Path, store: Store, clock: Clock) -> Rehearsal:
    """Copy the data back into the damaged cluster with the notebook, headless, and hold it to the story's proof.

    Raises:
        CheckFailed: the notebook did not end as it should; its record says why.
    """
    asked = {
        "timestamp": iso(done.story.restore_point),
        "region": stand_in.control.region,
        "cluster": stand_in.cluster,
        "way": "copy",
        "rows": "keep new",
        "conflicts": "source",
    }

    def run(expected: str, **more: Any) -> RunRecord:
        return _run(notebooks / "bring_back_data.ipynb", expected, asked | more, stand_in=stand_in, store=store)

    with clock.phase("bring_back_data: plan"):
        planned = run("planned")
    with clock.phase("bring_back_data: copy back"):
        copied = run("succeeded", approve=_result(planned)["plan_id"])
    with clock.phase("proof against the story, once more"), stand_in.admin() as database:
        wrong = wrong_after_keeping(done.story, database)
    records = (*done.records, planned, copied)
    return replace(done, wrong=wrong, kept=len(done.story.written_after), records=records, seconds=clock.seconds)


def _run(notebook: Path, expected: str, parameters: Mapping[str, Any], *, stand_in: StandIn, store: Store) -> RunRecord:
    record = run_notebook(
        notebook,
        parameters=dict(parameters),
        incident="rehearsal",
        store=store,
        environment=stand_in.environment(),
        cwd=notebook.parent.parent,
    )
    if record.outcome != expected:
        raise CheckFailed(
            f"{notebook.stem} ended as {record.outcome}, not {expected}: {record.headline}",
            hint=f"Its record is in {record.folder}.",
        )
    return record


def _result(record: RunRecord) -> Mapping[str, Any]:
    assert record.result is not None
    return record.result


def _proof_of_copy(stand_in: StandIn, cluster: str) -> EstateProof:
    with stand_in.data.admin(stand_in.control.history.resource_id(cluster)) as database:
        return take_proof(database)
