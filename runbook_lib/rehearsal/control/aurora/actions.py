"""The actions of RDS's API that differ from moto's, each handed to the module with its rules."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from moto.core.responses import ActionResult, EmptyResult
from moto.rds.models import DBClusterSnapshot
from moto.rds.responses import RDSResponse

from runbook_lib.rehearsal.control.aurora import (
    backtrack,
    catalogue,
    clusters,
    endpoints,
    events,
    instances,
    modify,
    restores,
    retained,
    snapshots,
    upkeep,
)
from runbook_lib.rehearsal.control.aurora.backend import AuroraBackend
from runbook_lib.rehearsal.control.aurora.errors import invalid_value
from runbook_lib.rehearsal.control.aurora.models import Cluster, Instance, Snapshot
from runbook_lib.rehearsal.control.aurora.paging import page


class AuroraResponse(RDSResponse):
    """RDS's query API with Aurora's rules. moto calls a method by the action's name in snake case."""

    @property
    def aurora(self) -> AuroraBackend:
        """The state of the region that is asked."""
        assert isinstance(self.backend, AuroraBackend)
        return self.backend

    @property
    def asked(self) -> dict[str, Any]:
        """The request's parameters, in snake case."""
        return dict(self.params)

    def call_action(self) -> Any:
        """Answer one request at a time: moto's state is not made for more."""
        with self.aurora.world.lock:
            return super().call_action()

    def _filtered(self, found: Sequence[Any], kind: type) -> list[Any]:
        filters = {each["Name"]: list(each["Values"]) for each in self.asked.get("filters") or []}
        by_arn = {resource.arn: resource for resource in found}
        kept = self.aurora._filter_resources(by_arn, filters, kind) if filters else by_arn
        return sorted(kept.values(), key=lambda resource: str(resource.arn))

    def _page(self, items: list[Any], *, key: str) -> ActionResult:
        return ActionResult(page(items, self.asked, key=key))

    # clusters

    def create_db_cluster(self) -> ActionResult:
        return ActionResult({"DBCluster": clusters.create(self.aurora, self.asked)})

    def modify_db_cluster(self) -> ActionResult:
        return ActionResult({"DBCluster": modify.modify(self.aurora, self.asked)})

    def delete_db_cluster(self) -> ActionResult:
        return ActionResult({"DBCluster": clusters.delete(self.aurora, self.asked)})

    def restore_db_cluster_to_point_in_time(self) -> ActionResult:
        return ActionResult({"DBCluster": restores.restore_to_point_in_time(self.aurora, self.asked)})

    def restore_db_cluster_from_snapshot(self) -> ActionResult:
        return ActionResult({"DBCluster": restores.restore_from_snapshot(self.aurora, self.asked)})

    def describe_db_clusters(self) -> ActionResult:
        name = self.asked.get("db_cluster_identifier")
        found = [self.aurora.cluster(str(name))] if name else list(self.aurora.clusters.values())
        return self._page(self._filtered(found, Cluster), key="DBClusters")

    def add_role_to_db_cluster(self) -> ActionResult:
        asked = self.asked
        upkeep.add_role(
            self.aurora, asked["db_cluster_identifier"], asked["role_arn"], str(asked.get("feature_name") or "")
        )
        return EmptyResult()

    def remove_role_from_db_cluster(self) -> ActionResult:
        upkeep.remove_role(self.aurora, self.asked["db_cluster_identifier"], self.asked["role_arn"])
        return EmptyResult()

    def enable_http_endpoint(self) -> ActionResult:
        return ActionResult(upkeep.switch_http_endpoint(self.aurora, self.asked["resource_arn"], on=True))

    def disable_http_endpoint(self) -> ActionResult:
        return ActionResult(upkeep.switch_http_endpoint(self.aurora, self.asked["resource_arn"], on=False))

    def stop_db_cluster(self) -> ActionResult:
        return ActionResult({"DBCluster": upkeep.stop(self.aurora, self.asked["db_cluster_identifier"])})

    def start_db_cluster(self) -> ActionResult:
        return ActionResult({"DBCluster": upkeep.start(self.aurora, self.asked["db_cluster_identifier"])})

    # instances

    def create_db_instance(self) -> ActionResult:
        if not self.asked.get("db_cluster_identifier"):
            return super().create_db_instance()
        return ActionResult({"DBInstance": instances.create_instance(self.aurora, self.asked)})

    def delete_db_instance(self) -> ActionResult:
        return ActionResult(
            {"DBInstance": instances.delete_instance(self.aurora, str(self.asked["db_instance_identifier"]))}
        )

    def modify_db_instance(self) -> ActionResult:
        return ActionResult({"DBInstance": instances.modify_instance(self.aurora, self.asked)})

    def describe_db_instances(self) -> ActionResult:
        found = self.aurora.describe_db_instances(self.asked.get("db_instance_identifier"))
        return self._page(self._filtered(found, Instance), key="DBInstances")

    # snapshots and automated backups

    def create_db_cluster_snapshot(self) -> ActionResult:
        return ActionResult({"DBClusterSnapshot": snapshots.create_snapshot(self.aurora, self.asked)})

    def copy_db_cluster_snapshot(self) -> ActionResult:
        return ActionResult({"DBClusterSnapshot": snapshots.copy_snapshot(self.aurora, self.asked)})

    def delete_db_cluster_snapshot(self) -> ActionResult:
        name = str(self.asked["db_cluster_snapshot_identifier"])
        return ActionResult({"DBClusterSnapshot": snapshots.delete_snapshot(self.aurora, name)})

    def describe_db_cluster_snapshots(self) -> ActionResult:
        asked = self.asked
        kind = asked.get("snapshot_type")
        if kind not in (None, "automated", "manual", "shared", "public", "awsbackup"):
            raise invalid_value(f"Invalid snapshot type: {kind}")
        found: list[DBClusterSnapshot] = list(self.aurora.cluster_snapshots.values())
        if asked.get("db_cluster_snapshot_identifier"):
            found = [snapshots.snapshot_named(self.aurora, str(asked["db_cluster_snapshot_identifier"]))]
        if asked.get("db_cluster_identifier"):
            name = str(asked["db_cluster_identifier"]).rsplit(":", 1)[-1].lower()
            found = [snapshot for snapshot in found if snapshot.db_cluster_identifier == name]
        if kind:
            found = [snapshot for snapshot in found if snapshot.snapshot_type == kind]
        elif not asked.get("include_shared"):  # API reference: "By default, these snapshots are not included."
            found = [snapshot for snapshot in found if snapshot.snapshot_type != "shared"]
        return self._page(self._filtered(found, Snapshot), key="DBClusterSnapshots")

    def describe_db_cluster_automated_backups(self) -> ActionResult:
        return self._page(retained.describe(self.aurora, self.asked), key="DBClusterAutomatedBackups")

    def delete_db_cluster_automated_backup(self) -> ActionResult:
        gone = retained.delete(self.aurora, str(self.asked["db_cluster_resource_id"]))
        return ActionResult({"DBClusterAutomatedBackup": gone})

    # endpoints, backtrack, events

    def create_db_cluster_endpoint(self) -> ActionResult:
        return ActionResult(endpoints.create(self.aurora, self.asked))

    def delete_db_cluster_endpoint(self) -> ActionResult:
        return ActionResult(endpoints.delete(self.aurora, str(self.asked["db_cluster_endpoint_identifier"])))

    def describe_db_cluster_endpoints(self) -> ActionResult:
        return self._page(endpoints.describe(self.aurora, self.asked), key="DBClusterEndpoints")

    def backtrack_db_cluster(self) -> ActionResult:
        return ActionResult(backtrack.backtrack(self.aurora, self.asked))

    def describe_db_cluster_backtracks(self) -> ActionResult:
        return self._page(backtrack.describe(self.aurora, self.asked), key="DBClusterBacktracks")

    def describe_events(self) -> ActionResult:
        return self._page(events.describe(self.aurora, self.asked), key="Events")

    # what there is to choose from

    def describe_db_engine_versions(self) -> ActionResult:
        return self._page(catalogue.engine_versions(self.asked), key="DBEngineVersions")

    def describe_db_major_engine_versions(self) -> ActionResult:
        return self._page(catalogue.major_versions(self.aurora), key="DBMajorEngineVersions")

    def describe_orderable_db_instance_options(self) -> ActionResult:
        return self._page(catalogue.orderable_options(self.aurora, self.asked), key="OrderableDBInstanceOptions")

    def describe_account_attributes(self) -> ActionResult:
        return ActionResult({"AccountQuotas": catalogue.account_quotas(self.aurora)})

    def describe_certificates(self) -> ActionResult:
        return self._page(catalogue.certificates(self.aurora), key="Certificates")


class AnsweringBackend(AuroraBackend):
    """The state of RDS as moto serves it: reached at the one address of the query API, answered by our actions."""

    @property
    def url_paths(self) -> dict[str, Callable[..., Any]]:
        """The address, and what answers there."""
        return {"/": AuroraResponse.dispatch}
