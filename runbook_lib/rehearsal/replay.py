"""Replay binary logs into a server with the engine's own programs."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from runbook_lib.errors import StepFailed
from runbook_lib.rehearsal.binlog import Position, cut, since
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.servers import SUPERUSER
from runbook_lib.times import utc_text


def cut_logs(folder: Path, *, after: Position, until: datetime, target: Path) -> list[Path]:
    """Write to `target` what the logs of a server hold after a position and committed up to a second, that included.

    Transactions dated later are left out one by one, so a session whose clock ran ahead takes no other with it.
    """
    target.mkdir()
    written = []
    for path, transactions in since(folder, after):
        if chosen := [each for each in transactions if each.committed <= until]:
            cut(path, chosen, target=target / path.name)
            written.append(target / path.name)
    return written


def replay(engine: Engine, logs: Sequence[Path], *, socket: Path, until: datetime) -> None:
    """Run what the logs tell in the server at `socket`, without logging it there again.

    Raises:
        StepFailed: with what the log client or the command client said.
    """
    if not logs:
        return
    reading: list[str | Path] = [engine.log_client, "--no-defaults", "--disable-log-bin", *logs]
    running: list[str | Path] = [
        *(engine.command_client, "--no-defaults", f"--socket={socket}", f"--user={SUPERUSER}"),
        # binary-mode: passwords' hashes and texts hold any byte; comments: bodies of stored programs keep theirs
        *("--binary-mode", "--comments", "--max-allowed-packet=1G", "--default-character-set=utf8mb4", "--batch"),
    ]
    with tempfile.TemporaryFile() as reader_said, tempfile.TemporaryFile() as runner_said:
        reader = subprocess.Popen(reading, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=reader_said)  # noqa: S603
        try:
            runner = subprocess.run(running, stdin=reader.stdout, stdout=subprocess.DEVNULL, stderr=runner_said)  # noqa: S603
        finally:
            assert reader.stdout is not None
            reader.stdout.close()  # a reader whose runner has ended writes no further
            reader.wait()
        for program, code, said in (
            (engine.command_client, runner.returncode, runner_said),
            (engine.log_client, reader.returncode, reader_said),
        ):
            if code:
                said.seek(0)
                words = said.read().decode(errors="replace").strip().splitlines()
                raise StepFailed(
                    f"Replaying the binary log up to {utc_text(until)} stopped: {program.name} ended with {code}: "
                    f"{' · '.join(words[-3:]) or 'it said nothing'}",
                    hint="Nothing was left behind; the source is as it was. Restore to another second.",
                )
