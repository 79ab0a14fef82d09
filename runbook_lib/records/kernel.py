"""The notebook's kernel: started early, reached over private sockets instead of TCP, told where its record lies."""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync

from runbook_lib.redaction.channel import CHANNEL_VARIABLE, SecretsChannel

PREFIX = "runbook-"


class Kernel:
    """One kernel process, its private folder (sockets, secrets channel, what it wrote to its own stderr)."""

    def __init__(self, *, run_id: str, kernel_name: str, environment: Mapping[str, str], cwd: Path | None) -> None:
        # Socket paths may have 104 signs on macOS: the folder's name is kept short, under the system's own.
        self.folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{run_id}-"))
        self.channel = SecretsChannel(self.folder)
        self._said = (self.folder / "stderr").open("w+b")
        self.manager: Any = AsyncKernelManager(kernel_name=kernel_name, transport="ipc")
        self.manager.connection_file = str(self.folder / "kernel.json")
        self.manager.ip = str(self.folder / "k")
        self.manager.shutdown_wait_time = 10.0
        run_sync(self.manager.start_kernel)(
            extra_arguments=["--HistoryManager.hist_file=:memory:"],
            env={**os.environ, **environment, CHANNEL_VARIABLE: str(self.channel.path)},
            cwd=str(cwd) if cwd else None,
            stdout=self._said,
            stderr=self._said,
        )

    @property
    def exit_status(self) -> int | None:
        """Give how the process ended (negative: by that signal), or None while it lives or when nobody knows."""
        process = getattr(self.manager.provisioner, "process", None)
        return process.poll() if process is not None else None

    def last_words(self) -> str:
        """Give the end of what the kernel process itself wrote, outside of any cell."""
        self._said.flush()
        self._said.seek(0)
        return self._said.read()[-4000:].decode(errors="replace").strip()

    def interrupt(self) -> Any:
        """Interrupt the running cell, as Ctrl-C does. Gives an awaitable."""
        return self.manager.interrupt_kernel()

    def end(self, *, at_once: bool = False) -> None:
        """Shut the process down, politely unless `at_once`, and remove its folder."""
        try:
            run_sync(self._end)(at_once)
        finally:
            self.channel.close()
            self._said.close()
            shutil.rmtree(self.folder, ignore_errors=True)

    async def _end(self, at_once: bool) -> None:
        if self.manager.has_kernel and await self.manager.is_alive():
            # An idle kernel needs no interrupt first, which is what `shutdown_kernel` would begin with.
            if not at_once:
                await self.manager.request_shutdown()
                for _ in range(250):
                    if not await self.manager.is_alive():
                        break
                    await asyncio.sleep(0.02)
            if await self.manager.is_alive():
                await self.manager.shutdown_kernel(now=True)
        await self.manager.cleanup_resources()
