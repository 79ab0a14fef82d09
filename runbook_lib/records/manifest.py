"""`manifest.json`: what is known of a finished run, sealed. A model with a version, so that old ones stay readable.

The seal is the hash of everything else in it. It shows an accident and a careless change; somebody who rewrites
every later manifest too is shown only by a copy out of reach, which publishing with object lock makes.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from runbook_lib.errors import CheckFailed
from runbook_lib.events import event_lines, hash_of
from runbook_lib.records.outcomes import HEADLESS, CellState, Mode, Outcome

_LATER = {"mode": HEADLESS, "note": "", "problem": "", "scheduler": ""}


Seconds = Annotated[float, Field(ge=-1e10, le=1e10)]  # three hundred years; less than nothing where clocks were set


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)


class Phase(_Part):
    """A part of the run and how long it took: starting, each section of the notebook, closing."""

    name: str
    seconds: Seconds


class Cell(_Part):
    """How one code cell ended. `number` counts all cells from 1; `allowed` marks an error its tag expects.

    `note` says why it never ran in a run that came to its end, or what of its output is not kept.
    """

    number: int
    id: str
    state: CellState
    seconds: Seconds | None = None
    allowed: bool = False
    note: str = ""


class Operator(_Part):
    """Who ran it. The AWS fields are empty when the run never asked AWS who it was."""

    os_user: str
    host: str
    aws_arn: str = ""
    aws_account: str = ""
    aws_region: str = ""
    scheduler: str = ""


class Approval(_Part):
    """Which plan was approved, and by whom."""

    plan_id: str
    by: str


class Source(_Part):
    """The notebook as it was before the run. `git_dirty` tells of uncommitted changes."""

    sha256: str
    git_commit: str | None = None
    git_dirty: bool | None = None


class File(_Part):
    """One file of the record."""

    sha256: str
    bytes: int


class Events(_Part):
    """The end of `events.jsonl`: how many lines, and the hash of the last.

    `problem` says what the run itself saw happen to them: that somebody cut or changed them while it went on.
    """

    lines: int
    last_sha256: str
    problem: str = ""


class Link(_Part):
    """The record that finished before this one in the same store."""

    run_id: str
    folder: str
    sha256: str


class Manifest(_Part):
    """Everything known of one finished run. Times are UTC.

    Fields that came later (`mode`, a cell's `note`, the events' `problem`) are left out of what is written and sealed
    where they say nothing: manifests from before have no such field, and their seals stay good.
    """

    version: Literal[1] = 1
    run_id: str
    incident: str
    notebook: str
    mode: Mode = HEADLESS
    cluster: str = ""
    outcome: Outcome
    exit_code: int | None
    headline: str
    error: str = ""
    started: AwareDatetime
    ended: AwareDatetime
    seconds: Seconds
    phases: tuple[Phase, ...] = ()
    cells: tuple[Cell, ...] = ()
    operator: Operator
    approval: Approval | None = None
    plan_id: str = ""
    source: Source
    versions: dict[str, str]
    parameters: dict[str, Any]
    parameters_sha256: str
    changed: tuple[str, ...] = ()
    requested: tuple[str, ...] = ()
    recovery: dict[str, Any] | None = None
    facts: dict[str, str] = {}
    losses: tuple[str, ...] = ()
    publish_to: str = ""
    events: Events
    files: dict[str, File]
    previous: Link | None = None
    seal: str = ""

    def sealed(self) -> Manifest:
        """Return the manifest with its seal."""
        return self.model_copy(update={"seal": self.expected_seal()})

    def expected_seal(self) -> str:
        """Return the hash of everything but the seal."""
        return hash_of_value(self._content(exclude={"seal"}))

    def written(self) -> bytes:
        """Return the file's content."""
        return json.dumps(self._content(), indent=1, ensure_ascii=False).encode(errors="backslashreplace") + b"\n"

    def _content(self, *, exclude: set[str] | None = None) -> dict[str, Any]:
        content = self.model_dump(mode="json", exclude=exclude)
        for part in (content, content["events"], content["operator"], *content["cells"]):
            for name, unsaid in _LATER.items():
                if part.get(name) == unsaid:
                    del part[name]
        return content


def read_manifest(content: bytes, *, name: str) -> Manifest:
    """Read a manifest.

    Raises:
        CheckFailed: it is damaged or of a version this library does not know.
    """
    return read_sealed(content, name=name)[0]


def read_sealed(content: bytes, *, name: str) -> tuple[Manifest, str]:
    """Read a manifest, and return with it the seal that fits what it says.

    Raises:
        CheckFailed: it is damaged or of a version this library does not know.
    """
    try:
        said = from_json(content)
        manifest = Manifest.model_validate(said)
        for moment in (manifest.started, manifest.ended):
            moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:  # the second: of a moment that is none in UTC
        problem = str(error)
        if isinstance(error, ValidationError):
            first = error.errors()[0]
            problem = f"{first['msg']} {'.'.join(map(str, first['loc']))}".strip()
        raise CheckFailed(
            f"{name} cannot be read: {problem}.",
            hint="Take the published copy, or the one in a backup of the store.",
        ) from error
    said.pop("seal", None)
    return manifest, hash_of_value(said)


def canonical(value: Any) -> bytes:
    """Write a value as JSON in one way only, for hashing."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str).encode(
        errors="backslashreplace"
    )


def hash_of_value(value: Any) -> str:
    """Return the hash of a JSON-able value."""
    return hashlib.sha256(canonical(value)).hexdigest()


def file_of(content: bytes) -> File:
    """Return the size and hash of a file."""
    return File(sha256=hashlib.sha256(content).hexdigest(), bytes=len(content))


def utc(moment: datetime) -> datetime:
    """Cut a moment to the millisecond, which is what is kept."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def seal_of_events(path: Path) -> Events:
    """Return what the manifest says of the events."""
    lines = event_lines(path)
    return Events(lines=len(lines), last_sha256=hash_of(lines[-1]) if lines else "")
