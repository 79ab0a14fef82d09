"""Execute the cells of a notebook through papermill's client, and say truthfully how each one ended.

papermill catches only a cell's own error and then marks every cell that never ran `completed`. Here a dead kernel, a
passed deadline and a signal end the cell they hit with its own state, and cells behind it keep `never-ran`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import nbformat
from nbclient.exceptions import CellExecutionComplete, CellExecutionError, DeadKernelError
from nbclient.util import ensure_async, run_sync
from nbformat import NotebookNode
from nbformat.v4 import new_output
from papermill.clientwrap import PapermillNotebookClient

from runbook_lib import errors
from runbook_lib.records import outcomes
from runbook_lib.records.cells import COUNTED, Said, shortened
from runbook_lib.records.executed import TruthfulManager
from runbook_lib.records.kernel import Kernel
from runbook_lib.records.outcomes import CellState, Ending, Limits, Outcome, Progress
from runbook_lib.records.outputs import CellOutputs
from runbook_lib.records.recording import Recording
from runbook_lib.records.signals import Stop

log = logging.getLogger(__name__)

_TICK_SECONDS = 0.2
_SILENCE_SECONDS = 5.0  # of a kernel that has ended a cell: what it has not sent by then is lost
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
        self._outputs = CellOutputs(NotebookNode(outputs=[]), recording.scrubber)
        self._message = ""
        self._heard = 0.0
        self._error: dict[str, Any] | None = None
        self._begun = pace.begun
        self._cell_begun = self._begun
        self._last_sign = self._phase_begun = self._begun
        self._at = 0
        self._heading = ""

    def run(self) -> Ending:
        """Run the cells in order until one ends the run; give how the run ended."""
        self.reset_execution_trackers()
        self._ending: Ending | None = None
        try:
            with self.setup_kernel(cleanup_kc=False):
                self._phase("starting")
                self._ending = self._cells()
                if self._kernel.exit_status is None and not self._stop.reason:
                    self._ask_language()
                self.set_widgets_metadata()
        except Exception as error:  # whatever the kernel or its client does, the run has an ending
            log.debug("the client of the kernel failed", exc_info=True)
            self._ending = self._ending or self._ending_of_start(error)
        finally:
            if self.kc is not None:
                with suppress(Exception):
                    self.kc.stop_channels()
        return self._ending

    def _ask_language(self) -> None:
        async def ask() -> None:
            asked = self.kc.kernel_info()
            while True:
                reply = await ensure_async(self.kc.shell_channel.get_msg(timeout=_SILENCE_SECONDS))
                if reply["parent_header"].get("msg_id") == asked:
                    self.nb.metadata["language_info"] = nbformat.from_dict(reply["content"]["language_info"])
                    return

        with suppress(Exception):  # the notebook's own metadata says it as well
            run_sync(ask)()

    def _cells(self) -> Ending:
        ending: Ending | None = None
        for index, cell in enumerate(self.nb.cells):
            self._heading = _heading_of(cell) or self._heading
            if ending is not None or (ending := self._stopped(index)) is not None:
                self.nb_man.end(index, CellState.NEVER_RAN)
            elif cell.cell_type != "code":
                self.nb_man.end(index, CellState.COMPLETED)
            elif not cell.source.strip():
                self.nb_man.end(index, CellState.NEVER_RAN, note=outcomes.EMPTY)
            elif self.skip_cells_with_tag in cell.metadata.get("tags", []):
                self.nb_man.end(index, CellState.NEVER_RAN, note=outcomes.SKIPPED)
                self._recording.result = None
            elif (ending := self._cell(index)) is not None and ending.error:
                self._recording.result = None
        return ending or outcomes.of_result(self._recording.result, self._recording.cells)

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
        if not self._stop.reason:
            return None
        longest = max(self._recording.cells, key=lambda cell: cell.get("seconds") or 0.0, default=None)
        return self._stop.ending(cell=index + 1, before=True, longest=longest)

    def _cell(self, index: int) -> Ending | None:
        cell = self.nb.cells[index]
        self._at, self._error, self._cell_begun, self._message = index, None, time.monotonic(), ""
        self._interrupted_at = self._ended_at = 0.0
        self._received = 0
        self._outputs = CellOutputs(cell, self._recording.scrubber)
        self.nb_man.begin(index)
        self._tell(CellState.RUNNING)
        is_dead = failure = None
        try:
            self.execute_cell(cell, index)
        except CellExecutionError:
            pass  # what the cell's error means is decided below, from what the kernel said of it
        except DeadKernelError:
            is_dead = self._message == "" or not self._kernel.cells.of(self._message).ended
        except BaseException as error:
            if type(error).__name__ == "AirflowTaskTimeout":  # raised here by Airflow's alarm
                self._stop.ask("Airflow's time limit for the task has passed", timed_out=True)
            elif not isinstance(error, Exception):
                raise
            failure = error
        self._learn()
        with suppress(Exception):
            self._outputs.close()
        state, ending, allowed = self._end_of(index, is_dead=bool(is_dead), failure=failure)
        self._phase(self._heading)
        self.nb_man.end(index, state, allowed=allowed, note=self._note())
        self._tell(state)
        return ending

    def _end_of(
        self, index: int, *, is_dead: bool, failure: BaseException | None
    ) -> tuple[CellState, Ending | None, bool]:
        """Decide how a cell ended: what the kernel said of it on its own way comes before what its messages say."""
        number, said = index + 1, self._kernel.cells.of(self._message)
        if said.results:
            self._recording.result = outcomes.result_in(self._recording.scrubber.value(said.results[-1]))
        elif not said.ended:
            shown = outcomes.result_of({"cells": [self.nb.cells[index]]})
            self._recording.result = self._recording.result if shown is None else shown
        error = (said.error if said.ended else self._error_of_reply()) or self._swallowed(index, said)
        if is_dead:
            ending: Ending | None = self._ending_of_death(index)
        elif error is not None:
            self._show(index, error)
            ending = self._ending_of_error(error, number)
        elif failure is not None:
            ending = self._ending_of_failure(failure, number)
        elif problem := said.malformed or self._outputs.malformed:
            ending = outcomes.of_error("MalformedDisplay", problem, cell=number)
        elif said.exiting:
            ending = outcomes.of_exit(None, cell=number)
        else:
            return CellState.COMPLETED, None, False
        if self._stop.reason and (not said.ended or said.error):
            return self._stop.cell_state, self._stop.ending(cell=number), False
        if error is not None and not is_dead and self._allows_errors(index) and error["name"] != "SystemExit":
            return CellState.FAILED, None, True
        well = ending is not None and ending.outcome is Outcome.SUCCEEDED
        if well and self._recording.result is not None:
            ending = outcomes.of_result(self._recording.result)  # shown before the run was ended early
        return (CellState.COMPLETED if well else CellState.FAILED), ending, False

    def _allows_errors(self, index: int) -> bool:
        return bool(self.allow_errors) or "raises-exception" in self.nb.cells[index].metadata.get("tags", [])

    def _error_of_reply(self) -> dict[str, Any] | None:
        """Return the error that the kernel's answer names, where its extension said nothing (another kernel)."""
        reply = self._error
        if reply is None:
            return None
        name, message = str(reply.get("ename", "")), str(reply.get("evalue", ""))
        lines = list(reply.get("traceback", ())) if errors.is_ours(name) else []
        status = None if message in ("", "None") else int(message) if message.isdecimal() else message
        return {"name": name, "message": message, "lines": lines, "status": status}

    def _swallowed(self, index: int, said: Said) -> dict[str, Any] | None:
        """Return an error that the cell shows, though it ended as if there were none (`%%capture`, `%run`)."""
        if said.shown:
            return said.shown[-1]
        shown = [output for output in self.nb.cells[index].outputs if output["output_type"] == "error"]
        return {"name": shown[-1]["ename"], "message": shown[-1]["evalue"], "lines": []} if shown else None

    def _show(self, index: int, error: dict[str, Any]) -> None:
        """Put an error into the outputs whose own message did not arrive."""
        outputs = self.nb.cells[index].outputs
        if not any(output["output_type"] == "error" for output in outputs):
            name, message = (str(self._recording.scrubber.text(str(error[part]))) for part in ("name", "message"))
            lines = [self._recording.scrubber.text(line) for line in error["lines"]] or [f"{name}: {message}"]
            outputs.append(new_output("error", ename=name, evalue=message, traceback=lines))

    def _note(self) -> str:
        """Say what of a cell's output is not in the record."""
        left_out = [f"{count:,} {what} left out" for what, count in self._outputs.left_out().items()]
        missing = self._kernel.cells.of(self._message).sent - self._received
        if missing > 0:
            left_out.append(f"{missing:,} messages of its output did not arrive")
        return "; ".join(left_out)

    def _ending_of_error(self, error: dict[str, Any], number: int) -> Ending:
        name, message = str(error["name"]), self._recording.scrubber.text(str(error["message"]))
        if name == "SystemExit":
            return outcomes.of_exit(error.get("status"), cell=number)
        return outcomes.of_error(name, message, cell=number, lines=tuple(map(str, error["lines"])))

    def _ending_of_failure(self, failure: BaseException, number: int) -> Ending:
        said = self._recording.scrubber.text(shortened(str(failure)))
        return Ending(
            outcome=Outcome.FAILED,
            exit_code=errors.StepFailed.exit_code,
            headline=f"Cell {number} could not be followed: {type(failure).__name__}: {said}",
            error=type(failure).__name__,
        )

    def _ending_of_start(self, error: Exception) -> Ending:
        for index, cell in enumerate(self.nb.cells):
            if cell.cell_type == "code" and "runbook" not in cell.metadata:
                self.nb_man.end(index, CellState.NEVER_RAN)
        if self._stop.reason:
            return self._stop.ending(cell=1, before=True)
        words = self._recording.scrubber.text(self._kernel.last_words()).rpartition("\n")[2]
        return Ending(
            outcome=Outcome.KERNEL_DIED,
            exit_code=errors.KernelDied.exit_code,
            headline=f"The kernel did not start: {words or shortened(str(error), 500)}.",
            error="KernelDied",
        )

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
            self._recording.look_at_events()
            if self._kernel.exit_status is not None or not await self.km.is_alive():
                await asyncio.sleep(_TICK_SECONDS)  # what it said last is still on its way
                return self._give_up()
            if self._message and self._kernel.cells.of(self._message).ended:
                self._ended_at = self._ended_at or time.monotonic()
                if time.monotonic() - max(self._ended_at, self._heard) > _SILENCE_SECONDS:
                    return self._give_up()  # its answer is lost; how it ended is known
            if self._stop.reason and not self._interrupted_at:
                self._interrupted_at = time.monotonic()
                await self._kernel.interrupt()
            elif self._interrupted_at and time.monotonic() - self._interrupted_at > _GRACE_SECONDS:
                return self._give_up()

    async def _async_poll_for_reply(
        self,
        msg_id: str,
        cell: NotebookNode,
        timeout: int | None,
        task_poll_output_msg: asyncio.Future[Any],
        task_poll_kernel_alive: asyncio.Future[Any],
    ) -> Any:
        """Wait for the kernel's answer, and then for the rest of the output as long as there comes any."""
        del cell, timeout  # our deadlines are looked at beside it
        self._message, self._heard = msg_id, time.monotonic()
        while True:
            reply = await ensure_async(self.kc.shell_channel.get_msg(timeout=None))
            if reply["parent_header"].get("msg_id") == msg_id:
                break
        self._heard = time.monotonic()
        while not task_poll_output_msg.done() and time.monotonic() - self._heard < _SILENCE_SECONDS:
            await asyncio.wait({task_poll_output_msg}, timeout=_TICK_SECONDS)
        task_poll_output_msg.cancel()
        task_poll_kernel_alive.cancel()
        return reply

    async def _async_poll_output_msg(self, parent_msg_id: str, cell: NotebookNode, cell_index: int) -> None:
        """Take what the cell shows. The clock and the signals have their turn after each message."""
        while True:
            msg = await ensure_async(self.kc.iopub_channel.get_msg(timeout=None))
            if msg["parent_header"].get("msg_id") == parent_msg_id:
                self._heard = time.monotonic()
                self._received += msg["msg_type"] in COUNTED
                try:
                    self.process_message(msg, cell, cell_index)
                except CellExecutionComplete:
                    return
                except Exception as error:  # a message nobody can read is not the end of the run
                    log.debug("a message of the kernel was left out", exc_info=True)
                    self._outputs.malformed = self._outputs.malformed or f"{type(error).__name__} in {msg['msg_type']}"
            await asyncio.sleep(0)

    def _give_up(self) -> None:
        if self.task_poll_for_reply is not None:
            self.task_poll_for_reply.cancel()

    def _look_at_the_clock(self) -> None:
        now = time.monotonic()
        limits = self._limits
        if limits.run_seconds and now - self._begun > limits.run_seconds:
            self._stop.ask(f"the run's deadline of {limits.run_seconds:g} s has passed", timed_out=True)
        elif limits.cell_seconds and self._message and now - self._cell_begun > limits.cell_seconds:
            self._stop.ask(f"the cell's deadline of {limits.cell_seconds:g} s has passed", timed_out=True)
        if limits.heartbeat_seconds and now - self._last_sign > limits.heartbeat_seconds:
            self._tell(CellState.RUNNING, heartbeat=True)

    def _tell(self, state: CellState, *, heartbeat: bool = False) -> None:
        now = self._last_sign = time.monotonic()
        if self._on_progress is None:
            return
        progress = Progress(
            cell=self._at + 1,
            cells=len(self.nb.cells),
            heading=self._heading,
            state=state,
            cell_seconds=now - self._cell_begun,
            run_seconds=now - self._begun,
            heartbeat=heartbeat,
        )
        try:
            self._on_progress(progress)
        except OSError as error:  # whoever read the lines has gone; the run goes on
            self._on_progress = None
            log.debug("nobody follows the run any more: %s", error)

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
        """Clean a message of secrets, and hold it within the limits, before anything keeps, logs or forwards it."""
        self._learn()
        kind, content = msg["msg_type"], msg["content"]
        if kind == "stream" and not self.output_hook_stack[msg["parent_header"].get("msg_id")]:
            output = self._printed(content, cell, cell_index)
            self.nb_man.autosave_cell()
            if output and (self.log_output or self.stderr_file or self.stdout_file):
                self.log_output_message(output)
            return output
        if kind in ("display_data", "execute_result", "update_display_data", "error"):
            cleaned = self._outputs.admit(kind, content)
            if cleaned is None:
                return None
        else:
            cleaned = self._recording.scrubber.value(content)
        kept: NotebookNode | None = super().process_message({**msg, "content": cleaned}, cell, cell_index)
        return kept

    def _printed(self, content: dict[str, Any], cell: NotebookNode, cell_index: int) -> NotebookNode | None:
        if self.clear_before_next_output:
            cell.outputs[:] = []
            self.clear_display_id_mapping(cell_index)
            self.clear_before_next_output = False
        ready = self._outputs.take(content["name"], content["text"])
        if not ready:
            return None
        output: NotebookNode = new_output("stream", name=content["name"], text=ready)
        return output

    async def _check_raise_for_error(self, cell: NotebookNode, cell_index: int, exec_reply: Any) -> None:
        if exec_reply is not None and exec_reply["content"]["status"] == "error":
            content = self._outputs.admit("error", exec_reply["content"])
            exec_reply = {**exec_reply, "content": content}
            self._error = content
        await super()._check_raise_for_error(cell, cell_index, exec_reply)


def _heading_of(cell: NotebookNode) -> str:
    if cell.cell_type != "markdown":
        return ""
    headings = [line.lstrip("#").strip() for line in cell.source.splitlines() if line.startswith("#")]
    return headings[-1] if headings else ""
