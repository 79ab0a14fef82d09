"""What every notebook opens with: validate once, connect once, and show the values in effect."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib import import_module
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

from runbook_lib import events
from runbook_lib.aws import AwsSession, Identity, connect
from runbook_lib.backups import RetainedBackup, list_retained_backups
from runbook_lib.clusters import Cluster, find_cluster
from runbook_lib.display import Table
from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.given import Given
from runbook_lib.looking import look
from runbook_lib.policy.notebooks import NOTEBOOKS
from runbook_lib.times import AskedTime, full_text, parse_timestamp, reader_zone, utc_now, utc_text

log = logging.getLogger(__name__)

T = TypeVar("T")
_AUTOMATED_BACKUPS, _KEPT_SHOWN = "rds:DescribeDBClusterAutomatedBackups", 3
WHO_WHERE_WHEN = 'the cell under "Who, where, when"'


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run of one notebook: who, where, which cluster, which moment. Shows itself as the values in effect.

    `cluster` is None for notebooks that look at a whole account. `now` is the one clock reading all decisions share.
    """

    notebook: str
    now: datetime
    zone: ZoneInfo
    asked: AskedTime
    identity: Identity
    cluster: Cluster | None
    run_id: str
    incident: str
    session: AwsSession = field(repr=False)
    given: Given = field(repr=False)

    def choices(self, kind: type[T]) -> T:
        """Return the choices of one kind as they are now. Raises as the kind does when it is made."""
        return self.given.choices(kind)

    def keep(self, value: T, *made_of: object) -> T:
        """Keep a value with the choices it is made of: this run's own, and see `Given.keep`."""
        return self.given.keep(value, self, *made_of)

    def same(self, value: T, *, of: object = None) -> T:
        """Return a value that is kept, if it is made of the choices as they are now. Raises as `Given.same`."""
        return self.given.same(value, of=of)

    @property
    def target(self) -> Cluster:
        """Return the cluster, for notebooks that always have one."""
        assert self.cluster is not None
        return self.cluster

    def text(self, moment: datetime) -> str:
        """Write a moment in UTC, the reader's zone and as how long ago."""
        return full_text(moment, zone=self.zone, now=self.now)

    def table(self) -> Table:
        """Return the values in effect as a table."""
        asked = self.text(self.asked.moment) if self.asked.moment else "latest: as late as AWS can restore"
        rows = [
            ("moment asked for", asked),
            ("it is now", self.text(self.now)),
            ("AWS account", self.identity.account),
            ("caller", self.identity.arn),
            ("region", self.session.region),
        ]
        if self.cluster:
            rows.append(("cluster", f"{self.cluster.identifier} ({self.cluster.status})"))
        rows += [("incident", self.incident)] if self.incident else []
        rows += [("run", self.run_id)] if self.run_id else []
        return Table(title="Values in effect", columns=("", ""), rows=tuple(rows), note=self.asked.note)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        return self.table()._repr_mimebundle_(**options)


def start(  # noqa: PLR0913 # the notebooks name their parameters, each by its own name
    notebook: str,
    *,
    timestamp: str,
    cluster: str = "",
    region: str = "",
    profile: str = "",
    timezone: str = "",
    one_cluster: bool = True,
    given: Mapping[str, Any] | None = None,
) -> Run:
    """Validate what every notebook takes and connect. Changes nothing.

    `given` is the notebook's namespace, in which its parameters are looked up again whenever something is applied, and
    where `profile` and `timezone` are found that were given to a notebook whose cell does not list them.
    With `one_cluster` False an empty `cluster` means the whole account, and the run's cluster is None. An empty
    `timezone` takes the zone that `timestamp` is written in, else this machine's.

    Raises:
        InputRefused: a timestamp, zone, region, profile or cluster that cannot be used.
        CredentialsRefused: AWS does not know the caller.
    """
    show_progress()
    _begin_record(notebook)
    now = utc_now()
    namespace = {} if given is None else given
    asked = parse_timestamp(timestamp, now=now)
    zone = reader_zone(timezone or namespace.get("timezone", "") or asked.zone)
    session = connect(region=region, profile=profile or namespace.get("profile", ""))
    _knock(session, notebook)
    identity = session.identity()
    found = _cluster(session, cluster, notebook=notebook) if cluster or one_cluster else None
    run = Run(
        notebook=notebook,
        now=now,
        zone=zone,
        asked=asked,
        identity=identity,
        cluster=found,
        run_id=os.environ.get("RUNBOOK_RUN_ID", ""),
        incident=os.environ.get("RUNBOOK_INCIDENT", ""),
        session=session,
        given=Given(namespace),
    )
    taken = ["timestamp", "region", "profile", "timezone", *(["cluster"] if found or cluster else [])]
    return run.given.keep(run, *(name for name in taken if name in namespace), where=WHO_WHERE_WHEN)


def _cluster(session: AwsSession, name: str, *, notebook: str) -> Cluster:
    """Find the cluster. Where it is gone and its backup was kept, the refusal says how that one is restored."""
    try:
        return find_cluster(session, name)
    except NotFound as error:
        uses = NOTEBOOKS.get(notebook)
        if uses is None or _AUTOMATED_BACKUPS not in uses.all:
            raise
        kept = look(lambda: list_retained_backups(session))
        same = [backup for backup in kept if backup.cluster == name.lower() or not name]
        if kept.why_not:
            same_hint = f"If it was deleted: whether its backup was kept {kept.why_not}."
        elif not same:
            raise
        else:
            same_hint = " ".join(map(_kept_backup, same[:_KEPT_SHOWN]))
        raise NotFound(error.message, hint=f"{same_hint} If it should be there: {error.hint}", **error.facts) from error


def _kept_backup(backup: RetainedBackup) -> str:
    until = f", restorable until {utc_text(backup.window.latest)}" if backup.window else ""
    return (
        f"The backup of the deleted cluster {backup.cluster} is kept{until}: open restore_to_timestamp with "
        f'restore_from="{backup.resource_id}", timestamp="latest", target="{backup.cluster}" and an instance_class.'
    )


def _knock(session: AwsSession, notebook: str) -> None:
    """Find out at once, and not one after another, which of the services that a notebook asks do not answer."""
    uses = NOTEBOOKS.get(notebook)
    if uses is None:
        return
    services = ("sts", *(dict.fromkeys(call.partition(":")[0] for call in uses.always)))
    if silent := session.knock(services):
        log.warning("no answer from %s; what they know will be missing", ", ".join(silent))


def _begin_record(notebook: str) -> None:
    """Have this kernel record what it runs, where neither our runner nor `runbook lab` does.

    The record is kept by the wing above this one, so it is found by its name.
    """
    if os.environ.get(events.EVENTS_VARIABLE) or not events.in_ipython():
        return
    try:
        import_module("runbook_lib.records.interactive.by_itself").begin(notebook)
    except InputRefused as error:
        events.no_record(error.message)
        log.warning("%s Plans can be made; nothing can be applied.", error.message)
    except Exception as error:
        events.no_record(f"the record could not be begun ({type(error).__name__})")
        log.warning("No record can be kept here. Plans can be made; nothing can be applied.", exc_info=True)


class _ProgressLine(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        at = datetime.fromtimestamp(record.created, UTC)
        return f"{at:%H:%M:%S} UTC  {record.getMessage()}"


def show_progress() -> None:
    """Let the library's own log lines appear under the cell that works, once per process."""
    logger = logging.getLogger("runbook_lib")
    if any(isinstance(handler.formatter, _ProgressLine) for handler in logger.handlers):
        return
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_ProgressLine())
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
