"""Be AWS Backup's validator: prove the cluster that a restore test has made, and answer SUCCESSFUL only after a proof.

AWS Backup restores on a schedule, sends an event and looks at no row. What was restored is a snapshot, so the copy
ends somewhere within a few minutes of the recovery point's creation; where, is taken from the copy. A restored Aurora
cluster has no instance: one is made for the proof, where a standing approval covers it, and deleted afterwards. The
cluster itself is AWS Backup's, which deletes it. Source: AWS Backup Developer Guide, "Restore testing validation".
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.clusters import DESCRIBE_INSTANCES, ENGINE, Cluster, describe_cluster, instances_of, utc
from runbook_lib.costs.copies import cost_of_one_copy
from runbook_lib.databases import credentials_for
from runbook_lib.drills.apply import copy_account, proved_copy, side_of
from runbook_lib.drills.values import DrillProof, SealedProof
from runbook_lib.errors import InputRefused, RunbookError, StepFailed
from runbook_lib.events import announce
from runbook_lib.guard.standing import Signed
from runbook_lib.restore.apply import CREATE_INSTANCE
from runbook_lib.restore.copies.apply import DELETE_INSTANCE
from runbook_lib.restore.verify import first_answer
from runbook_lib.restore.wait import INSTANCE_DEAD_ENDS, Patience
from runbook_lib.tags import TAG_PREFIX
from runbook_lib.times import iso

log = logging.getLogger(__name__)

DESCRIBE_RESTORE_JOB = declare("backup", "DescribeRestoreJob")
PUT_RESULT = declare("backup", "PutRestoreValidationResult", mutates=True)

ABOUT_A_SNAPSHOT = timedelta(minutes=5)
"""A snapshot's data may be of some minutes before or after the moment that AWS names."""
_LONGEST_MESSAGE = 1000
_COMING_UP = timedelta(hours=1)


@dataclass(frozen=True, kw_only=True)
class Validation:
    """What was answered to AWS Backup: SUCCESSFUL or FAILED, and why. `proof` is None where none could be made.

    `source` is the name of the cluster whose backup was tested, `made` the instance that was made for the proof.
    """

    job_id: str
    status: str
    message: str
    cluster: str
    source: str = ""
    made: str = ""
    proof: DrillProof | None = field(default=None, repr=False)

    def as_json(self) -> dict[str, Any]:
        """Return it for machines."""
        proof = self.proof.as_json() if self.proof else None
        return {"restore_job": self.job_id, "status": self.status, "message": self.message, "proof": proof}


@dataclass(frozen=True, kw_only=True)
class Means:
    """With what is validated: the source's account, a standing approval for an instance, and that instance's class."""

    now: datetime
    secret: str = ""
    signed: Signed | None = None
    instance_class: str = ""
    earlier: Callable[[str], SealedProof | None] = field(default=lambda _: None, repr=False)


def validate_restore(session: AwsSession, event: Mapping[str, Any], *, means: Means) -> Validation:
    """Prove what a restore test has restored, and answer its job. An event of anything else is refused, not answered.

    Raises:
        InputRefused: it is no event of a completed restore test of an Aurora MySQL cluster.
    """
    job = _job_of(session, event)
    created, source_arn = str(job.get("CreatedResourceArn", "")), str(job.get("SourceResourceArn", ""))
    proof: DrillProof | None = None
    made: list[str] = []
    try:
        source, copy = (describe_cluster(session, _name(arn)) for arn in (source_arn, created))
        if copy.arn != created or source.arn != source_arn or copy.arn == source.arn or copy.engine != ENGINE:
            raise StepFailed("The restored cluster or its source is not what the job names.")
        second = utc(job.get("RecoveryPointCreationDate"))
        if second is None:
            raise StepFailed("AWS Backup does not say when the recovery point was made.")
        proof = _proved(session, copy, source, second=second, means=means, made=made)
        status, message = ("SUCCESSFUL" if proof.verdict == "proved" else "FAILED"), proof.words
    except RunbookError as error:
        status, message = "FAILED", f"Not proved: {error.message}"
    answer = Validation(
        job_id=str(job["RestoreJobId"]),
        status=status,
        message=message[:_LONGEST_MESSAGE],
        cluster=created,
        source=_name(source_arn),
        made=made[0] if made else "",
        proof=proof,
    )
    announce("PutRestoreValidationResult", target=answer.job_id, status=answer.status)
    PUT_RESULT(
        session, RestoreJobId=answer.job_id, ValidationStatus=answer.status, ValidationStatusMessage=answer.message
    )
    return answer


def _job_of(session: AwsSession, event: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the job that an event is of, as AWS Backup itself describes it: the event only names it."""
    detail = event.get("detail")
    name = detail.get("restoreJobId") if isinstance(detail, Mapping) else None
    if event.get("source") != "aws.backup" or not isinstance(name, str) or not name:
        raise InputRefused("This is no event of a restore job of AWS Backup.", hint="Hand in the event as it came.")
    job = DESCRIBE_RESTORE_JOB(session, RestoreJobId=name)
    of_test = (job.get("CreatedBy") or {}).get("RestoreTestingPlanArn")
    if job.get("Status") != "COMPLETED" or job.get("ResourceType") != "Aurora" or not of_test:
        raise InputRefused(
            f"The restore job {name} is no completed restore test of an Aurora cluster; nothing was answered.",
            hint="Let the rule send events with status COMPLETED and a restoreTestingPlanArn only.",
        )
    return {**job, "RestoreJobId": name}


def _name(arn: str) -> str:
    return arn.partition(":cluster:")[2] or arn


def _proved(
    session: AwsSession, copy: Cluster, source: Cluster, *, second: datetime, means: Means, made: list[str]
) -> DrillProof:
    account = credentials_for(session, source, secret=means.secret)
    with _with_instance(session, copy, source, means) as instance:
        made += [instance] if instance else []
        copy = describe_cluster(session, copy.identifier)
        own = copy_account(session, copy, source=source, secret=means.secret)
        first_answer(copy, own)
        return proved_copy(
            side_of(copy, own), source, account, second=second, earlier=means.earlier(source.identifier),
            about=ABOUT_A_SNAPSHOT,
        )  # fmt: skip


@contextmanager
def _with_instance(session: AwsSession, copy: Cluster, source: Cluster, means: Means) -> Iterator[str]:
    """Make an instance for the time of the proof, where the cluster has none and a standing approval covers it.

    Gives its name, empty where none had to be made.
    """
    if copy.writer_first:
        yield ""
        return
    of_source = instances_of(session, source)
    chosen = means.instance_class or (of_source[0].instance_class if of_source else "")
    hours = means.signed.approval.drill.hours if means.signed and means.signed.approval.drill else 0
    a_day = cost_of_one_copy(session, source, of_source, at=None, now=means.now).instance_usd_a_day
    usd = None if a_day is None else a_day * hours / 24
    why = "no standing approval was given" if means.signed is None else means.signed.refuses_drill(
        cluster=source.identifier, hours=hours, usd=usd, now=means.now
    )  # fmt: skip
    if why:
        raise StepFailed(f"{copy.identifier} has no instance, and none may be made: {why}.")
    name, expires = f"{copy.identifier[:50].rstrip('-')}-validate", iso(means.now + timedelta(hours=hours))
    tags = {"source": source.identifier, "purpose": "validation", "expires": expires}
    announce(CREATE_INSTANCE.operation, target=name)
    CREATE_INSTANCE(
        session,
        DBInstanceIdentifier=name,
        DBClusterIdentifier=copy.identifier,
        DBInstanceClass=chosen,
        Engine=ENGINE,
        PubliclyAccessible=False,
        Tags=[{"Key": f"{TAG_PREFIX}{key}", "Value": value} for key, value in tags.items()],
    )
    try:
        Patience(session, deadline=_COMING_UP).wait(
            lambda: str(DESCRIBE_INSTANCES(session, DBInstanceIdentifier=name)["DBInstances"][0]["DBInstanceStatus"]),
            what=f"instance {name}",
            dead_ends=INSTANCE_DEAD_ENDS,
        )
        yield name
    finally:
        try:
            announce(DELETE_INSTANCE.operation, target=name)
            DELETE_INSTANCE(session, DBInstanceIdentifier=name, SkipFinalSnapshot=True)
        except RunbookError as error:
            log.warning("The instance %s was not deleted: %s", name, error.message)
