"""A Glue job as a load: started with arguments that name the clone, and followed to its end.

A job is started only if it takes its target from these arguments. One whose target is fixed in a connection, in its
default arguments or in its script, or whose script cannot be read, is held: it would load into production.
"""

from __future__ import annotations

import re
import shlex
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.checks import Check, bad, ok, unknown
from runbook_lib.errors import InputRefused, RunbookError, StepFailed
from runbook_lib.events import announce
from runbook_lib.guard.try_load.loads import Outcome, Source, Target
from runbook_lib.restore.wait import wait_until
from runbook_lib.schemas.dump.s3 import GET_OBJECT

GET_JOB = declare("glue", "GetJob")
GET_JOB_RUN = declare("glue", "GetJobRun")
START_JOB = declare("glue", "StartJobRun", mutates=True)

_FIXED = (
    (re.compile(r"""jdbc:(?:mysql|mariadb|aurora)[\w:+-]*://(?![{%$"'<])[\w.-]+""", re.I), "an address in its script"),
    (re.compile(r"[\w.-]+\.rds\.amazonaws\.com(?:\.cn)?", re.I), "an address in its script"),
    (re.compile(r"\b(?:extract_jdbc_conf|from_jdbc_conf|catalog_connection|connectionName|useConnectionProperties)\b"),
     "a connection in its script"),
    (re.compile(r"\bfrom_catalog\b"), "the data catalogue, by its script"),
)  # fmt: skip
_ENDED = ("SUCCEEDED", "FAILED", "TIMEOUT", "STOPPED", "ERROR", "EXPIRED")
_LONGEST = timedelta(hours=48)  # Glue's own default limit of a run


@dataclass(frozen=True, kw_only=True)
class GlueJob:
    """A job and the arguments it is started with: names with two dashes, values with places of the clone in braces."""

    name: str
    arguments: Mapping[str, str]
    described: Mapping[str, Any] = field(repr=False)
    script: str = field(repr=False)
    trouble: str = ""

    @property
    def words(self) -> str:
        """Say what it is."""
        given = " ".join(f"{name}={value}" for name, value in self.arguments.items())
        return f"the Glue job {self.name}, started with {given or 'no arguments'}"

    @property
    def identity(self) -> tuple[str, ...]:
        """Return what makes it this load: its arguments and its script."""
        return ("glue", self.name, *sorted(f"{name}={value}" for name, value in self.arguments.items()), self.script)

    def checks(self, source: Source, /) -> Iterable[Check]:
        """Look whether its target is fixed anywhere, and whether it reads the arguments it is given."""
        if self.trouble:
            yield unknown(
                "script", f"The script of {self.name} could not be read, so nobody knows its target: {self.trouble}"
            )
            return
        if fixed := [*self._fixed(source)]:
            yield bad(
                "target",
                f"Its target is fixed by {'; '.join(dict.fromkeys(fixed))}. It would load into production.",
                "Take that out, and let the script read its target from its arguments (getResolvedOptions): "
                "--db_host={host} --db_account={account}.",
            )
            return
        unread = [name for name in self.arguments if name.lstrip("-") not in self.script]
        places = "".join(self.arguments.values())
        if unread:
            yield bad(
                "arguments", f"Its script does not read {', '.join(unread)}.", "Name the arguments as the script does."
            )
        elif "{host}" not in places and "{account}" not in places:
            yield bad(
                "arguments",
                "No argument names the clone.",
                'Write where it is, such as load="glue: daily_etl --db_host={host} --db_account={account}".',
            )
        else:
            yield ok("target", f"{self.name} takes its target from its arguments, and they name the clone.")

    def _fixed(self, source: Source) -> Iterator[str]:
        for connection in (self.described.get("Connections") or {}).get("Connections") or ():
            yield f"its connection {connection}"
        fixed = {
            **(self.described.get("DefaultArguments") or {}),
            **(self.described.get("NonOverridableArguments") or {}),
        }
        for name, value in fixed.items():
            overridden = name in self.arguments and name not in (self.described.get("NonOverridableArguments") or {})
            if not overridden and any(source.named_in(str(value))):
                yield f"its argument {name}"
        code = "\n".join(line for line in self.script.splitlines() if not line.lstrip().startswith("#"))
        for line, name in source.named_in(code):
            yield f"{name} in its script (line {line})"
        for pattern, what in _FIXED:
            if found := pattern.search(code):
                yield f"{what} ({found[0][:60]})"

    def run(self, target: Target) -> Outcome:
        """Start it, and follow it to its end."""
        began, session = time.monotonic(), target.session
        arguments = {name: target.filled(value) for name, value in self.arguments.items()}
        announce("StartJobRun", target=self.name, arguments=sorted(arguments))
        run_id = str(START_JOB(session, JobName=self.name, Arguments=arguments)["JobRunId"])
        last: dict[str, Any] = {}

        def state() -> str:
            last.update(GET_JOB_RUN(session, JobName=self.name, RunId=run_id)["JobRun"])
            found = str(last.get("JobRunState"))
            return "ended" if found in _ENDED else found

        wait_until(state, what=f"{self.name} ({run_id})", dead_ends={}, deadline=_LONGEST, ready="ended")
        ended = str(last.get("JobRunState"))
        said = " ".join(str(last.get("ErrorMessage") or "").split())
        error = "" if ended == "SUCCEEDED" else f"it ended as {ended}{f': {said}' if said else ''}"
        return Outcome(seconds=time.monotonic() - began, error=error, said=f"run {run_id}")


def read_glue_job(session: AwsSession, line: str) -> GlueJob:
    """Read a job's definition and script. Starts nothing.

    Raises:
        InputRefused: no job is named, or an argument is none.
        NotFound, AccessDenied: Glue says so.
    """
    try:
        name, *words = shlex.split(line)
    except ValueError as error:
        raise InputRefused(
            "`load` names no Glue job.", hint='Write "glue: daily_etl --db_host={host} --db_account={account}".'
        ) from error
    arguments = dict(word.split("=", 1) for word in words if "=" in word and word.startswith("--"))
    if strange := [word for word in words if "=" not in word or not word.startswith("--")]:
        raise InputRefused(f'"{strange[0]}" is no argument of a Glue job.', hint="Write each as --name=value.")
    if any("{password}" in value for value in arguments.values()):
        raise InputRefused(
            "A Glue run shows its arguments to everybody who may look at it.", hint="Name {account}, not {password}."
        )
    described = GET_JOB(session, JobName=name)["Job"]
    script, trouble = "", ""
    try:
        script = _script(session, str((described.get("Command") or {}).get("ScriptLocation") or ""))
    except RunbookError as error:
        trouble = error.message
    return GlueJob(name=name, arguments=arguments, described=described, script=script, trouble=trouble)


def _script(session: AwsSession, place: str) -> str:
    bucket, _, key = place.removeprefix("s3://").partition("/")
    if not bucket or not key:
        raise StepFailed("Glue names no script.", hint="Look at the job.")
    content: bytes = GET_OBJECT(session, Bucket=bucket, Key=key)["Body"].read()
    return content.decode("utf-8", "replace")
