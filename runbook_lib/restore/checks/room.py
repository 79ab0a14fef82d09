"""Does AWS still have what is asked for: quotas, the engine's version, the instance class in its zone?"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.clusters import Cluster
from runbook_lib.looking import Seen, look
from runbook_lib.restore.plan import RestorePlan

ACCOUNT_ATTRIBUTES = declare("rds", "DescribeAccountAttributes", items="AccountQuotas")
ENGINE_VERSIONS = declare("rds", "DescribeDBEngineVersions", items="DBEngineVersions")
ORDERABLE = declare("rds", "DescribeOrderableDBInstanceOptions", items="OrderableDBInstanceOptions")

Described = dict[str, Any]


def check_quotas(session: AwsSession, plan: RestorePlan) -> Check:
    """Tell whether the account may have one cluster, and the plan's instances, more."""
    quotas = look(lambda: ACCOUNT_ATTRIBUTES(session).get("AccountQuotas", []))
    return judge_quotas(quotas, instances=len(plan.calls_of("CreateDBInstance")))


def judge_quotas(quotas: Seen[Described], *, instances: int) -> Check:
    """Decide from what DescribeAccountAttributes says is used and allowed."""
    subject = "quotas"
    if quotas.why_not:
        return unknown(subject, f"Whether there is room for another cluster {quotas.why_not}")
    known = {quota["AccountQuotaName"]: (int(quota["Used"]), int(quota["Max"])) for quota in quotas}
    parts = {"DBClusters": ("clusters", 1), "DBInstances": ("instances", instances)}
    if absent := [name for name in parts if name not in known]:
        return unknown(subject, f"AWS does not tell the quota of {' and '.join(absent)}")
    said = ", ".join(f"{known[name][0]} of {known[name][1]} {word}" for name, (word, _) in parts.items())
    if any(known[name][0] + more > known[name][1] for name, (_, more) in parts.items()):
        return bad(
            subject,
            f"In use are {said}; this plan needs 1 and {instances} more.",
            "Delete what is no longer needed (clean_up_restores), or ask AWS to raise the quota.",
        )
    return ok(subject, f"In use are {said}.")


def check_version(session: AwsSession, source: Cluster) -> Check:
    """Tell whether the source's engine version is still offered: no other can take its backups."""
    name = source.engine_version
    found = look(lambda: ENGINE_VERSIONS.pages(session, Engine=source.engine, EngineVersion=name, IncludeAll=True))
    return judge_version(name, found)


def judge_version(version: str, found: Seen[Described]) -> Check:
    """Decide from the description of exactly this version."""
    subject = "engine version"
    if found.why_not:
        return unknown(subject, f"Whether {version} is still offered {found.why_not}")
    if not found:
        return Check(
            subject=subject,
            state="unknown",
            sentence=f"AWS says nothing of {version}: it may be too old to be listed.",
            hint="A restore keeps the version; if AWS refuses it, restore a snapshot with a newer minor version.",
        )
    if (status := found[0].get("Status", "available")) != "available":
        hint = "AWS may refuse a new cluster of it; plan the upgrade of the source."
        return warn(subject, f"{version} is {status}.", hint)
    return ok(subject, f"{version} is offered.")


def check_classes(session: AwsSession, plan: RestorePlan, source: Cluster) -> Check:
    """Tell whether each instance class is offered for that version, in that zone where the plan names one."""
    wanted = [
        (str(call.request["DBInstanceClass"]), str(call.request.get("AvailabilityZone") or ""))
        for call in plan.calls_of("CreateDBInstance")
    ]
    offered = look(
        lambda: [
            option
            for name in sorted({name for name, _ in wanted})
            for option in ORDERABLE.pages(
                session, Engine=source.engine, EngineVersion=source.engine_version, DBInstanceClass=name, Vpc=True
            )
        ]
    )
    if not offered and not offered.why_not:  # of a version that is deprecated AWS lists nothing, whatever the class
        asked = {"Engine": source.engine, "EngineVersion": source.engine_version, "Vpc": True, "MaxRecords": 20}
        others = look(lambda: ORDERABLE(session, **asked).get(ORDERABLE.items, []))
        if not others:
            offered = Seen(
                why_not=others.why_not or f"is not known: AWS lists no class at all for {source.engine_version}"
            )
    return judge_classes(wanted, offered)


def judge_classes(wanted: Sequence[tuple[str, str]], offered: Seen[Described]) -> Check:
    """Decide from (class, zone) of each new instance and the orderable options. Capacity is known by trying only."""
    subject = "instance class"
    if offered.why_not:
        return unknown(subject, f"Whether the class is offered {offered.why_not}")
    zones: dict[str, set[str]] = {}
    for option in offered:
        zones.setdefault(option["DBInstanceClass"], set()).update(_zones(option))
    lacking = [(name, zone) for name, zone in wanted if name not in zones or (zone and zone not in zones[name])]
    if lacking:
        listed = ", ".join(f"{name} in {zone}" if zone else name for name, zone in lacking)
        others = "; ".join(f"{name}: {', '.join(sorted(found))}" for name, found in sorted(zones.items()))
        return bad(
            subject,
            f"Not offered for this engine version: {listed}.",
            f"Move or change the source's instance first, or restore by hand. Offered is: {others or 'nothing of it'}.",
        )
    return ok(subject, ", ".join(sorted({name for name, _ in wanted})) + " is offered there.")


def _zones(option: Mapping[str, Any]) -> set[str]:
    return {zone["Name"] for zone in option.get("AvailabilityZones") or ()}
