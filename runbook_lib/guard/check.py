"""Read a job or a dump and name each place that could destroy live data. Nothing is run."""

from __future__ import annotations

import json
import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.errors import InputRefused
from runbook_lib.guard.jobs import read_job
from runbook_lib.guard.sql import Level, Reader
from runbook_lib.schemas.dump.lexer import Noise, Statement, pieces
from runbook_lib.schemas.dump.source import DumpSource, open_dump

PYTHON, NOTEBOOK = (".py", ".pyw"), (".ipynb",)
SQL = (".sql", ".dump", ".ddl", ".dml", ".hql", ".gz", ".zst")
_TIMING = ("time", "timeit", "prun")
_MAGIC = (
    "matplotlib", "autoreload", "load_ext", "config", "pip", "conda", "pylab", "precision", "who", "whos", "pwd", "ls",
    "capture", "idle_timeout", "glue_version", "worker_type", "number_of_workers", "additional_python_modules",
    "connections", "configure", "session_id_prefix", "region", "profile", "iam_role", "tags", "security_config",
)  # fmt: skip
"""Magic lines of notebooks, and of Glue's and Spark's, that run no statement and no other program."""
_SANDBOX = (b"/*!999999\\-", b"/*M!999999\\-")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One place of a file that could destroy live data, or of which that is not known. `line` counts from 1."""

    file: str
    line: int
    level: Level
    statement: str
    why: str


@dataclass(frozen=True, kw_only=True)
class GuardReport:
    """What was found in files that were all read to their end."""

    live: tuple[str, ...]
    files: tuple[str, ...]
    findings: tuple[Finding, ...]

    @property
    def destroying(self) -> tuple[Finding, ...]:
        """Return the places that could destroy live data."""
        return tuple(finding for finding in self.findings if finding.level == "destroys")

    @property
    def unknown(self) -> tuple[Finding, ...]:
        """Return the places of which that is not known."""
        return tuple(finding for finding in self.findings if finding.level == "unknown")


def check_files(files: Sequence[str], *, live: Sequence[str], into: str = "") -> GuardReport:
    """Read every file to its end. `live` are the live schemas, `into` the schema that names without one mean.

    Raises:
        InputRefused: a file is not there, is of no kind that is read here, or is not what its name says.
    """
    names = frozenset(schema.casefold() for schema in live)
    found = [finding for file in files for finding in _read(file, live=names, into=into)]
    return GuardReport(live=tuple(live), files=tuple(files), findings=tuple(found))


def _read(file: str, *, live: frozenset[str], into: str) -> Iterator[Finding]:
    suffix = Path(file).suffix.casefold()
    if suffix in PYTHON + NOTEBOOK:
        source = _text(file)
        for line, code in _cells(file, source) if suffix in NOTEBOOK else [(0, source)]:
            for place in read_job(code, name=file, live=live, schema=into):
                yield Finding(file=file, line=line + place.line, level=place.level, statement=place.text, why=place.why)
    elif suffix in SQL or file == "-":
        with open_dump(file) as source_of_dump:
            yield from _read_sql(source_of_dump, Reader(live=live, schema=into))
    else:
        raise InputRefused(
            f"{file} is of a kind that is not read here.",
            hint=f"Files are read by their ending: Python {', '.join(PYTHON + NOTEBOOK)}, SQL {', '.join(SQL)}.",
        )


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputRefused(
            f"{file} cannot be read: {error.strerror}.", hint="Check the path and its rights."
        ) from error
    except UnicodeDecodeError as error:
        raise InputRefused(f"{file} is not text in UTF-8.", hint="Save it in UTF-8.") from error


def _cells(file: str, source: str) -> Iterator[tuple[int, str]]:
    """Return the code of a notebook as one program (magic lines left blank), so that names carry from cell to cell."""
    try:
        cells = json.loads(source)["cells"]
        code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError) as error:
        raise InputRefused(f"{file} is not a notebook that can be read.", hint="Open and save it once.") from error
    lines = [line for cell in code for line in cell.splitlines()]
    magic = [line for line in lines if _is_command(line)]
    if magic:
        raise InputRefused(
            f"{file} holds commands of the notebook itself ({magic[0].strip()[:40]}), which are not read here.",
            hint="Write them as Python or SQL files, and check those.",
        )
    yield 0, "\n".join(_without_magic(line) for line in lines)


def _is_command(line: str) -> bool:
    """Tell whether a line is one of the notebook's own commands, but for those that are known to run nothing else."""
    said = line.strip()
    if said.startswith("!") or re.match(r"[\w.\[\]'\", ]+=\s*[!%]", said):
        return True
    return said.startswith("%") and said.lstrip("%").split(" ")[0] not in (*_MAGIC, *_TIMING)


def _without_magic(line: str) -> str:
    """Return a line as Python: what is timed is run, any other magic line stays blank."""
    said = line.strip()
    if not said.startswith("%"):
        return line
    name, _, rest = said.lstrip("%").partition(" ")
    return rest.strip() if name in _TIMING and not said.startswith("%%") else ""


class _Lines:
    """Counts the lines of blocks as they go by, and remembers the last of them for a look back."""

    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._blocks = blocks
        self._kept: deque[tuple[int, int, bytes]] = deque(maxlen=12)  # offset, line, block
        self._at, self._line = 0, 1

    def __iter__(self) -> Iterator[bytes]:
        for block in self._blocks:
            self._kept.append((self._at, self._line, block))
            self._at += len(block)
            self._line += block.count(b"\n")
            yield block

    def line_at(self, offset: int) -> int:
        """Return the line of a byte of one of the last blocks."""
        for at, line, block in reversed(self._kept):
            if at <= offset:
                return line + block.count(b"\n", 0, offset - at)
        return self._kept[0][1] if self._kept else 1


def _read_sql(source: DumpSource, reader: Reader) -> Iterator[Finding]:
    lines = _Lines(source.blocks())
    last_head = b""
    for piece in pieces(iter(lines)):
        if isinstance(piece, Noise) and not piece.data.startswith(_SANDBOX):
            said = "a line that is no SQL: what a client makes of it is not known here"
            yield _finding(source, lines, piece.at, "unknown", piece.data.decode("utf-8", "replace").strip(), said)
        elif isinstance(piece, Statement) and piece.text != last_head:
            last_head = piece.text if piece.streamed else b""
            for found in reader.read(piece.text, syntax=piece.syntax):
                yield _finding(source, lines, piece.at + found.at, found.level, found.text, found.why)
    if source.cut_short:
        yield _finding(source, lines, source.bytes_read, "unknown", source.cut_short, "what comes behind was not read")


def _finding(source: DumpSource, lines: _Lines, at: int, level: Level, text: str, why: str) -> Finding:
    return Finding(file=source.name, line=lines.line_at(at), level=level, statement=text[:160], why=why)
