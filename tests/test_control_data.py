"""The rehearsal's AWS over real servers: what the API says was restored is what the server holds."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from runbook_lib.errors import Unreachable
from runbook_lib.mysql import Credentials, Database, Endpoint, connect
from runbook_lib.rehearsal.control import ControlPlane, brisk
from runbook_lib.rehearsal.dataplane import DataPlane
from tests.control_support import (
    PASSWORD,
    Stand,
    add_instance,
    cluster,
    gone,
    plain_cluster,
    refused,
    settle,
    settle_instance,
    settle_snapshot,
)

pytestmark = pytest.mark.xdist_group("dataplane")

ADMIN = Credentials(user="admin", password=PASSWORD)


@dataclass(frozen=True)
class Real:
    stand: Stand
    plane: DataPlane

    @property
    def rds(self) -> Any:
        return self.stand.rds


@pytest.fixture(scope="module")
def real(shared_plane: DataPlane) -> Iterator[Real]:
    control = ControlPlane(shared_plane, pace=brisk())
    with control:
        yield Real(Stand(control, None), shared_plane)


def endpoint(found: dict[str, Any]) -> Endpoint:
    return Endpoint(host=found["Endpoint"], port=found["Port"])


def numbers(database: Database) -> list[int]:
    return [row[0] for row in database.rows("SELECT n FROM estate.rooms ORDER BY n")]


def next_second() -> datetime:
    """Let a second of the clock pass, so that what follows is after it, and give its last whole second."""
    second = datetime.now(UTC).replace(microsecond=0)
    while datetime.now(UTC).replace(microsecond=0) <= second:
        time.sleep(0.02)
    return second


@pytest.mark.thorough
def test_a_restore_through_the_api_holds_the_data_of_the_asked_second(real: Real) -> None:
    rds = real.rds
    source = plain_cluster(rds, "source")
    with pytest.raises(Unreachable):
        connect(endpoint(source), ADMIN)  # no instance yet
    add_instance(rds, "source-1", of="source")
    with connect(endpoint(source), ADMIN) as database:
        database.execute("CREATE DATABASE estate")
        database.execute("CREATE TABLE estate.rooms (n INT PRIMARY KEY)")
        database.execute("INSERT INTO estate.rooms VALUES (1), (2)")
        before = next_second()
        database.execute("DROP TABLE estate.rooms")
        next_second()
    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="copy", SourceDBClusterIdentifier="source", RestoreToTime=before
    )
    copy = settle(rds, "copy")
    assert copy["Port"] != source["Port"]
    add_instance(rds, "copy-1", of="copy")
    with connect(endpoint(cluster(rds, "copy")), ADMIN) as database:
        assert numbers(database) == [1, 2]
    # A secret of its own, made afterwards: the password of the restore point goes out of force.
    rds.modify_db_cluster(DBClusterIdentifier="copy", ManageMasterUserPassword=True, ApplyImmediately=True)
    secret = settle(rds, "copy")["MasterUserSecret"]["SecretArn"]
    text = real.stand.client("secretsmanager").get_secret_value(SecretId=secret)["SecretString"]
    with connect(endpoint(copy), Credentials(user="admin", password=json.loads(text)["password"])) as database:
        assert numbers(database) == [1, 2]
    # The cut-over: names are exchanged, each name's data with it.
    for old, new in (("source", "source-damaged"), ("copy", "source")):
        rds.modify_db_cluster(DBClusterIdentifier=old, NewDBClusterIdentifier=new, ApplyImmediately=True)
        gone(rds, old)
        settle(rds, new)
    assert cluster(rds, "source")["Port"] == copy["Port"]


def test_a_backtrack_is_refused_rather_than_reported_without_being_done(real: Real) -> None:
    plain_cluster(real.rds, "back", BacktrackWindow=3_600)
    with refused("InvalidParameterCombination", "no backtrack"):
        real.rds.backtrack_db_cluster(DBClusterIdentifier="back", BacktrackTo=datetime.now(UTC))


@pytest.mark.thorough
def test_clones_snapshots_and_retained_backups_hold_the_data(real: Real) -> None:
    rds = real.rds
    origin = plain_cluster(rds, "origin")
    with real.plane.admin(origin["DbClusterResourceId"]) as database:
        database.execute("CREATE DATABASE estate")
        database.execute("CREATE TABLE estate.rooms (n INT PRIMARY KEY)")
        database.execute("INSERT INTO estate.rooms VALUES (7)")
    rds.create_db_cluster_snapshot(DBClusterIdentifier="origin", DBClusterSnapshotIdentifier="seven")
    settle_snapshot(rds, "seven")
    rds.copy_db_cluster_snapshot(SourceDBClusterSnapshotIdentifier="seven", TargetDBClusterSnapshotIdentifier="too")
    settle_snapshot(rds, "too")
    rds.delete_db_cluster_snapshot(DBClusterSnapshotIdentifier="seven")
    with real.plane.admin(origin["DbClusterResourceId"]) as database:
        database.execute("INSERT INTO estate.rooms VALUES (8)")
    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="clone", SourceDBClusterIdentifier="origin", RestoreType="copy-on-write",
        UseLatestRestorableTime=True,
    )  # fmt: skip
    rds.restore_db_cluster_from_snapshot(
        DBClusterIdentifier="from-copy", SnapshotIdentifier="too", Engine="aurora-mysql"
    )
    settle(rds, "clone")
    settle(rds, "from-copy")
    next_second()
    rds.delete_db_cluster(DBClusterIdentifier="origin", SkipFinalSnapshot=True, DeleteAutomatedBackups=False)
    gone(rds, "origin")
    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="revived",
        SourceDbClusterResourceId=origin["DbClusterResourceId"],
        UseLatestRestorableTime=True,
    )
    settle(rds, "revived")
    held = {}
    for name in ("clone", "from-copy", "revived"):
        with real.plane.admin(cluster(rds, name)["DbClusterResourceId"]) as database:
            held[name] = numbers(database)
    assert held == {"clone": [7, 8], "from-copy": [7], "revived": [7, 8]}
    rds.delete_db_cluster_automated_backup(DbClusterResourceId=origin["DbClusterResourceId"])
    with refused("DBClusterAutomatedBackupNotFoundFault"):
        rds.describe_db_cluster_automated_backups(DbClusterResourceId=origin["DbClusterResourceId"])


def test_a_moment_without_a_base_copy_ends_dead_with_the_reason(real: Real) -> None:
    """The API's window may promise more than the data plane has; then the restore fails as it would on AWS."""
    rds = real.rds
    plain_cluster(rds, "promising")
    real.stand.plane.history.cluster_created("promising", at=datetime.now(UTC) - timedelta(days=5))
    rds.restore_db_cluster_to_point_in_time(
        DBClusterIdentifier="disappointed",
        SourceDBClusterIdentifier="promising",
        RestoreToTime=datetime.now(UTC) - timedelta(days=3),
    )
    settle(rds, "disappointed", "incompatible-restore")
    events = rds.describe_events(SourceIdentifier="disappointed", SourceType="db-cluster")["Events"]
    assert "incompatible-restore" in events[-1]["Message"]
    with refused("InvalidDBClusterStateFault"):
        settle_instance(rds, add_instance(rds, "never", of="disappointed")["DBInstanceIdentifier"])
    rds.delete_db_cluster(DBClusterIdentifier="disappointed", SkipFinalSnapshot=True)
    gone(rds, "disappointed")
