"""Judge what points at a cluster from outside: what follows a name by itself, and what somebody must change."""

from __future__ import annotations

from collections.abc import Iterator

from runbook_lib.bringback.cutover.pairing import Pairing
from runbook_lib.bringback.cutover.surroundings import Surroundings
from runbook_lib.checks import bad, ok, unknown, warn
from runbook_lib.looking import Seen
from runbook_lib.restore.checks import Check


def judge(around: Surroundings, pairing: Pairing, *, region: str) -> Iterator[Check]:
    """Return a check for each kind of thing that may point at the source. Pure."""
    yield _membership(around.global_databases, pairing)
    yield _replication(pairing)
    yield _roles(pairing, region)
    yield _endpoints(around, pairing, region)
    yield _proxies(around.proxies, pairing, region)
    yield _by_name("alarms", around.alarms)
    yield _by_name("event subscriptions", around.subscriptions)


def _membership(found: Seen[str], pairing: Pairing) -> Check:
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


def _replication(pairing: Pairing) -> Check:
    subject, raw = "replication", pairing.source.raw
    replicas = [str(one) for one in raw.get("ReadReplicaIdentifiers") or ()]
    if upstream := raw.get("ReplicationSourceIdentifier"):
        return bad(subject, f"It replicates from {upstream}; the copy does not.", "Copy the tables back instead.")
    if replicas:
        return warn(
            subject,
            f"{', '.join(replicas)} replicates from it and will go on following the damaged cluster.",
            "Make the replicas anew from the copy, after the cut-over.",
        )
    return ok(subject, "AWS knows of no replica; one by binary log outside AWS would have to be made anew.")


def _roles(pairing: Pairing, region: str) -> Check:
    subject = "IAM roles"
    held = {one.get("RoleArn") for one in pairing.copy.raw.get("AssociatedRoles") or ()}
    lacking = [one for one in pairing.source.raw.get("AssociatedRoles") or () if one.get("RoleArn") not in held]
    if not lacking:
        return ok(subject, "The copy has every role of the source.")
    commands = "; ".join(
        f"`aws rds add-role-to-db-cluster --region {region} --db-cluster-identifier {pairing.copy.identifier} "
        f"--role-arn {one['RoleArn']}{_feature(one.get('FeatureName'))}`"
        for one in lacking
    )
    return warn(subject, f"The copy lacks {len(lacking)} of the source's roles.", f"Before you approve: {commands}.")


def _feature(name: object) -> str:
    return f" --feature-name {name}" if name else ""


def _endpoints(around: Surroundings, pairing: Pairing, region: str) -> Check:
    subject = "custom endpoints"
    if around.endpoints.why_not:
        return unknown(subject, f"Whether there are custom endpoints {around.endpoints.why_not}")
    if not around.endpoints:
        return ok(subject, "There are none.")
    names = [str(one.get("DBClusterEndpointIdentifier")) for one in around.endpoints]
    commands = "; ".join(
        f"`aws rds delete-db-cluster-endpoint --region {region} --db-cluster-endpoint-identifier {name}` and "
        f"`aws rds create-db-cluster-endpoint --region {region} --db-cluster-identifier {pairing.name} "
        f"--db-cluster-endpoint-identifier {name} --endpoint-type {one.get('CustomEndpointType') or 'ANY'}`"
        for name, one in zip(names, around.endpoints, strict=True)
    )
    said = f"{', '.join(names)} stay with the damaged cluster: a custom endpoint does not follow the name."
    return warn(subject, said, f"After the cut-over: {commands}.")


def _proxies(found: Seen[str], pairing: Pairing, region: str) -> Check:
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


def _by_name(subject: str, found: Seen[str]) -> Check:
    if found.why_not:
        return unknown(subject, f"Whether there are {subject} {found.why_not}")
    if not found:
        return ok(subject, "None names it.")
    listed = ", ".join(found[:5]) + (" …" if len(found) > 5 else "")
    return ok(subject, f"{len(found)} go by name and so watch the copy from then on: {listed}.")
