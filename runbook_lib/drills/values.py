"""What a drill's proof is made of: an earlier sealed proof, what became of each table, and the verdict. Values only."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from runbook_lib.inventory import TableName
from runbook_lib.proof import Proof

How = Literal["sealed", "same", "explained", "unexplained", "not known"]
SEALED: How = "sealed"
SAME: How = "same"
EXPLAINED: How = "explained"
UNEXPLAINED: How = "unexplained"
NOT_KNOWN: How = "not known"
HOWS: tuple[How, ...] = (UNEXPLAINED, NOT_KNOWN, EXPLAINED, SAME, SEALED)
Verdict = Literal["proved", "unexplained", "not known"]


@dataclass(frozen=True, kw_only=True)
class SealedProof:
    """A proof that an earlier record keeps, of data of a second (aware UTC). `sha256` is that of its file."""

    proof: Proof = field(repr=False)
    second: datetime
    run_id: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Unexplained:
    """One thing that nothing explains: a row by its key, or a definition or object. `what` says it in words."""

    what: str
    key: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        place = ", ".join(f"{name} {value}" for name, value in self.key)
        return f"{place}: {self.what}" if place else self.what


@dataclass(frozen=True, kw_only=True)
class TableResult:
    """What became of one table of the copy. `rows` are the copy's.

    `differing` rows differ from the living source, `touched` rows were changed since by its log, and `checked` of them
    were held against what the log says they were before. `unexplained` names the first of `unexplained_rows`; `why`
    says what is not known, or in what way it is explained.
    """

    table: TableName
    how: How
    rows: int | None
    differing: int = 0
    touched: int = 0
    checked: int = 0
    unexplained_rows: int = 0
    unexplained: tuple[Unexplained, ...] = ()
    why: str = ""


@dataclass(frozen=True, kw_only=True)
class DrillProof:
    """A copy held against an earlier sealed proof, the living source and its log. Seconds are of the whole.

    `comparison` is what was compared with the source, `remarks` say what was not looked at and why, in sentences.
    `log_why_not` says why the log from the second on could not be read; empty if it was.
    """

    second: datetime
    tables: tuple[TableResult, ...]
    objects: tuple[Unexplained, ...] = ()
    objects_why_not: str = ""
    earlier: SealedProof | None = None
    log_why_not: str = ""
    remarks: tuple[str, ...] = ()
    seconds: float = 0.0
    comparison: Proof | None = field(default=None, repr=False)
    kept: Proof | None = field(default=None, repr=False)

    @property
    def verdict(self) -> Verdict:
        """Say whether every difference is explained; "not known" where something could not be looked at."""
        hows = {table.how for table in self.tables}
        if self.objects or UNEXPLAINED in hows:
            return "unexplained"
        return "not known" if NOT_KNOWN in hows or not hows or self.objects_why_not else "proved"

    def of(self, how: How) -> tuple[TableResult, ...]:
        """Return the tables of one kind."""
        return tuple(table for table in self.tables if table.how == how)

    @property
    def rows_proved(self) -> int:
        """Return how many rows of the copy are proved."""
        return sum(table.rows or 0 for how in (SEALED, SAME, EXPLAINED) for table in self.of(how))

    @property
    def words(self) -> str:
        """Say it in a line."""
        counts = ", ".join(f"{len(found)} {how}" for how in HOWS if (found := self.of(how)))
        said = f"{self.rows_proved:,} rows proved; tables: {counts or 'none'}"
        if self.verdict == "proved":
            return f"Every difference is explained. {said}"
        if self.verdict == "not known":
            return f"NOT all of it could be looked at. {said}"
        return f"Something is NOT explained. {said}"

    def as_json(self) -> dict[str, Any]:
        """Return it for a record: names, counts and sentences; no value of a row but keys that may be shown."""
        return {
            "verdict": self.verdict,
            "second": self.second.isoformat(),
            "rows_proved": self.rows_proved,
            "tables": {how: len(self.of(how)) for how in HOWS},
            "unexplained": [f"{table.table}: {what}" for table in self.of(UNEXPLAINED) for what in table.unexplained]
            + [str(what) for what in self.objects],
            "not_known": [f"{table.table}: {table.why}" for table in self.of(NOT_KNOWN)],
            "earlier": self.earlier and {"run_id": self.earlier.run_id, "sha256": self.earlier.sha256},
            "log": self.log_why_not or "read",
            "remarks": list(self.remarks),
        }
