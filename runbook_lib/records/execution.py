"""Execute the cells of a notebook through papermill's client, and say truthfully how each one ended.

papermill catches only a cell's own error and then marks every cell that never ran `completed`. Here a dead kernel, a
passed deadline and a signal end the cell they hit with its own state, and cells behind it keep `never-ran`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import nbformat
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient

from runbook_lib import errors
from runbook_lib.records import outcomes
from runbook_lib.records.executed import TruthfulManager
from runbook_lib.records.kernel import Kernel
from runbook_lib.records.outcomes import CellState, Ending, Limits, Outcome, Progress
from runbook_lib.records.recording import Recording
from runbook_lib.records.signals import Stop
from runbook_lib.records.streams import CellStreams

_TICK_SECONDS = 0.2
_GRACE_SECONDS = 10.0  # for what a cell does in `finally` after it was interrupted


@dataclass(frozen=True, kw_only=True)
class Pace:
    """When a run began (on the monotonic clock, in seconds), how long it may take, and who follows it."""

    begun: float
    limits: Limits
    on_progress: Callable[[Progress], None] | None = None


class TruthfulClient(PapermillNotebookClient):  # type: ignore[misc] # papermill ships no types
    """papermill's client with our kernel and deadlines; hears signals, and cleans every message before it is kept."""

    def __init__(
        self,
        manager: TruthfulManager,
        *,
        kernel: Kernel,
        recording: Recording,
        stop: Stop,
        pace: Pace,
        **options: Any,
    ) -> None:
        super().__init__(manager, km=kernel.manager, raise_on_iopub_timeout=False, **options)
        self.clear_before_next_output: bool = False
        self._kernel = kernel
        self._recording = recording
        self._stop = stop
        self._limits = pace.limits
        self._on_progress = pace.on_progress
        self._streams: CellStreams | None = None
        self._error: dict[str, Any] | None = None
        self._begun = pace.begun
        self._cell_begun = self._begun
        self._last_sign = self._phase_begun = self._begun
        self._at = 0
        self._heading = ""

    def run(self) -> Ending:
        """Run the cells in order until one ends the run; give how the run ended."""
        self.reset_execution_trackers()
        try:
            with self.setup_kernel(cleanup_kc=False):
                self._phase("starting")
                ending = self._cells()
                if self._kernel.exit_status is None and not self._stop.reason:
                    info = self.wait_for_reply(self.kc.kernel_info())
                    self.nb.metadata["language_info"] = info["content"]["language_info"]
                self.set_widgets_metadata()
        finally:
            if self.kc is not None:
                self.kc.stop_channels()
        return ending

    def _cells(self) -> Ending:
        ending: Ending | None = None
        for index, cell in enumerate(self.nb.cells):
            self._heading = _heading_of(cell) or self._heading
            if ending is not None or (ending := self._stopped(index)) is not None:
                self.nb_man.end(index, CellState.NEVER_RAN)
            elif cell.cell_type != "code":
                self.nb_man.end(index, CellState.COMPLETED)
            elif not cell.source.strip() or self.skip_cells_with_tag in cell.metadata.get("tags", []):
                self.nb_man.end(index, CellState.NEVER_RAN)
            else:
                ending = self._cell(index)
        if ending is not None:
            return ending
        self._recording.result = outcomes.result_of(self.nb)
        return outcomes.of_result(self._recording.result)

    def _phase(self, name: str) -> None:
        """Add what passed since the phase before to this one; a section's cells are one phase."""
        now = time.monotonic()
        phases, took = self._recording.phases, now - self._phase_begun
        self._phase_begun = now
        if phases and phases[-1][0] == name:
            phases[-1] = (name, phases[-1][1] + took)
        else:
            phases.append((name, took))

    def _stopped(self, index: int) -> Ending | None:
        self._look_at_the_clock()
        return self._stop.ending(cell=index + 1) if self._stop.reason else None

    def _cell(self, index: int) -> Ending | None:
        cell = self.nb.cells[index]
        self._at, self._error, self._cell_begun = index, None, time.monotonic()
        self._interrupted_at = 0.0
        self._streams = CellStreams(cell, self._recording.scrubber)
        self.nb_man.begin(index)
        self._tell(CellState.RUNNING)
        try:
            self.execute_cell(cell, index)
            state, ending = CellState.COMPLETED, None
        except CellExecutionError:
            state, ending = CellState.FAILED, self._ending_of_error(index)
        except DeadKernelError:
            state, ending = CellState.FAILED, self._ending_of_death(index)
        self._streams.close()
        allowed = state is CellState.COMPLETED and self._error is not None
        if ending is not None and self._stop.reason:
            state, ending = self._stop.cell_state, self._stop.ending(cell=index + 1)
        elif ending is not None and ending.outcome is Outcome.SUCCEEDED:
            state = CellState.COMPLETED
        self._phase(self._heading)
        self.nb_man.end(index, CellState.FAILED if allowed else state, allowed=allowed)
        self._tell(state)
        return ending

    def _ending_of_error(self, index: int) -> Ending:
        said = self._error or {}
        lines = tuple(said.get("traceback", ())) if errors.is_ours(said.get("ename", "")) else ()
        return outcomes.of_error(str(said.get("ename", "")), str(said.get("evalue", "")), cell=index + 1, lines=lines)

    def _ending_of_death(self, index: int) -> Ending:
        status = self._kernel.exit_status
        how = {None: "ended", -9: "was killed (signal 9), most often because memory ran out"}.get(status, "")
        how = how or (f"was killed by signal {-status}" if status and status < 0 else f"exited with status {status}")
        words = self._recording.scrubber.text(self._kernel.last_words())
        if words:
            self.nb.cells[index].outputs.append(new_output("stream", name="stderr", text=words + "\n"))
        return Ending(
            outcome=Outcome.KERNEL_DIED,
            exit_code=errors.KernelDied.exit_code,
            headline=f"The kernel {how} in cell {index + 1}.",
            error="KernelDied",
        )

    # What goes on while a cell runs.

    async def _async_poll_kernel_alive(self) -> None:
        """Watch the kernel, the clock and the signals until the cell ends (this task is cancelled then)."""
        while True:
            await asyncio.sleep(_TICK_SECONDS)
            self._learn()
            self._look_at_the_clock()
            if self._kernel.exit_status is not None or not await self.km.is_alive():
                await asyncio.sleep(_TICK_SECONDS)  # what it said last is still on its way
                return self._give_up()
            if self._stop.reason and not self._interrupted_at:
                self._interrupted_at = time.monotonic()
                await self._kernel.interrupt()
            elif self._interrupted_at and time.monotonic() - self._interrupted_at > _GRACE_SECONDS:
                return self._give_up()

    def _give_up(self) -> None:
        if self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        limits = self._limits
        if limits.run_seconds and now - self._begun > limits.run_seconds:
            self._stop.ask(f"the run's deadline of {limits.run_seconds:g} s has passed", timed_out=True)
        elif limits.cell_seconds and self._streams and now - self._cell_begun > limits.cell_seconds:
            self._stop.ask(f"the cell's deadline of {limits.cell_seconds:g} s has passed", timed_out=True)
        if limits.heartbeat_seconds and now - self._last_sign > limits.heartbeat_seconds:
            self._tell(CellState.RUNNING, heartbeat=True)

    def _tell(self, state: CellState, *, heartbeat: bool = False) -> None:
        now = self._last_sign = time.monotonic()
        if self._on_progress is not None:
            self._on_progress(
                Progress(
                    cell=self._at + 1,
                    cells=len(self.nb.cells),
                    heading=self._heading,
                    state=state,
                    cell_seconds=now - self._cell_begun,
                    run_seconds=now - self._begun,
                    heartbeat=heartbeat,
                )
            )

    # What the kernel says.

    def _learn(self) -> None:
        learned = dict(self._kernel.channel.told())
        for value, kind in learned.items():
            self._recording.scrubber.learn(value, kind=kind)
        if learned:
            for cell in self.nb.cells[: self._at + 1]:
                for output in cell.get("outputs", ()):
                    output.update(nbformat.from_dict(self._recording.scrubber.value(output)))

    def process_message(self, msg: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        """Clean a message of secrets before anything keeps, logs or forwards it."""
        self._learn()
        if msg["msg_type"] == "stream" and not self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            output = self._printed(msg["content"], cell, cell_index)
            self.nb_man.autosave_cell()
            if output and (self.log_output or self.stderr_file or self.stdout_file):
                self.log_output_message(output)
            return output
        cleaned = {**msg, "content": self._recording.scrubber.value(msg["content"])}
        kept: NotebookNode | None = super().process_message(cleaned, cell, cell_index)
        return kept

    def _printed(self, content: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        if self.clear_before_next_output:
            cell.outputs[:] = []
            self.clear_display_id_mapping(cell_index)
            self.clear_before_next_output = False
        assert self._streams is not None
        ready = self._streams.take(content["name"], content["text"])
        if not ready:
            return None
        output: NotebookNode = new_output("stream", name=content["name"], text=ready)
        return output

    async def _check_raise_for_error(self, cell: NotebookNode, cell_index: int, exec_reply: Any) -> None:
        if exec_reply is not None and exec_reply["content"]["status"] == "error":
            content = self._recording.scrubber.value(exec_reply["content"])
            exec_reply = {**exec_reply, "content": content}
            self._error = content
        await super()._check_raise_for_error(cell, cell_index, exec_reply)


def _heading_of(cell: NotebookNode) -> str:
    if cell.cell_type != "markdown":
        return ""
    headings = [line.lstrip("#").strip() for line in cell.source.splitlines() if line.startswith("#")]
    return headings[-1] if headings else ""
