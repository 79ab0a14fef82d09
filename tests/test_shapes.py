"""No reader of facts fails or misjudges because AWS leaves a member out, sends all of them, or lists in any order."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runbook_lib import costs
from runbook_lib.aws import Identity
from runbook_lib.backups import list_recovery_points, list_retained_backups, list_snapshots
from runbook_lib.bringback.cutover import check_cut_over, plan_cut_over
from runbook_lib.bringback.cutover.pairing import Pairing
from runbook_lib.clusters import cluster_from, describe_cluster, find_cluster, instances_of, list_clusters
from runbook_lib.errors import AccessDenied, InputRefused, NotFound, RunbookError, StepFailed
from runbook_lib.restore import Choices, Given, check_restore, propose
from runbook_lib.restore.copies.plan import propose_clean_up
from runbook_lib.restore.origins import read_origin
from runbook_lib.timeline.aws_facts import list_events, list_runs, read_series
from runbook_lib.times import AskedTime
from tests.shapes import NOW, ShapedAws, Shapes, ShapeServer
from tests.test_policy import ROOT, run_notebook

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


MANY = int(os.environ.get("RUNBOOK_SHAPES", "1"))  # so many times as many draws: the search at full size takes 20
NAMED = {"cluster": "n-1", "timestamp": "latest"}
ACCOUNT = {"Account": "123456789012", "Arn": ME.arn, "Endpoint": "127.0.0.1"}
READS = {
    "inspect_backups": (NAMED, KNOWN),
    "clean_up_restores": ({}, {}),
    "audit_schemas": (NAMED, KNOWN),
    "restore_to_timestamp": (NAMED, KNOWN),
    "bring_back_data": ({"cluster": "n-1"}, KNOWN),
    "cost_analysis": ({}, {}),
    "watch_backups": ({}, {}),
}


@pytest.fixture(scope="module")
def server(aws: ShapedAws) -> Iterator[ShapeServer]:
    """Return the same over HTTP, with this process's environment pointing at it."""
    with ShapeServer(Shapes(Random(0), share=0.0)) as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.environment.items():
            patch.setenv(name, value)
        yield running


@pytest.mark.thorough
@pytest.mark.parametrize("notebook", READS)
def test_every_notebook_reads_whatever_a_shape_allows_or_refuses_it_in_a_sentence(
    server: ShapeServer, notebook: str
) -> None:
    """It should end well or with one of our errors and what to do, and ask for no change, whatever AWS leaves out."""
    parameters, known = READS[notebook]

    @settings(parent=FEW, max_examples=4 * MANY)
    @given(DRAWN, SHARES)
    def holds(dice: Random, share: float) -> None:
        server.shapes = Shapes(dice, share=share, known={**ACCOUNT, **known})
        try:
            run_notebook(notebook, **parameters)
        except RunbookError as refusal:
            assert refusal.hint  # noqa: PT017  # either is right
        assert server.changing == []

    holds()
    assert server.asked


@pytest.mark.release
@pytest.mark.parametrize("notebook", READS)
def test_in_a_kernel_it_ends_as_well_or_with_a_sentence(server: ShapeServer, notebook: str, tmp_path: Path) -> None:
    parameters, known = READS[notebook]
    given = [part for name, value in parameters.items() for part in ("-p", name, value)]
    command = [sys.executable, "-c", "from runbook_lib.cli import main; main()", "run", f"notebooks/{notebook}.ipynb"]
    for seed, share in enumerate((0.0, 0.5, 1.0)):
        server.shapes = Shapes(Random(seed), share=share, known={**ACCOUNT, **known})
        done = subprocess.run(
            [*command, "--records", str(tmp_path), *given], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode in (0, 2, 3, 4, 5, 6, 7), done.stderr
        assert "Traceback" not in done.stdout + done.stderr
        assert (done.returncode == 0) is ("What to do:" not in done.stderr)
    assert server.changing == []


@FEW
@given(DRAWN, SHARES)
def test_a_cut_over_is_planned_and_checked_of_whatever_a_shape_allows(
    aws: ShapedAws, dice: Random, share: float
) -> None:
    session = aws.drawn(dice, share=share)
    known = {"DBClusterIdentifier": "n-1", "DBClusterArn": KNOWN["DBClusterArn"]}
    tags = {"recovery:source": "n-1", "recovery:moment": "2026-11-22T10:00:00Z", "recovery:plan": "x"}
    marked = {"TagList": [{"Key": key, "Value": value} for key, value in tags.items()], "DBClusterIdentifier": "n-2"}
    shapes, others = (Shapes(dice, share=share, known=found) for found in (known, {**known, **marked}))
    model = session.client("rds").meta.service_model
    source, copy = (cluster_from(drawn.value(model.shape_for("DBCluster"))) for drawn in (shapes, others))
    pairing = Pairing(name="n-1", source=source, source_instances=(), copy=copy, copy_instances=())
    try:
        plan = plan_cut_over(pairing, now=NOW)
    except RunbookError as refusal:
        assert refusal.hint  # noqa: PT017  # either is right
        return
    for check in check_cut_over(session, plan, identity=ME, named="n-1"):
        assert check.state == "ok" or check.hint


@FEW
@given(DRAWN, SHARES)
def test_nothing_is_ever_deleted_because_of_what_a_shape_leaves_out(aws: ShapedAws, dice: Random, share: float) -> None:
    """A cluster without our tags is never a copy, and a snapshot of which too little is known stays."""
    session = aws.drawn(dice, share=share, known={"MetricDataResults": []})
    assert propose_clean_up(session, now=NOW, also_unexpired=True).delete == ()
    try:
        facts = costs.read(session, moment=NOW, now=NOW, ask="bill")
        outlook = costs.look_ahead(session, costs.review(facts), keep_days=1)
    except RunbookError as refusal:
        assert refusal.hint  # noqa: PT017  # either is right
        return
    for candidate in outlook.plan.delete:
        assert candidate.arn
        assert candidate.created.tzinfo is not None
