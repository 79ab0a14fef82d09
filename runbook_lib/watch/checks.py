"""How each check stands, decided from what was read. Pure: facts, records and the moment go in, findings come out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from runbook_lib.checks import Check, bad, ok, unknown, warn
from runbook_lib.clusters import Cluster, utc
from runbook_lib.restore.copies.leftovers import Region, leftovers
from runbook_lib.times import ago, duration_text, utc_text
from runbook_lib.watch.declared import BY_NAME, Declared, Finding
from runbook_lib.watch.facts import Apart, Facts, Shared, whose
from runbook_lib.watch.inside import Inside
from runbook_lib.watch.loads import judge_loads
from runbook_lib.watch.past import Past

LAG = timedelta(minutes=15)  # AWS promises "typically within the last 5 minutes"
SNAPSHOT = timedelta(hours=26)  # one a day, in a window of half an hour, and the time it takes
SLACK = timedelta(days=1)  # the window's beginning moves with the daily backup
KEPT_APART = timedelta(days=8)  # a weekly copy and a day
CERTIFICATE = (timedelta(days=90), timedelta(days=30))  # mind, bad
SUPPORT = (timedelta(days=180), timedelta(days=60))
QUOTA = (0.8, 0.95)
_LOOK = "Look at its status and its events."
_SEE_POLICY = "Allow it; `runbook policy watch_backups` prints what is needed."


def judge(facts: Facts, inside: Inside | None, past: Past) -> tuple[Finding, ...]:
    """Return one finding of each check and each cluster that it is about, in the order of the declarations."""
    return tuple(_Judge(facts, inside, past).findings())


class _Judge:
    def __init__(self, facts: Facts, inside: Inside | None, past: Past) -> None:
        self.facts, self.inside, self.past = facts, inside, past
        self.now = facts.now

    def findings(self) -> Iterator[Finding]:
        for declared in self.facts.checks:
            judging: Callable[..., Check] = getattr(self, declared.name.replace("-", "_"))
            if declared.level == "region":
                yield Finding(declared=declared, about="", check=judging(declared.title))
            elif not self.facts.watched:  # none at all is not "all are well"
                why_not = self.facts.clusters.why_not or f"are none in {self.facts.region}"
                check = _unknown(declared.title, f"The clusters {why_not}")
                yield Finding(declared=declared, about=self.facts.cluster, check=check)
            else:
                for cluster in self.facts.watched:
                    check = judging(declared.title, cluster)
                    yield Finding(declared=declared, about=cluster.identifier, check=check)

    # what AWS says of a cluster

    def restorable_lag(self, subject: str, cluster: Cluster) -> Check:
        if cluster.status == "stopped":
            return ok(subject, "It is stopped: nothing is written.")
        if cluster.window is None:
            if self._is_young(cluster, timedelta(hours=1)):
                return ok(subject, f"It was made {ago(cluster.created, now=self.now)}; its backups begin.")
            return bad(subject, "AWS gives no time up to which it can be restored.", _LOOK)
        latest = min(cluster.window.latest, self.now)  # a clock that goes before ours is no lag, and no future either
        said = f"It can be restored up to {ago(latest, now=self.now)}."
        if self.now - cluster.window.latest > LAG:
            hint = "Look at the cluster's status; ask AWS's support why its backups lag, and take a snapshot now."
            return bad(subject, said, hint)
        return ok(subject, said)

    def window_short(self, subject: str, cluster: Cluster) -> Check:
        promised = self.facts.choices.promised.window
        retention = timedelta(days=cluster.retention_days)
        if retention < promised:
            said = f"Its retention is {cluster.retention_days} days; promised are {duration_text(promised)}."
            return bad(subject, said, "Raise the retention: ModifyDBCluster, BackupRetentionPeriod.")
        if cluster.window is None:
            if self._is_young(cluster, timedelta(hours=1)):
                return ok(subject, f"It was made {ago(cluster.created, now=self.now)}; its backups begin.")
            return _unknown(subject, "AWS gives no window for it", _LOOK)
        reach = self.now - cluster.window.earliest
        said = f"It reaches back {duration_text(reach)}, of {cluster.retention_days} days of retention."
        if reach < min(retention, self.now - cluster.created) - SLACK:
            hint = "If the retention was raised lately, it grows with the days; else ask AWS's support."
            return bad(subject, said, hint)
        return ok(subject, said)

    def settings_weakened(self, subject: str, cluster: Cluster) -> Check:
        protected = cluster.raw.get("DeletionProtection") is True
        held = self.past.settings_of(cluster)
        if self.past.why_not:
            return _unknown(subject, f"Earlier records {self.past.why_not}")
        now = f"{cluster.retention_days} days of retention, deletion protection {'on' if protected else 'off'}"
        accept = f"Put it back, or accept it with `-p accept {cluster.identifier}`."
        if held is None:
            return warn(subject, f"The first record: {now}.", "Later runs are compared with this one; keep its record.")
        lost = []
        if cluster.retention_days < held.retention_days:
            lost.append(f"the retention was {held.retention_days} days and is {cluster.retention_days}")
        if held.protected and not protected:
            lost.append("the deletion protection was on and is off")
        if lost:
            return bad(subject, f"Since the record of {held.since}: {', and '.join(lost)}.", accept)
        if not protected:
            return warn(subject, f"It stands at {now}.", "Switch it on: ModifyDBCluster, DeletionProtection.")
        return ok(subject, f"As in the earlier records: {now}.")

    def snapshot_missing(self, subject: str, cluster: Cluster) -> Check:
        if self.facts.automated.why_not:
            return _unknown(subject, f"Automated snapshots {self.facts.automated.why_not}")
        newest = self._automated.get(whose(cluster))
        if newest and self.now - newest <= SNAPSHOT:
            return ok(subject, f"The newest was made {ago(newest, now=self.now)}.")
        if self._is_young(cluster, SNAPSHOT):
            return ok(subject, f"The cluster was made {ago(cluster.created, now=self.now)}.")
        if cluster.status == "stopped":
            return warn(subject, "It is stopped: no snapshot is made.", "It starts by itself after seven days.")
        said = f"The newest was made {ago(newest, now=self.now)}." if newest else "There is none."
        return bad(subject, said, "Take one by hand, and look at the cluster's events and its status.")

    def encryption(self, subject: str, cluster: Cluster) -> Check:
        kind, key = cluster.raw.get("StorageEncryptionType"), str(cluster.raw.get("KmsKeyId") or "")
        hint = "A snapshot copied with a key of your own, and restored, is encrypted by it."
        if cluster.raw.get("StorageEncrypted") is not True or kind == "none":
            return bad(subject, "It is not encrypted.", hint)
        if key and self.facts.aliases.why_not:
            return _unknown(subject, f"Whose key encrypts it {self.facts.aliases.why_not}")
        if not key or key.rpartition("/")[2] in self._default_keys:
            said = "It is encrypted by AWS's own key: its snapshots cannot be shared with another account."
            return warn(subject, said, hint)
        return ok(subject, f"It is encrypted by the key {key.rpartition('/')[2]}.")

    def snapshots_shared(self, subject: str, cluster: Cluster) -> Check:
        if self.facts.shared.why_not:
            return _unknown(subject, f"Manual snapshots {self.facts.shared.why_not}")
        own = self._shared.get(whose(cluster), ())
        public = [shared for shared in own if "all" in shared.accounts]
        if public:
            names = ", ".join(shared.snapshot.identifier for shared in public[:5])
            return bad(subject, f"Public, for everybody: {names}.", "Take it back: ModifyDBClusterSnapshotAttribute.")
        trusted = {*self.facts.choices.trusted_accounts, self.facts.account}
        strange = [
            f"{shared.snapshot.identifier} with {', '.join(sorted(set(shared.accounts) - trusted))}"
            for shared in own
            if set(shared.accounts) - trusted
        ]
        if strange:
            hint = "Take it back with ModifyDBClusterSnapshotAttribute, or name the account in `trusted`."
            return bad(subject, f"Shared: {'; '.join(strange[:5])}.", hint)
        if unseen := [shared for shared in own if shared.accounts.why_not]:
            return _unknown(subject, f"Whom {len(unseen)} snapshots are shared with {unseen[0].accounts.why_not}")
        if self.facts.not_asked:
            said = f"{self.facts.not_asked:,} older snapshots of the region were not asked for in this run"
            return _unknown(subject, said, "Watch this cluster by its name, or delete old snapshots.")
        return ok(subject, f"None of {len(own)} manual snapshots is shared with anybody who is not trusted.")

    def kept_apart(self, subject: str, cluster: Cluster) -> Check:
        newest = self._apart.get(cluster.arn)
        if newest and self.now - newest.created <= KEPT_APART:
            return ok(subject, f"The newest, in {newest.where}, is of {ago(newest.created, now=self.now)}.")
        if self.facts.apart_unseen:
            return _unknown(subject, f"What lies apart {self.facts.apart_unseen}")
        hint = "Let an AWS Backup plan copy it weekly to a vault of another account, or to a locked one."
        said = (
            f"The newest, in {newest.where}, is of {ago(newest.created, now=self.now)}." if newest else "There is none."
        )
        return bad(subject, said, hint)

    def certificate(self, subject: str, cluster: Cluster) -> Check:
        for seen in (self.facts.instances, self.facts.certificates):
            if seen.why_not:
                return _unknown(subject, f"When a certificate ends {seen.why_not}")
        ends: list[tuple[datetime, str]] = []
        for entry in self._instances.get(cluster.identifier, ()):
            name, authority = entry.get("DBInstanceIdentifier"), str(entry.get("CACertificateIdentifier") or "")
            till = self._authorities.get(authority)
            if till is None:
                said = f"AWS says nothing of the authority {authority or 'of'} {name}".strip()
                return _unknown(subject, said, "Look at DescribeCertificates.")
            ends.append((till, f"the authority {authority} of {name}"))
        if not ends:
            return ok(subject, "It has no instance, so no certificate.")
        till, what = min(ends)
        said = f"{what[0].upper()}{what[1:]} ends at {utc_text(till)}."
        hint = "Trust the new authorities in every client, then set it: ModifyDBInstance, CACertificateIdentifier."
        return _graded(subject, till - self.now, CERTIFICATE, said, hint)

    def engine_support(self, subject: str, cluster: Cluster) -> Check:
        for seen in (self.facts.versions, self.facts.majors):
            if seen.why_not:
                return _unknown(subject, f"How long {cluster.engine_version} is supported {seen.why_not}")
        hint = "Plan the upgrade; a clone shows how it goes (try_load)."
        end = self._support_of(cluster.engine_version)
        if end is None:
            return _unknown(subject, f"AWS does not say how long {cluster.engine_version} is supported", hint)
        said = f"{cluster.engine_version} has standard support until {utc_text(end)}."
        graded = _graded(subject, end - self.now, SUPPORT, said, hint)
        status = self._statuses.get(cluster.engine_version, "not listed any more")
        if graded.state == "ok" and status != "available":
            return warn(subject, f"{cluster.engine_version} is {status}: a restore of it may be refused.", hint)
        return graded

    def drill(self, subject: str, cluster: Cluster) -> Check:
        if self.past.why_not:
            return _unknown(subject, f"Records of drills {self.past.why_not}")
        drills = [drill for drill in self.past.drills if drill.cluster == cluster.identifier]
        proved = max((drill.at for drill in drills if drill.proved), default=None)
        last = max(drills, key=lambda drill: drill.at, default=None)
        within = self.facts.choices.promised.drill
        hint = "Drill a restore: it makes a copy, proves it, and deletes it."
        if last is None or (proved is None and last.proved):
            return bad(subject, "No restore of it was ever drilled.", hint)
        if not last.proved:
            said = f"The last drill, {ago(last.at, now=self.now)}, did not end as proved ({last.outcome})."
            return bad(subject, said, "Read its record, mend what it names, and drill again.")
        if self.now - last.at > within:
            said = f"The last was proved {ago(last.at, now=self.now)}; promised is one in {duration_text(within)}."
            return bad(subject, said, hint)
        return ok(subject, f"A restore was proved {ago(last.at, now=self.now)}.")

    # what its database says

    def binary_log(self, subject: str, _cluster: Cluster) -> Check:
        return self._inside(subject, lambda inside: inside.binary_log(subject, self.facts.choices.promised.notice))

    def contract(self, subject: str, _cluster: Cluster) -> Check:
        return self._inside(subject, lambda inside: inside.kept_contract(subject))

    def tables_lost(self, subject: str, cluster: Cluster) -> Check:
        if self.past.why_not:
            return _unknown(subject, f"Earlier records {self.past.why_not}")
        before = self.past.tables_of(cluster)
        return self._inside(subject, lambda inside: inside.lost_tables(subject, before, cluster.identifier))

    def loader_account(self, subject: str, _cluster: Cluster) -> Check:
        return self._inside(subject, lambda inside: inside.loader(subject))

    def _inside(self, subject: str, judging: Callable[[Inside], Check]) -> Check:
        if self.inside is None:
            return _unknown(subject, "Its database was not looked at", "Name the cluster, or leave this check out.")
        return judging(self.inside)

    # what is one for the region

    def cluster_gone(self, subject: str) -> Check:
        if self.facts.clusters.why_not:
            return _unknown(subject, f"The clusters {self.facts.clusters.why_not}")
        if self.past.why_not:
            return _unknown(subject, f"Earlier records {self.past.why_not}")
        living = {cluster.resource_id for cluster in self.facts.clusters}
        gone = [known for known in self.past.known.values() if known.resource_id not in living]
        gone = [known for known in gone if known.name not in self.facts.choices.accepted]
        if gone:
            names = ", ".join(sorted(known.name for known in gone))
            hint = f"Its retained backup is in inspect_backups. If it was meant to go: `-p accept {gone[0].name}`."
            return bad(subject, f"Not there any more: {names}.", hint)
        return ok(subject, f"As many as before are there: {len(self.past.known)}.")

    def load(self, subject: str) -> Check:
        return judge_loads(subject, self.facts.loads, now=self.now)

    def copies_expired(self, subject: str) -> Check:
        if self.facts.clusters.why_not:
            return _unknown(subject, f"The clusters {self.facts.clusters.why_not}")
        region = Region(clusters=tuple(self.facts.clusters), members={}, global_arns={})
        found = [each for each in leftovers(region, now=self.now) if not each.cluster.stands_for_itself]
        over = [each for each in found if each.expires and each.expires <= self.now]
        if over:
            names = ", ".join(f"{each.name} ({ago(each.expires, now=self.now)})" for each in over if each.expires)
            return bad(subject, f"Past their expiry: {names}.", "Delete them by plan.")
        endless = [each.name for each in found if each.expires is None and each.purpose != "cutover"]
        if endless:
            return warn(subject, f"Without an expiry: {', '.join(endless)}.", "Delete them by plan, named in `only`.")
        return ok(subject, f"{len(found)} restored copies, none past its expiry.")

    def quota(self, subject: str) -> Check:
        if self.facts.quotas.why_not:
            return _unknown(subject, f"What is used of the quotas {self.facts.quotas.why_not}")
        known = {quota.get("AccountQuotaName"): quota for quota in self.facts.quotas}
        shares = {}
        for name, word in (("DBClusters", "clusters"), ("ManualClusterSnapshots", "manual cluster snapshots")):
            quota = known.get(name) or {}
            if not quota.get("Max") or quota.get("Used") is None:
                return _unknown(subject, f"AWS does not tell the quota of {word}", "Look at the console's quotas.")
            shares[f"{quota['Used']:,} of {quota['Max']:,} {word}"] = quota["Used"] / quota["Max"]
        said, share = f"In use are {', '.join(shares)}.", max(shares.values())
        hint = "Delete what is no longer needed, or ask AWS to raise the quota."
        if share >= QUOTA[1]:
            return bad(subject, said, hint)
        return warn(subject, said, hint) if share >= QUOTA[0] else ok(subject, said)

    def records_unpublished(self, subject: str) -> Check:
        if self.past.why_not:
            return _unknown(subject, f"The records {self.past.why_not}")
        if self.past.unpublished:
            said = f"{len(self.past.unpublished)} records: {', '.join(self.past.unpublished[:5])}."
            return bad(subject, said, "Finish it with `runbook records publish`.")
        return ok(subject, "None waits to be published.")

    def records_chain(self, subject: str) -> Check:
        if self.past.why_not:
            return _unknown(subject, f"The records {self.past.why_not}")
        if self.past.broken:
            said = f"{len(self.past.broken)} findings: {'; '.join(self.past.broken[:3])}."
            return bad(subject, said, "Find out who changed it: `runbook records verify` names each file.")
        return ok(subject, f"All {self.past.records} records are as they were sealed.")

    # each list looked through once

    def _is_young(self, cluster: Cluster, age: timedelta) -> bool:
        return self.now - cluster.created < age

    @cached_property
    def _automated(self) -> dict[str, datetime]:
        return {whose(snapshot): snapshot.created for snapshot in self.facts.automated}

    @cached_property
    def _shared(self) -> dict[str, list[Shared]]:
        return _grouped(self.facts.shared, lambda shared: whose(shared.snapshot))

    @cached_property
    def _apart(self) -> dict[str, Apart]:
        return {point.resource_arn: point for point in sorted(self.facts.apart, key=lambda point: point.created)}

    @cached_property
    def _instances(self) -> dict[str, list[dict[str, Any]]]:
        return _grouped(self.facts.instances, lambda entry: str(entry.get("DBClusterIdentifier") or ""))

    @cached_property
    def _authorities(self) -> dict[str, datetime]:
        ends = {
            entry.get("CertificateIdentifier", ""): utc(entry.get("ValidTill")) for entry in self.facts.certificates
        }
        return {name: till for name, till in ends.items() if till}

    @cached_property
    def _default_keys(self) -> set[str]:
        aws = (alias for alias in self.facts.aliases if str(alias.get("AliasName")).startswith("alias/aws/"))
        return {str(alias.get("TargetKeyId")) for alias in aws if alias.get("TargetKeyId")}

    @cached_property
    def _statuses(self) -> dict[str, str]:
        return {entry.get("EngineVersion", ""): entry.get("Status") or "available" for entry in self.facts.versions}

    def _support_of(self, version: str) -> datetime | None:
        for major in self.facts.majors:
            if version.startswith(f"{major.get('MajorEngineVersion')}."):
                for cycle in major.get("SupportedEngineLifecycles") or ():
                    if cycle.get("LifecycleSupportName") == "open-source-rds-standard-support":
                        return utc(cycle.get("LifecycleSupportEndDate"))
        return None


def _graded(subject: str, left: timedelta, limits: tuple[timedelta, timedelta], said: str, hint: str) -> Check:
    if left < limits[1]:
        return bad(subject, said, hint)
    return warn(subject, said, hint) if left < limits[0] else ok(subject, said)


def _unknown(subject: str, why_not: str, hint: str = _SEE_POLICY) -> Check:
    return unknown(subject, why_not.rstrip("."), hint)


def _grouped(items: Iterable[Any], key: Callable[[Any], str]) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = {}
    for item in items:
        found.setdefault(key(item), []).append(item)
    return found


def of_declared(findings: Iterable[Finding]) -> Mapping[Declared, list[Finding]]:
    """Return the findings by their declaration, in its order."""
    found = _grouped(findings, lambda finding: finding.declared.name)
    return {BY_NAME[name]: of for name, of in found.items()}
