"""What points at a cluster from outside it: proxies, alarms, event subscriptions, custom endpoints, global databases.

Everything is only looked at. What could not be looked at is kept as that, and never taken for "nothing there".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.bringback.cutover.pairing import Pairing
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
    names = {source.identifier, *(one.identifier for one in pairing.source_instances)}
    return Surroundings(
        proxies=look(lambda: _proxies(session, names)),
        alarms=look(lambda: _alarms(session, names)),
        subscriptions=look(lambda: _subscriptions(session, names)),
        endpoints=look(
            lambda: (
                one
                for one in DESCRIBE_ENDPOINTS.pages(session, DBClusterIdentifier=source.identifier)
                if one.get("EndpointType") == "CUSTOM"
            )
        ),
        global_databases=look(lambda: _global_databases(session, source.arn)),
    )


def _proxies(session: AwsSession, names: Iterable[str]) -> Iterator[str]:
    for proxy in DESCRIBE_PROXIES.pages(session):
        targets = DESCRIBE_PROXY_TARGETS.pages(session, DBProxyName=proxy["DBProxyName"])
        if any({one.get("RdsResourceId"), one.get("TrackedClusterId")} & {*names} for one in targets):
            yield str(proxy["DBProxyName"])


def _alarms(session: AwsSession, names: Iterable[str]) -> Iterator[str]:
    for alarm in DESCRIBE_ALARMS.pages(session, AlarmTypes=["MetricAlarm"]):
        dimensions = [*(alarm.get("Dimensions") or ())]
        for metric in alarm.get("Metrics") or ():
            dimensions += (metric.get("MetricStat") or {}).get("Metric", {}).get("Dimensions") or ()
        if any(one.get("Value") in names and str(one.get("Name", "")).startswith("DB") for one in dimensions):
            yield str(alarm["AlarmName"])


def _subscriptions(session: AwsSession, names: Iterable[str]) -> Iterator[str]:
    for one in DESCRIBE_SUBSCRIPTIONS.pages(session):
        if {*(one.get("SourceIdsList") or ())} & {*names}:
            yield str(one.get("CustSubscriptionId"))


def _global_databases(session: AwsSession, arn: str) -> Iterator[str]:
    for one in DESCRIBE_GLOBAL_CLUSTERS.pages(session):
        members = one.get("GlobalClusterMembers") or ()
        if any(arn in (member.get("DBClusterArn"), *(member.get("Readers") or ())) for member in members):
            yield str(one.get("GlobalClusterIdentifier"))
