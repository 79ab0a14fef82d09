"""What points at a cluster from outside it, and whether it follows the name: proxies, alarms, endpoints and the like.

Everything is only looked at. What could not be looked at is kept as that, and never taken for "nothing is there".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.bringback.cutover.pairing import Pairing
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.errors import StepFailed
from runbook_lib.looking import Seen, look
from runbook_lib.restore.copies.leftovers import DESCRIBE_GLOBAL_CLUSTERS

DESCRIBE_PROXIES = declare("rds", "DescribeDBProxies", items="DBProxies")
DESCRIBE_PROXY_TARGETS = declare("rds", "DescribeDBProxyTargets", items="Targets")
DESCRIBE_SUBSCRIPTIONS = declare("rds", "DescribeEventSubscriptions", items="EventSubscriptionsList")
DESCRIBE_ENDPOINTS = declare("rds", "DescribeDBClusterEndpoints", items="DBClusterEndpoints")
DESCRIBE_ALARMS = declare("cloudwatch", "DescribeAlarms", items="MetricAlarms")


@dataclass(frozen=True, kw_only=True)
class Surroundings:
    """What was seen around the damaged cluster, each by its name; custom endpoints as AWS describes them."""

    proxies: Seen[str]
    alarms: Seen[str]
    subscriptions: Seen[str]
    endpoints: Seen[dict[str, Any]]
    global_databases: Seen[str]


def look_around(session: AwsSession, pairing: Pairing) -> Surroundings:
    """Look at everything that may name the cluster. Raises only when the caller is not known any more."""
    source = pairing.source
    names = {source.identifier, *(member.identifier for member in pairing.source_instances)}
    return Surroundings(
        proxies=look(lambda: _proxies(session, names)),
        alarms=look(lambda: _alarms(session, names)),
        subscriptions=look(lambda: _subscriptions(session, names)),
        endpoints=look(
            lambda: (
                endpoint
                for endpoint in DESCRIBE_ENDPOINTS.pages(session, DBClusterIdentifier=source.identifier)
                if endpoint.get("EndpointType") == "CUSTOM"
            )
        ),
        global_databases=look(lambda: _global_databases(session, source.arn)),
    )


def _proxies(session: AwsSession, names: Iterable[str]) -> Iterator[str]:
    for proxy in DESCRIBE_PROXIES.pages(session):
        name = proxy.get("DBProxyName")
        if not name:
            raise StepFailed("AWS lists a proxy without its name.", hint="Look at the proxies in the console.")
        targets = DESCRIBE_PROXY_TARGETS.pages(session, DBProxyName=name)
        if any({found.get("RdsResourceId"), found.get("TrackedClusterId")} & {*names} for found in targets):
            yield str(name)


def _alarms(session: AwsSession, names: Iterable[str]) -> Iterator[str]:
    for alarm in DESCRIBE_ALARMS.pages(session, AlarmTypes=["MetricAlarm"]):
        dimensions = [*(alarm.get("Dimensions") or ())]
        for metric in alarm.get("Metrics") or ():
            dimensions += (metric.get("MetricStat") or {}).get("Metric", {}).get("Dimensions") or ()
        if any(
            dimension.get("Value") in names and str(dimension.get("Name", "")).startswith("DB")
            for dimension in dimensions
        ):
            yield str(alarm.get("AlarmName") or "an alarm without a name")


def _subscriptions(session: AwsSession, names: Iterable[str]) -> Iterator[str]:
    for subscription in DESCRIBE_SUBSCRIPTIONS.pages(session):
        if {*(subscription.get("SourceIdsList") or ())} & {*names}:
            yield str(subscription.get("CustSubscriptionId"))


def _global_databases(session: AwsSession, arn: str) -> Iterator[str]:
    for database in DESCRIBE_GLOBAL_CLUSTERS.pages(session):
        members = database.get("GlobalClusterMembers") or ()
        if any(arn in (member.get("DBClusterArn"), *(member.get("Readers") or ())) for member in members):
            yield str(database.get("GlobalClusterIdentifier"))


def judge_surroundings(around: Surroundings, pairing: Pairing, *, region: str) -> Iterator[Check]:
    """Return a check for each kind of thing that may point at the source. Pure."""
    yield _judge_membership(around.global_databases, pairing)
    yield _judge_replication(pairing)
    yield _judge_roles(pairing, region)
    yield _judge_endpoints(around, pairing, region)
    yield _judge_proxies(around.proxies, pairing, region)
    yield _judge_by_name("alarms", around.alarms)
    yield _judge_by_name("event subscriptions", around.subscriptions)


def _judge_membership(found: Seen[str], pairing: Pairing) -> Check:
    subject = "global database"
    if found.why_not:
        return unknown(subject, f"Whether it is in a global database {found.why_not}")
    if found:
        return bad(
            subject,
            f"{pairing.source.identifier} is in {', '.join(found)}; the copy is in none, and other regions would lag.",
            "Copy the tables back instead, or take the cluster out of the global database first.",
        )
    return ok(subject, "It is in no global database.")


def _judge_replication(pairing: Pairing) -> Check:
    subject, raw = "replication", pairing.source.raw
    replicas = [str(replica) for replica in raw.get("ReadReplicaIdentifiers") or ()]
    if upstream := raw.get("ReplicationSourceIdentifier"):
        return bad(subject, f"It replicates from {upstream}; the copy does not.", "Copy the tables back instead.")
    if replicas:
        return warn(
            subject,
            f"{', '.join(replicas)} replicates from it and will go on following the damaged cluster.",
            "Make the replicas anew from the copy, after the cut-over.",
        )
    return ok(subject, "AWS knows of no replica; one by binary log outside AWS would have to be made anew.")


def _judge_roles(pairing: Pairing, region: str) -> Check:
    subject = "IAM roles"
    held = {role.get("RoleArn") for role in pairing.copy.raw.get("AssociatedRoles") or ()}
    lacking = [role for role in pairing.source.raw.get("AssociatedRoles") or () if role.get("RoleArn") not in held]
    if not lacking:
        return ok(subject, "The copy has every role of the source.")
    commands = "; ".join(
        f"`aws rds add-role-to-db-cluster --region {region} --db-cluster-identifier {pairing.copy.identifier} "
        f"--role-arn {role['RoleArn']}{_feature(role.get('FeatureName'))}`"
        for role in lacking
    )
    return warn(subject, f"The copy lacks {len(lacking)} of the source's roles.", f"Before you approve: {commands}.")


def _feature(name: object) -> str:
    return f" --feature-name {name}" if name else ""


def _judge_endpoints(around: Surroundings, pairing: Pairing, region: str) -> Check:
    subject = "custom endpoints"
    if around.endpoints.why_not:
        return unknown(subject, f"Whether there are custom endpoints {around.endpoints.why_not}")
    if not around.endpoints:
        return ok(subject, "There are none.")
    names = [str(endpoint.get("DBClusterEndpointIdentifier")) for endpoint in around.endpoints]
    commands = "; ".join(
        f"`aws rds delete-db-cluster-endpoint --region {region} --db-cluster-endpoint-identifier {name}` and "
        f"`aws rds create-db-cluster-endpoint --region {region} --db-cluster-identifier {pairing.name} "
        f"--db-cluster-endpoint-identifier {name} --endpoint-type {endpoint.get('CustomEndpointType') or 'ANY'}`"
        for name, endpoint in zip(names, around.endpoints, strict=True)
    )
    said = f"{', '.join(names)} stay with the damaged cluster: a custom endpoint does not follow the name."
    return warn(subject, said, f"After the cut-over: {commands}.")


def _judge_proxies(found: Seen[str], pairing: Pairing, region: str) -> Check:
    subject = "RDS Proxy"
    if found.why_not:
        return unknown(subject, f"Whether a proxy points at it {found.why_not}")
    if not found:
        return ok(subject, "No proxy points at it.")
    commands = "; ".join(
        f"`aws rds deregister-db-proxy-targets --region {region} --db-proxy-name {name} "
        f"--db-cluster-identifiers DAMAGED` and `aws rds register-db-proxy-targets --region {region} "
        f"--db-proxy-name {name} --db-cluster-identifiers {pairing.name}`"
        for name in found
    )
    said = f"{', '.join(found)} goes on sending to the damaged cluster, and knows the source's secret only."
    return warn(subject, said, f"After the cut-over (DAMAGED is its new name): {commands}; and give it the new secret.")


def _judge_by_name(subject: str, found: Seen[str]) -> Check:
    if found.why_not:
        return unknown(subject, f"Whether there are {subject} {found.why_not}")
    if not found:
        return ok(subject, "None names it.")
    listed = ", ".join(found[:5]) + (" …" if len(found) > 5 else "")
    return ok(subject, f"{len(found)} go by name and so watch the copy from then on: {listed}.")
