"""No reader of facts fails or misjudges because AWS leaves a member out, sends all of them, or lists in any order."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_lib.aws import Identity
from runbook_lib.backups import list_recovery_points, list_retained_backups, list_snapshots
from runbook_lib.clusters import describe_cluster, find_cluster, instances_of, list_clusters
from runbook_lib.errors import AccessDenied, InputRefused, NotFound, RunbookError, StepFailed
from runbook_lib.restore import Choices, Given, check_restore, propose
from runbook_lib.restore.origins import read_origin
from runbook_lib.timeline.aws_facts import list_events, list_runs, read_series
from runbook_lib.times import AskedTime
from tests.shapes import NOW, ShapedAws

ME = Identity(account="123456789012", arn="arn:aws:iam::123456789012:user/engineer")
LATEST = AskedTime(text="latest", moment=None)
KNOWN = {
    "EarliestRestorableTime": NOW - timedelta(days=7),
    "LatestRestorableTime": NOW - timedelta(minutes=3),
    "DBClusterIdentifier": "n-1",
    "DBClusterArn": "arn:aws:rds:ap-northeast-1:123456789012:cluster:n-1",
}
DRAWN = st.integers(0, 10**6).map(Random)
SHARES = st.sampled_from([0.0, 0.5, 1.0])
FEW = settings(
    max_examples=15, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


@pytest.fixture(scope="module")
def aws() -> Iterator[ShapedAws]:
    """Return an AWS of shapes, with keys that nobody has."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "of-this-test")
        patch.setenv("AWS_CONFIG_FILE", os.devnull)
        yield ShapedAws()


@FEW
@given(DRAWN, SHARES)
def test_every_reader_reads_whatever_a_shape_allows(aws: ShapedAws, dice: Random, share: float) -> None:
    session = aws.drawn(dice, share=share)
    for cluster in list_clusters(session):
        assert cluster.window is None or cluster.window.earliest <= NOW
        assert bool(cluster.endpoint.host) is bool(cluster.raw.get("Endpoint"))
        instances_of(session, cluster)
        list_snapshots(session, cluster)
        list_recovery_points(session, cluster)
        list_events(session, cluster, since=NOW, until=NOW.replace(hour=13), now=NOW)
        with suppress(AccessDenied, StepFailed):  # CloudWatch may have drawn Forbidden
            read_series(session, cluster, since=NOW, until=NOW.replace(hour=13))
    assert all(backup.status == "retained" for backup in list_retained_backups(session))
    list_runs(session, ["job"], since=NOW, until=NOW.replace(hour=13))


@FEW
@given(DRAWN, SHARES)
def test_a_plan_and_its_checks_come_of_whatever_a_shape_allows_or_a_refusal_with_a_hint(
    aws: ShapedAws, dice: Random, share: float
) -> None:
    session = aws.drawn(dice, share=share, known=KNOWN)
    try:
        cluster = find_cluster(session, "n-1")
        plan = propose(session, cluster, asked=LATEST, now=NOW, choices=Choices(instance_class="db.r6g.large"))
    except InputRefused as refusal:
        assert refusal.hint  # noqa: PT017  # either is right
        return
    given = Given(glue_jobs="job", secret="arn:aws:secretsmanager:r:1:secret:s")
    checks = check_restore(session, plan, cluster, identity=ME, now=NOW, given=given)
    assert len({check.subject for check in checks}) == len(checks)
    for check in checks:
        assert check.state == "ok" or check.hint


@FEW
@given(DRAWN, SHARES)
def test_a_snapshot_is_an_origin_or_is_refused(aws: ShapedAws, dice: Random, share: float) -> None:
    session = aws.drawn(dice, share=share, known={"Account": "123456789012"})
    try:
        origin = read_origin(session, None, asked=LATEST, now=NOW, restore_from="n-1")
    except RunbookError as refusal:
        assert refusal.hint  # noqa: PT017  # either is right
    else:
        assert origin.moment.tzinfo is not None


def test_one_cluster_is_described_or_not_found(aws: ShapedAws) -> None:
    for seed in range(20):
        with suppress(NotFound):
            assert describe_cluster(aws.drawn(Random(seed), share=0.0), "n-1").identifier is not None
