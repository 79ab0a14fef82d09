"""What our kernels load as an IPython extension: they say by a way of their own how each cell ended, and leave at once.

Messages may be late, lost in a flood of output, or malformed. So the kernel writes the end of each cell, each error
that was shown and the result into a file of its run's private folder, without secrets, before it answers; the runner
believes that file. How many messages it sent stands in it too: what did not arrive is then known.

Leaving: ipykernel flushes what a cell wrote from one thread and stops the thread that sends it from another. When the
second comes first, the first waits `flush_timeout` seconds, ten for each stream, for an answer that nobody is there to
give (seen with ipykernel 7.4, once in 25 ends). By then everything has been sent, or never will be.
"""

from __future__ import annotations

import atexit
import json
import os
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ipykernel.iostream import OutStream
from IPython.core.autocall import IPyAutocall
from IPython.core.displayhook import CapturingDisplayHook
from IPython.core.displaypub import CapturingDisplayPublisher

from runbook_lib.errors import RunbookError
from runbook_lib.records.cells import CELLS_VARIABLE, COUNTED, malformed, shortened


def load_ipython_extension(shell: Any) -> None:
    """Have the kernel wait for no answer once it has begun to end, and tell a runner how its cells end."""
    atexit.register(_wait_no_longer)
    path = os.environ.pop(CELLS_VARIABLE, "")  # not for the kernels that this one may start
    if path and shell is not None:
        _Witness(shell, path).follow()
        shell.user_ns["exit"] = shell.user_ns["quit"] = _Exit()  # type: ignore[no-untyped-call]


def _wait_no_longer() -> None:
    OutStream.flush_timeout = 0.2  # type: ignore[assignment]  # seconds; there it is inferred from a 10


class _Exit(IPyAutocall):
    """`exit()` and `quit()` in a headless run: they end it, as they end a Python program."""

    def __call__(self, status: Any = None, *_: Any, **__: Any) -> None:
        """End the run with a status."""
        raise SystemExit(status)


class Listener:
    """Hears how the cells of a shell end, and what they show on the way.

    `say` is called with what it heard: `ended` (error, exiting, sent), `error`, `result`, `malformed`; `begins` with
    IPython's facts of each cell before it runs. Cells within a cell (`%%capture`, `run_cell`) are parts of it.
    """

    def __init__(
        self, shell: Any, say: Callable[..., None], *, begins: Callable[[Any], None] = lambda _info: None
    ) -> None:
        self._shell = shell
        self._say = say
        self._begins = begins
        self._depth = 0
        self._streams = {"stdout": sys.stdout, "stderr": sys.stderr}
        self._sent: Counter[str] = Counter()
        self._counting = threading.Lock()

    def follow(self) -> None:
        """Hear of each cell, of each error that is shown, of each result, and of each message that is sent."""
        shell = self._shell
        shell.events.register("pre_run_cell", self._before)
        shell.events.register("post_run_cell", self._after)
        self._first(shell, "_showtraceback", self._error_is_shown)
        self._first(shell.display_pub, "publish", lambda data=None, *_, **__: self._is_shown(data))
        self._first(shell.displayhook, "write_format_data", lambda data=None, *_, **__: self._is_shown(data))
        self._first(CapturingDisplayPublisher, "publish", lambda _, data=None, *__, **___: self._is_result(data))
        self._first(CapturingDisplayHook, "__call__", lambda _, result=None: self._is_captured(result))
        if (kernel := getattr(shell, "kernel", None)) is not None:
            self._first(kernel.session, "send", self._is_sent)

    def _first(self, owner: Any, name: str, look: Any) -> None:
        """Have `look` called with what a method of `owner` is about to be called with."""
        method = getattr(owner, name)

        def looked_at(*arguments: Any, **named: Any) -> Any:
            with suppress(Exception):
                look(*arguments, **named)
            return method(*arguments, **named)

        setattr(owner, name, looked_at)

    def _before(self, info: Any) -> None:
        self._depth += 1
        if self._depth == 1:
            self._begins(info)

    def _after(self, result: Any) -> None:
        self._depth -= 1
        if self._depth <= 0:
            self._depth = 0
            for name, own in self._streams.items():
                try:
                    getattr(sys, name).flush()
                except Exception:  # noqa: BLE001 # None, closed or full: the kernel would never answer again
                    setattr(sys, name, own)
            error = result.error_before_exec or result.error_in_exec
            with self._counting:
                sent = self._sent[self.cell()]
            self._say("ended", error=_of_error(error), exiting=bool(self._shell.exit_now), sent=sent)

    def _error_is_shown(self, kind: Any, error: Any, *_: Any, **__: Any) -> None:
        self._say("error", error=_of_error(error) or {"name": kind.__name__, "message": "", "lines": []})

    def _is_shown(self, data: Any) -> None:
        if isinstance(data, dict):  # IPython refuses anything else, and writes bytes as text
            written = {kind: value for kind, value in data.items() if not isinstance(value, bytes)}
            if problem := malformed(written):
                self._say("malformed", problem=problem)
        self._is_result(data)

    def _is_result(self, data: Any) -> None:
        found = data.get("application/json") if isinstance(data, Mapping) else None
        if isinstance(found, Mapping) and "runbook_result" in found:
            self._say("result", result=found["runbook_result"])

    def _is_captured(self, value: Any) -> None:
        """Hear of a result that `%%capture` keeps from the page: the notebook came to it all the same."""
        if value is not None:
            self._is_result(self._shell.display_formatter.format(value)[0])

    def _is_sent(self, _stream: Any, message: Any, *rest: Any, parent: Any = None, **__: Any) -> None:
        if isinstance(message, dict):
            kind, parent = message["header"]["msg_type"], message.get("parent_header")
        else:
            kind, parent = message, parent if len(rest) < 2 else rest[1]
        if kind in COUNTED and parent:
            with self._counting:
                self._sent[(parent.get("header") or parent).get("msg_id", "")] += 1

    def cell(self) -> str:
        """Return the message that asked for the cell that runs; nothing where there are no messages."""
        parent = self._shell.get_parent() if hasattr(self._shell, "get_parent") else {}
        return str(parent.get("header", {}).get("msg_id", ""))


class _Witness:
    """Writes into a file what cells came to. It fails without a word: the runner then believes the messages."""

    def __init__(self, shell: Any, path: str) -> None:
        self._path = path
        self._process = os.getpid()
        self._listener = Listener(shell, self._write)

    def follow(self) -> None:
        """Write from now on."""
        self._listener.follow()

    def _write(self, what: str, **facts: Any) -> None:
        if os.getpid() != self._process:
            return  # a fork of the kernel, which runs on in the same cell
        with suppress(Exception):
            line = (
                json.dumps({"cell": self._listener.cell(), "what": what, **_clean(facts)}, default=str).encode() + b"\n"
            )
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                while line:
                    line = line[os.write(descriptor, line) :]
            finally:
                os.close(descriptor)


def _clean(facts: dict[str, Any]) -> dict[str, Any]:
    if not (facts.get("error") or facts.get("result")):
        return facts  # nothing in it is text
    from runbook_lib.redaction import scrubbed  # its patterns take a while, and most cells end well

    cleaned: dict[str, Any] = scrubbed(facts)
    return cleaned


def _of_error(error: BaseException | None) -> dict[str, Any] | None:
    if error is None:
        return None
    try:
        message = str(error)
    except Exception:  # noqa: BLE001 # an error whose text cannot be made is an error too
        message = "(its message cannot be read)"
    lines = error.lines() if isinstance(error, RunbookError) else []
    said: dict[str, Any] = {"name": type(error).__name__, "message": shortened(message)}
    said["lines"] = [shortened(line) for line in lines]
    if isinstance(error, SystemExit):
        code = error.code
        said["status"] = int(code) if isinstance(code, int) else code if code is None else shortened(str(code))
    return said
