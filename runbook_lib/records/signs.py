"""Signs of life of a runner: a ping at its start and end, a metrics file for Prometheus, metrics for CloudWatch.

A run that nobody watches is only safe if its silence is heard: whoever takes these knows when the next one is due. None
of them can change how a run ends, and each has its time limit.
"""

from __future__ import annotations

import logging
import threading
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from runbook_lib.errors import InputRefused, RunbookError
from runbook_lib.plain import plain
from runbook_lib.records.store import write_atomically

if TYPE_CHECKING:
    from runbook_lib.checks import State
    from runbook_lib.records.session import RunRecord
    from runbook_lib.watch.declared import Declared
    from runbook_lib.watch.metrics import Beat

log = logging.getLogger(__name__)

PING_VARIABLE = "RUNBOOK_PING"
WATCH = "watch_backups"
_LIMIT_S = 10.0
_LONGEST_BODY = 10_000


class _SentOn(urllib.request.HTTPRedirectHandler):
    """Follows no redirect: it would ask without what was to be said, and any answer would look like a delivery."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        """Leave the answer as it is, an error."""


OPENER = urllib.request.build_opener(_SentOn)


@dataclass(kw_only=True)
class Signs:
    """Where the signs of one run go. `given` are the parameters of the run as they were written."""

    notebook: str
    given: Mapping[str, Any] = field(default_factory=dict)
    ping: str = ""
    metrics: Path | None = None
    to_cloudwatch: bool = False
    begun: datetime = field(default_factory=lambda: datetime.now(UTC))
    run: str = field(default_factory=lambda: str(uuid4()))

    def __post_init__(self) -> None:
        if self.ping and not self.ping.startswith(("https://", "http://")):
            raise InputRefused("A ping goes to a web address (https://…).", hint=f"Check --ping and ${PING_VARIABLE}.")
        if self.to_cloudwatch and self.notebook != WATCH:
            raise InputRefused("Only the watch has metrics for CloudWatch.", hint=f"Use --cloudwatch with {WATCH}.")

    def begin(self) -> None:
        """Say that a run begins."""
        if self.ping:
            _in_time("ping", lambda: self._ping("start", ""))

    @contextmanager
    def of_refusals(self) -> Iterator[None]:
        """Say it when what is inside is refused before a run has begun."""
        try:
            yield
        except RunbookError as error:
            self._end(error.exit_code, None, {}, "\n".join(error.lines()))
            raise

    def end(self, record: RunRecord) -> None:
        """Say how a run ended, and what a watch has found."""
        kept = _kept(record) if self.notebook == WATCH else None
        self._end(record.exit_code, kept, record.parameters, "\n".join(record.lines) or record.headline)

    def _end(self, exit_code: int, kept: Mapping[str, Any] | None, used: Mapping[str, Any], said: str) -> None:
        if self.metrics or self.to_cloudwatch:
            _in_time("metrics", lambda: self._measure(exit_code, kept, {**self.given, **used}))
        if self.ping:
            _in_time("ping", lambda: self._ping(str(exit_code), said))

    def _measure(self, exit_code: int, kept: Mapping[str, Any] | None, used: Mapping[str, Any]) -> None:
        from runbook_lib.aws import connect
        from runbook_lib.watch.metrics import Beat, states_of

        used = {name: getattr(value, "text", value) for name, value in used.items()}  # as it was written
        region, profile = str(used.get("region") or ""), str(used.get("profile") or "")
        cluster = str(used.get("cluster") or "").lower()
        scope = str(kept["scope"]) if kept else cluster
        if not scope:
            with suppress(RunbookError):
                scope = connect(region=region, profile=profile).region
        ended = datetime.now(UTC)
        beat = Beat(
            notebook=self.notebook,
            scope=scope,
            ended=ended,
            exit_code=exit_code,
            seconds=(ended - self.begun).total_seconds(),
        )
        states: dict[Declared, dict[str, State]] = {}
        if self.notebook == WATCH:
            left_out = str(used.get("leave_out") or "")
            try:
                states = states_of(kept, one_cluster=bool(cluster), leave_out=left_out, scope=scope)
            except InputRefused:  # why the run was refused: every check is unknown then
                states = states_of(None, one_cluster=bool(cluster), leave_out="", scope=scope)
        self._write(states, beat)
        if self.to_cloudwatch:
            self._put(states, beat, region=region, profile=profile)

    def _write(self, states: Mapping[Declared, Mapping[str, State]], beat: Beat) -> None:
        from runbook_lib.watch.metrics import prometheus

        if self.metrics is None:
            return
        try:
            write_atomically(self.metrics, prometheus(states, beat).encode(), lasting=False)
        except OSError as error:
            log.warning("The metrics were not written to %s: %s", self.metrics, error.strerror or type(error).__name__)

    @staticmethod
    def _put(states: Mapping[Declared, Mapping[str, State]], beat: Beat, *, region: str, profile: str) -> None:
        from runbook_lib.aws import connect
        from runbook_lib.aws.metrics import PUT_METRIC_DATA
        from runbook_lib.watch.metrics import cloudwatch

        session = connect(region=region, profile=profile, attempts=3)
        for request in cloudwatch(states, beat):
            PUT_METRIC_DATA(session, **request)

    def _ping(self, what: str, said: str) -> None:
        """Ask the address as healthchecks services take it: /start, then / and the exit code, both with one run id."""
        address = f"{self.ping.rstrip('/')}/{what}?rid={self.run}"
        body = plain(said)[:_LONGEST_BODY].encode()
        request = urllib.request.Request(address, data=body)  # noqa: S310 # its scheme was checked
        with OPENER.open(request, timeout=_LIMIT_S) as answer:
            answer.read(100)


def _kept(record: RunRecord) -> dict[str, Any] | None:
    from runbook_lib.records.past_watch import watch_of
    from runbook_lib.records.register import read_entry
    from runbook_lib.records.store import Store

    try:
        return watch_of(read_entry(Store(record.folder.parent.parent), record.folder))
    except (OSError, ValueError, RunbookError):
        return None


def _in_time(what: str, send: Callable[[], None]) -> None:
    """Do it in its time limit; a failure is one line in the log, and never more."""

    def sending() -> None:
        try:
            send()
        except urllib.error.HTTPError as error:
            log.warning("The %s was not taken: %s", what, error.code)
        except RunbookError as error:
            log.warning("The %s were not taken: %s", what, error.message)
        except Exception as error:  # noqa: BLE001 # whatever goes wrong here must not matter to the run
            log.warning("The %s was not delivered: %s", what, type(error).__name__)

    thread = threading.Thread(target=sending, daemon=True)
    thread.start()
    thread.join(_LIMIT_S + 5)
    if thread.is_alive():
        log.warning("The %s was not delivered within %d s; it is not waited for.", what, _LIMIT_S + 5)
