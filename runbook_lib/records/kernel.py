"""The notebook's kernel: started early, reached over private sockets instead of TCP, and shown its record's place."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

from runbook_lib.errors import InputRefused
from runbook_lib.records.cells import CELLS_VARIABLE, Cells
from runbook_lib.records.store import SCRATCH_PREFIX, scratch_root
from runbook_lib.redaction.channel import CHANNEL_VARIABLE, SecretsChannel

_EXTENSION = "runbook_lib.records.extension"  # by name: it imports what only a kernel needs
_PATIENCE_SECONDS = 10  # for what the kernel does at its exit


def check_kernel(name: str, *, cwd: Path | None = None) -> None:
    """Check that a kernel can be started, before a record is begun.

    Raises:
        InputRefused: no such kernel is installed, it is not Python's, or its folder `cwd` does not exist.
    """
    try:
        spec: Any = KernelSpecManager().get_kernel_spec(name)
    except (NoSuchKernel, OSError, ValueError, TypeError) as error:
        raise InputRefused(
            f"There is no kernel `{str(name)[:80]}` on this machine, which the notebook asks for. Nothing was run.",
            hint="Install it, or choose another one in the notebook (Kernel, Change Kernel).",
        ) from error
    if str(spec.language).lower() != "python":
        raise InputRefused(
            f"The kernel `{name}` is one for {spec.language}; runbooks are written in Python. Nothing was run.",
            hint="Choose a Python kernel in the notebook (Kernel, Change Kernel).",
        )
    if cwd is not None and not cwd.is_dir():
        raise InputRefused(f"There is no folder {cwd} to run in. Nothing was run.", hint="Check --cwd.")


class Kernel:
    """One kernel process, its private folder (sockets, secrets channel, what it wrote to its own stderr)."""

    def __init__(self, *, run_id: str, kernel_name: str, environment: Mapping[str, str], cwd: Path | None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix=f"{SCRATCH_PREFIX}{run_id}-", dir=scratch_root()))
        self.channel = SecretsChannel(self.folder)
        self.cells = Cells(self.folder / "cells")
        self._asked = False
        self._said = (self.folder / "stderr").open("w+b")
        self.manager: Any = AsyncKernelManager(kernel_name=kernel_name, transport="ipc")
        self.manager.connection_file = str(self.folder / "kernel.json")
        self.manager.ip = str(self.folder / "k")
        own = {CHANNEL_VARIABLE: str(self.channel.path), CELLS_VARIABLE: str(self.cells.path)}
        run_sync(self.manager.start_kernel)(
            extra_arguments=["--HistoryManager.hist_file=:memory:", "--ext", _EXTENSION],
            env={**os.environ, **environment, **own},
            cwd=str(cwd) if cwd else None,
            stdout=self._said,
            stderr=self._said,
        )

    @property
    def exit_status(self) -> int | None:
        """Return how the process ended (negative: by that signal), or None while it lives or when nobody knows."""
        process = getattr(self.manager.provisioner, "process", None)
        return process.poll() if process is not None else None

    def last_words(self) -> str:
        """Return the end of what the kernel process itself wrote, outside of any cell."""
        self._said.flush()
        self._said.seek(0)
        return self._said.read()[-4000:].decode(errors="replace").strip()

    def interrupt(self) -> Any:
        """Interrupt the running cell, as Ctrl-C does. Gives an awaitable."""
        return self.manager.interrupt_kernel()

    def ask_to_end(self, *, at_once: bool = False) -> None:
        """Ask the process to end, by force if `at_once`; `end` waits for it."""
        run_sync(self._ask)(at_once)

    async def _ask(self, at_once: bool) -> None:
        # An idle kernel needs no interrupt first, which is what jupyter's `shutdown_kernel` would begin with.
        if self.manager.has_kernel and await self.manager.is_alive():
            if at_once:
                await self.manager.provisioner.kill()
            else:
                await self.manager.request_shutdown()
            self._asked = True

    def end(self) -> None:
        """Wait until the process has ended, by force after a while, and remove its folder."""
        try:
            run_sync(self._end)()
        finally:
            self.channel.close()
            self._said.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _end(self) -> None:
        for _ in range(_PATIENCE_SECONDS * 50 if self._asked else 0):
            if not await self.manager.is_alive():
                break
            await asyncio.sleep(0.02)
        if self.manager.has_kernel and await self.manager.is_alive():
            await self.manager.shutdown_kernel(now=True)
        await self.manager.cleanup_resources()
