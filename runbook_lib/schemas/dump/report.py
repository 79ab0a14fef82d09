"""What a check of a dump found: facts, findings, and whether it may be loaded as it is."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Level(StrEnum):
    """How bad a finding is. One danger is enough not to load the dump as it is."""

    DANGER = "danger"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, kw_only=True)
class DumpFinding:
    """One thing the dump would do, in a sentence, with how often and where first (byte offset, unpacked)."""

    level: Level
    topic: str
    text: str
    count: int = 1
    first_at: int | None = None
    examples: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DumpTable:
    """A table as the dump brings it. `schema` is where it would land; `meant` the mended name where it is malformed."""

    schema: str
    name: str
    meant: str
    created: bool
    dropped_first: bool
    row_bytes: int


@dataclass(frozen=True, kw_only=True)
class DumpReport:
    """The whole check. `made_by` is the tool's own header line; `complete` None when that cannot be told."""

    name: str
    packing: str
    stored_bytes: int | None
    unpacked_bytes: int
    made_by: str
    schema: str
    complete: bool | None
    tables: tuple[DumpTable, ...]
    other_objects: int
    schemas_written: tuple[str, ...]
    findings: tuple[DumpFinding, ...]

    @property
    def safe(self) -> bool:
        """Tell whether it may be loaded as it is."""
        return not any(finding.level is Level.DANGER for finding in self.findings)

    @property
    def headline(self) -> str:
        """Say the outcome in a sentence."""
        dangers = sum(finding.level is Level.DANGER for finding in self.findings)
        said = f"{self.name}: {len(self.tables)} tables for `{self.schema}`"
        if self.safe:
            return f"{said}; safe to load."
        return f"{said}; do not load it as it is: {dangers} danger{'' if dangers == 1 else 's'}."
