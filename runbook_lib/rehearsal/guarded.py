"""The same bad load on a guarded night: tried on a clone the evening before, refused in live data, held beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from runbook_lib import shipped
from runbook_lib.errors import CheckFailed
from runbook_lib.guard.accounts import account_name, grants_for_loading
from runbook_lib.mysql import Credentials, Database
from runbook_lib.records.run import RunRecord, run_notebook
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.rehearse import Clock, Say
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.rehearsal.story import EstateProof, Story, differences, job, take_proof
from runbook_lib.rehearsal.story.nights import JOB
from runbook_lib.rehearsal.story.staging import SCHEMA

LOADER = Credentials(user="loader", password="loads-beside-what-is-live")  # noqa: S106  # of the rehearsal only
SECRET = "rehearsal/loader"  # noqa: S105  # a name
NEXT = f"{SCHEMA}__next"


@dataclass(frozen=True, kw_only=True)
class Guarded:
    """What a guarded night came to.

    `tried` is what the try said the evening before; `refused` is what the job was told when it went for live data;
    `held` are the lines that kept its load from going live; `left` is every difference of live data to what it was.
    """

    engine: str
    story: Story
    tried: str
    refused: str
    held: tuple[str, ...]
    left: tuple[str, ...]
    records: tuple[RunRecord, ...]
    seconds: Mapping[str, float]

    @property
    def proved(self) -> bool:
        """Tell whether the load was refused and held, and nothing of live data is different."""
        return bool(self.refused and self.held) and not self.left


def rehearse_guarded(stand_in: StandIn, *, notebooks: Path, store: Store, seed: int, say: Say) -> Guarded:
    """Tell the story up to the evening before, and go through the night guarded.

    Raises:
        CheckFailed: a notebook did not end as it should; its record says why.
    """
    clock = Clock(say)
    with clock.phase("a week of history, up to the evening before"):
        story = stand_in.tell_story(seed=seed, wipe=False)
        make_loader(stand_in)
    return guarded_night(stand_in, story, notebooks=notebooks, store=store, clock=clock)


def guarded_night(stand_in: StandIn, story: Story, *, notebooks: Path, store: Store, clock: Clock) -> Guarded:
    """Try the job on a clone, let it run for real under the loader's account, and try to publish what it has loaded."""

    def run(name: str, expected: int, **parameters: Any) -> RunRecord:
        record = run_notebook(
            notebooks / f"{name}.ipynb",
            parameters={"region": stand_in.control.region, "timezone": "Asia/Tokyo", **parameters},
            incident="rehearsal",
            store=store,
            environment=stand_in.environment(),
            cwd=notebooks.parent,
        )
        if record.exit_code != expected:
            raise CheckFailed(
                f"{name} ended with exit code {record.exit_code}, not {expected}: {record.headline}",
                hint=f"Its record is in {record.folder}.",
            )
        return record

    load = f"glue: {JOB} {job.ARGUMENTS}"
    with clock.phase("try_load: plan, the evening before"):
        planned = run("try_load", 0, load=load)
    with clock.phase("try_load: the job on a clone"):
        tried = run("try_load", CheckFailed.exit_code, load=load, approve=_result(planned)["plan_id"])
    with clock.phase("the night: the job goes for live data, as a loader"):
        refused = run_job(stand_in, schema=SCHEMA)
    with clock.phase("the night: the job loads the next generation"):
        run_job(stand_in, schema=NEXT)
    with clock.phase("publish_load: may it go live?"):
        contract = str(shipped.PARAMETERS / "schemas.yml")
        held = run("publish_load", CheckFailed.exit_code, live=SCHEMA, against=contract)
    with clock.phase("proof against the story"), stand_in.admin() as database:
        left = differences(story.proofs[story.restore_point], _without_next(database))
    return Guarded(
        engine=f"{stand_in.engine.family} {stand_in.engine.version}",
        story=story,
        tried=str(tried.headline),
        refused=refused,
        held=tuple(str(_result(held)["facts"]["held by"]).splitlines()),
        left=left,
        records=(planned, tried, held),
        seconds=clock.seconds,
    )


def make_loader(stand_in: StandIn) -> None:
    """Make the loader's account as `runbook guard accounts` prints it, and keep it where a job finds it."""
    with stand_in.admin() as database:
        database.execute(f"CREATE DATABASE IF NOT EXISTS {NEXT}")
        database.execute("CREATE USER %s@'%%' IDENTIFIED BY %s", (LOADER.user, LOADER.password))
        for line in grants_for_loading(account_name(f"{LOADER.user}@%"), live=[SCHEMA], into=NEXT):
            if line.startswith("GRANT"):
                database.execute(line.rstrip(";"))
    text = f'{{"username": "{LOADER.user}", "password": "{LOADER.password}"}}'
    stand_in.session().client("secretsmanager").create_secret(Name=SECRET, SecretString=text)


def run_job(stand_in: StandIn, *, schema: str) -> str:
    """Run the story's job for real, as the loader, and return the error it ended with."""
    glue = stand_in.session().client("glue")
    endpoint = stand_in.data.endpoint(stand_in.source_id)
    arguments = {
        "--db_host": endpoint.host, "--db_port": str(endpoint.port), "--db_account": SECRET, "--schema": schema,
    }  # fmt: skip
    run_id = glue.start_job_run(JobName=JOB, Arguments=arguments)["JobRunId"]
    return stand_in.control.jobs.ended(run_id)


def _result(record: RunRecord) -> Mapping[str, Any]:
    assert record.result is not None
    return record.result


def _without_next(database: Database) -> EstateProof:
    """Take the proof of everything but the next generation, which is the load's own."""
    found = take_proof(database)
    return replace(found, schemas={name: schema for name, schema in found.schemas.items() if name != NEXT})
