"""Find secrets in files that were written before, or by something else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from runbook_lib.redaction.patterns import spans

_LARGEST_BYTES = 256 << 20


@dataclass(frozen=True, kw_only=True)
class Found:
    """A secret in a file: where it begins and of what kind it is, not the secret."""

    file: str
    line: int
    kind: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.kind}"


def scan(paths: Iterable[Path]) -> tuple[Found, ...]:
    """Look through files, and through folders with all that is in them, by the patterns of `redaction`.

    A file that cannot be read, or is larger than 256 MiB, is found too: nobody knows what is in it.
    """
    found = []
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                found += list(dict.fromkeys(_of_file(file)))
    return tuple(found)


def _of_file(file: Path) -> Iterator[Found]:
    try:
        content = file.read_bytes() if file.stat().st_size <= _LARGEST_BYTES else None
    except OSError as error:
        yield Found(file=str(file), line=0, kind=f"could not be read ({error.strerror})")
        return
    if content is None:
        yield Found(file=str(file), line=0, kind="too large to be looked through")
        return
    text = content.decode(errors="replace")
    for span in spans(text):
        yield Found(file=str(file), line=text.count("\n", 0, span.start) + 1, kind=span.kind)
