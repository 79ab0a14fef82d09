"""One run from its first event to its finished record, whoever started it."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib import errors
from runbook_lib.records.kernel import Kernel
from runbook_lib.records.outcomes import Ending, Limits, Outcome, Progress
from runbook_lib.records.recording import Recording
from runbook_lib.records.signals import Stop

if TYPE_CHECKING:
    from runbook_lib.records.executed import TruthfulManager
    from runbook_lib.records.manifest import Manifest

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class RunRecord:
    """What came of a run. `result` is what the notebook's last cell showed; `losses` what its record lacks."""

    folder: Path
    run_id: str
    incident: str
    notebook: str
    outcome: str
    exit_code: int
    headline: str
    lines: tuple[str, ...]
    result: dict[str, Any] | None
    parameters: dict[str, Any]
    started: datetime
    ended: datetime
    seconds: float
    phases: tuple[tuple[str, float], ...]
    losses: tuple[str, ...]
    published: str = ""
    unpublished: str = ""


class Run:
    """A run in progress: its record, its kernel, its deadlines."""

    def __init__(
        self,
        recording: Recording,
        *,
        limits: Limits,
        on_progress: Callable[[Progress], None] | None = None,
    ) -> None:
        self.recording = recording
        self.stop = Stop()
        self._limits = limits
        self._on_progress = on_progress
        self._kernel: Kernel | None = None
        self._manager: TruthfulManager | None = None
        self._begun = time.monotonic()
        self._finished = False
        self.record: RunRecord | None = None

    def start_kernel(self, kernel_name: str, *, environment: Mapping[str, str], cwd: Path | None) -> None:
        """Start the kernel process; it gets ready while this process goes on importing."""
        recording = self.recording
        recording.begin()
        self._kernel = Kernel(
            run_id=recording.run_id,
            kernel_name=kernel_name,
            environment={**environment, **recording.environment()},
            cwd=cwd,
        )

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Listen to signals inside, and leave no kernel and no unfinished record behind, whatever goes wrong."""
        try:
            with self.stop.listening():
                yield
        except BaseException as error:
            if not self._finished:
                said = self.recording.scrubber.text(str(error)[:2000])
                self.recording.ending = self.recording.ending or Ending(
                    outcome=Outcome.FAILED,
                    exit_code=errors.StepFailed.exit_code,
                    headline=f"The runner itself failed: {type(error).__name__}: {said}",
                    error=type(error).__name__,
                )
                self.finish()
            raise
        finally:
            self._end_kernel()

    def execute(self, nb: Any, **options: Any) -> TruthfulManager:
        """Run the cells of a prepared notebook. `options` are papermill's."""
        from runbook_lib.records.executed import TruthfulManager
        from runbook_lib.records.execution import Pace, TruthfulClient

        assert self._kernel is not None, "start_kernel comes first"
        warming = threading.Thread(target=_warm, args=(self.recording,), daemon=True)
        warming.start()
        names = ("output_path", "progress_bar", "log_output", "autosave_cell_every")
        self._manager = manager = TruthfulManager(
            nb, recording=self.recording, **{name: options.pop(name) for name in names if name in options}
        )
        manager.notebook_start()
        client = TruthfulClient(
            manager,
            kernel=self._kernel,
            recording=self.recording,
            stop=self.stop,
            pace=Pace(begun=self._begun, limits=self._limits, on_progress=self._on_progress),
            **options,
        )
        self.recording.ending = client.run()
        self._kernel.ask_to_end(at_once=bool(self.stop.reason))
        manager.notebook_complete()
        warming.join()
        return manager

    def finish(self) -> RunRecord:
        """Write what is left of the record, seal it, and give what came of the run."""
        from runbook_lib.records import sealing

        self._finished = True
        seconds = time.monotonic() - self._begun
        manifest = sealing.finish(self.recording, self._manager, seconds=seconds, end_kernel=self._end_kernel)
        self.record = self._record(manifest)
        return self.record

    def _end_kernel(self) -> None:
        kernel, self._kernel = self._kernel, None
        if kernel is not None:
            kernel.end()

    def _record(self, manifest: Manifest) -> RunRecord:
        recording, ending = self.recording, self.recording.ending
        assert ending is not None, "a run that is finished has ended"
        lost = recording.losses and ending.exit_code == 0
        return RunRecord(
            folder=recording.path,
            run_id=recording.run_id,
            incident=recording.incident,
            notebook=recording.notebook,
            outcome=ending.outcome.value,
            exit_code=errors.NotPublished.exit_code if lost else ending.exit_code,
            headline=manifest.headline,
            lines=tuple(recording.scrubber.text(line) for line in ending.lines),
            result=recording.result,
            parameters=recording.parameters,
            started=manifest.started,
            ended=manifest.ended,
            seconds=manifest.seconds,
            phases=tuple(recording.phases),
            losses=recording.losses,
        )


def _warm(recording: Recording) -> None:
    """Import what finishing needs while the kernel works, and end what killed runs of this incident left open."""
    from runbook_lib.records import orphans, report, sealing

    assert sealing
    try:
        orphans.close_all(recording.store, incident=recording.incident)
    except Exception:
        log.warning("Killed runs of this incident could not be closed.", exc_info=True)
    report.exporter()
