"""A command as a load: run in a process of its own that is given the clone's address and account, and no other.

The environment is made anew: no variable of this process is handed on but those listed here and those that were named,
and its home is an empty folder, so that no option file, profile or AWS account of the person is found there.
"""

from __future__ import annotations

import hashlib
import os
import shlex
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.checks import Check, bad, ok, warn
from runbook_lib.errors import InputRefused
from runbook_lib.guard.try_load.loads import Outcome, Source, Target

VARIABLES = ("RUNBOOK_TRY_HOST", "RUNBOOK_TRY_PORT", "RUNBOOK_TRY_USER", "RUNBOOK_TRY_PASSWORD")
_HANDED_ON = frozenset({"PATH", "LANG", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR", "VIRTUAL_ENV", "CONDA_PREFIX",
                        "PYTHONPATH", "SSL_CERT_FILE", "LD_LIBRARY_PATH"})  # fmt: skip
_READ = frozenset({".py", ".sql", ".yml", ".yaml", ".env", ".cfg", ".ini", ".toml", ".json", ".sh", ".cnf", ".conf",
                   ".properties", ".ipynb", ".rb", ".js", ".txt"})  # fmt: skip
_MOST_FILES, _MOST_BYTES, _LINES = 400, 1 << 20, 40


@dataclass(frozen=True, kw_only=True)
class Command:
    """A command line, run in `folder` without a shell. `hand_on` are further variables that it is given."""

    line: str
    hand_on: tuple[str, ...]
    folder: Path

    @property
    def words(self) -> str:
        """Say what it is."""
        return f"the command `{self.line}`"

    @property
    def identity(self) -> tuple[str, ...]:
        """Return what makes it this load: the line, and every file of it that was read."""
        content = hashlib.sha256()
        for path, text in self._files():
            content.update(f"{path}\0{text}\0".encode())
        return ("command", self.line, *self.hand_on, content.hexdigest())

    def checks(self, source: Source, /) -> Iterable[Check]:
        """Look whether its target is fixed in its words, files or variables, and whether it takes ours."""
        fixed = [f"the command names {name}" for _, name in source.named_in(self.line)]
        takes = "{host}" in self.line
        for path, text in self._files():
            fixed += [f"{path}:{line} names {name}" for line, name in source.named_in(text)]
            takes = takes or VARIABLES[0] in text
        for variable in self.hand_on:
            fixed += [f"{variable} names {name}" for _, name in source.named_in(os.environ.get(variable, ""))]
        if fixed:
            yield bad(
                "target",
                f"Its target is fixed: {'; '.join(fixed[:4])}.",
                f"Let it take its target from {', '.join(VARIABLES)}.",
            )
        elif takes or VARIABLES[0] in self.line:
            yield ok("target", "It takes its target from what it is given, and names production nowhere that was read.")
        else:
            yield bad(
                "target",
                "Nothing in the command, or in its files that were read, takes the clone's address.",
                f"Read {VARIABLES[0]} and its like in the job (dbt: env_var('{VARIABLES[0]}') in profiles.yml), "
                "or write {host} in the command.",
            )
        if loose := [name for name in self.hand_on if name.startswith("AWS_")]:
            yield warn(
                "AWS account",
                f"It is handed {', '.join(loose)}, so it may do in AWS whatever that account may.",
                "Hand on an account that reads files only.",
            )

    def _files(self) -> Iterator[tuple[str, str]]:
        """Return the text of the files it names, and of those in their folders and in its own that may set a target."""
        named = [self.folder / word for part in _split(self.line) for word in (part, part.partition("=")[2]) if word]
        files = [path for path in named if path.is_file()]
        folders = [self.folder, *(path for path in named if path.is_dir())]
        files += [
            path
            for folder in folders
            for path in sorted(folder.iterdir())
            if path.is_file() and (path.suffix in _READ or path.name.startswith(".env"))
        ]
        for path in list(dict.fromkeys(files))[:_MOST_FILES]:
            if path.stat().st_size <= _MOST_BYTES:
                yield path.name, path.read_text(encoding="utf-8", errors="replace")

    def run(self, target: Target) -> Outcome:
        """Run it to its end; whatever it has started ends with it."""
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="runbook-try-") as home:
            log = Path(home) / "output"
            with log.open("wb") as output:
                try:
                    process = subprocess.Popen(  # noqa: S603  # the person's own command, without a shell
                        [target.filled(part) for part in _split(self.line)],
                        cwd=self.folder,
                        env=self._environment(target, home),
                        stdin=subprocess.DEVNULL,
                        stdout=output,
                        stderr=subprocess.STDOUT,
                        start_new_session=True,
                    )
                except OSError as refused:
                    return Outcome(seconds=0.0, error=f"it cannot be started: {refused.strerror}")
                try:
                    code = process.wait()
                finally:
                    _end(process)
            said = "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-_LINES:])
        error = f"it ended with exit code {code}" if code else ""
        return Outcome(seconds=time.monotonic() - began, error=error, said=said)

    def _environment(self, target: Target, home: str) -> dict[str, str]:
        endpoint, account = target.cluster.endpoint, target.account
        kept = {name: value for name, value in os.environ.items() if name in _HANDED_ON or name in self.hand_on}
        values = (endpoint.host, str(endpoint.port), account.user, account.password)
        return {
            **kept,
            **dict(zip(VARIABLES, values, strict=True)),
            "MYSQL_HOST": endpoint.host,
            "MYSQL_TCP_PORT": str(endpoint.port),
            "MYSQL_PWD": account.password,
            "HOME": home,
        }


def _end(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
    process.wait()


def command_of(line: str, *, hand_on: str) -> Command:
    """Take a command line apart.

    Raises:
        InputRefused: it is empty, its quotes do not end, or it would carry a password for everyone to read.
    """
    if not _split(line):
        raise InputRefused("`load` names no command.", hint='Write it behind "run:", such as "run: dbt build".')
    if "{password}" in line:
        raise InputRefused(
            "A password on a command line is read by everybody on the machine.",
            hint=f"Let the job read {VARIABLES[3]}.",
        )
    names = tuple(name for part in hand_on.split(",") if (name := part.strip()))
    if refused := [name for name in names if name.startswith("RUNBOOK_") or "PASSWORD" in name.upper()]:
        raise InputRefused(
            f"{refused[0]} is not handed on: the load is given the clone's password only.",
            hint=f"The job finds it in {VARIABLES[3]}.",
        )
    return Command(line=line, hand_on=names, folder=Path.cwd())


def _split(line: str) -> list[str]:
    try:
        return shlex.split(line)
    except ValueError as error:
        raise InputRefused(f"The command cannot be read: {error}.", hint="Look at its quotes.") from error
