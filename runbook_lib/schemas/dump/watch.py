"""Watch a dump go by and remember what matters of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runbook_lib.schemas.dump.acts import CREATES, Act, Reading
from runbook_lib.schemas.dump.lexer import Delimiter, End, Gap, Noise, Piece, Rows, Statement
from runbook_lib.schemas.dump.tokens import Name

_MADE_BY = re.compile(
    rb"^(?:\xEF\xBB\xBF)?-- ((?:MySQL|MariaDB) dump [^\n]*|Dump created by MySQL pump[^\n]*|Dumped by [^\n]*"
    rb"|phpMyAdmin SQL Dump[^\n]*)|^(-- (?:Dump completed|Dump end time))|^-- Host: [^\n]*? Database: (\S[^\n]*)",
    re.MULTILINE,
)
_MARKS_ITS_END = ("MySQL dump", "MariaDB dump", "Dump created by MySQL pump")
_SHOWN_WHOLE = frozenset({
    Act.UNKNOWN, Act.CLIENT, Act.CHANGE, Act.GLOBAL, Act.BINARY_LOG, Act.ACCOUNT, Act.REPLICATION,
})  # fmt: skip


@dataclass(kw_only=True)
class Seen:
    """One kind of thing seen: how often, where first, and a few examples."""

    count: int = 0
    first_at: int | None = None
    examples: dict[str, None] = field(default_factory=dict)

    def add(self, at: int, example: str) -> None:
        """Count one more; only the first few examples are kept."""
        self.count += 1
        self.first_at = at if self.first_at is None else self.first_at
        if len(self.examples) < 5:
            self.examples[example] = None


@dataclass(kw_only=True)
class TableSeen:
    """A table while the dump is read."""

    created: bool = False
    dropped_first: bool = False
    row_bytes: int = 0
    kind: str = ""


class DumpWatch:
    """Takes the pieces of a dump one by one and remembers what matters; its size grows with the tables only."""

    def __init__(self, schema: str) -> None:
        self.asked = schema
        self.current = ""  # the schema that USE chose, empty until then
        self.tables: dict[tuple[str, str], TableSeen] = {}
        self.drops: dict[tuple[str, str, str], int] = {}
        self.created: set[tuple[str, str, str]] = set()
        self.seen: dict[Act, Seen] = {}
        self.definers: dict[str, Seen] = {}
        self.elsewhere: dict[str, Seen] = {}
        self.foreign: dict[str, Seen] = {}  # schemas that views, routines and tables of the dump name
        self.emptied: dict[tuple[str, str], int] = {}
        self.noise, self.sandbox, self.marks, self.endings = Seen(), Seen(), Seen(), Seen()
        self.lost: tuple[int, str] | None = None
        self.charset = ""
        self.headers: set[str] = set()  # the schemas that the dumps' own headers name
        self.made_by = ""
        self._open = False  # a dump that marks its end has begun, and not ended
        self.cut_at: int | None = None  # where another began before one had ended
        self.unfinished: tuple[int, str] | None = None
        self.others = 0
        self._filling: TableSeen | None = None
        self._last_head: tuple[bytes, TableSeen] | None = None

    def take(self, piece: Piece) -> None:
        """Take one piece."""
        if isinstance(piece, Rows):
            if self._filling:
                self._filling.row_bytes += len(piece.data)
        elif isinstance(piece, Statement):
            self._ended(piece)
            self._statement(piece)
        elif isinstance(piece, End):
            self._ended(piece)
            if piece.foul and piece.ending:
                self.seen.setdefault(Act.UNKNOWN, Seen()).add(piece.at, "rows that are more than values")
            if not piece.ending:
                self.unfinished = (piece.at, "within a string" if piece.inside else "within a statement")
        elif isinstance(piece, Gap):
            self._comments(piece)
        elif isinstance(piece, Noise):
            (self.sandbox if piece.data.startswith(b"/*") else self.noise).add(piece.at, excerpt(piece.data))
        elif isinstance(piece, Delimiter):
            pass  # the lexer follows it

    def _ended(self, piece: Statement | End) -> None:
        if piece.ending.startswith(b"\\"):
            self.endings.add(piece.at, piece.ending.decode())

    def complete(self, *, cut_short: bool) -> bool | None:
        """Tell, after the last piece, whether the dump came to its end; None where its tool does not mark the end.

        Of several dumps in one file each must. `cut_short`: the packing ended too early.
        """
        if cut_short or self.unfinished or self.cut_at is not None or self._open:
            return False
        return True if self.made_by.startswith(_MARKS_ITS_END) else None

    def _comments(self, piece: Gap) -> None:
        if piece.at and b"\xef\xbb\xbf" in piece.data:
            self.marks.add(piece.at, "byte order mark")
        for found in _MADE_BY.finditer(piece.data):
            if found[1]:
                made_by = found[1].decode("utf-8", "replace").strip()
                self.made_by = self.made_by or made_by
                self.cut_at = piece.at + found.start() if self._open and self.cut_at is None else self.cut_at
                self._open = made_by.startswith(_MARKS_ITS_END)
            elif found[2]:
                self._open = False
            elif found[3]:
                self.headers.add(found[3].decode("utf-8", "surrogateescape").strip())

    def _statement(self, piece: Statement) -> None:
        self._filling = None
        if self._last_head and piece.text == self._last_head[0] and piece.streamed:
            self._filling = self._last_head[1]
            return
        reading = piece.reading
        self.charset = self.charset or piece.syntax.charset
        if piece.lost and self.lost is None:
            self.lost = (piece.at, reading.why)
        if not piece.ending and not piece.streamed and reading.act is not Act.NOTHING:
            self.unfinished = (piece.at, "within a statement")
        self.seen.setdefault(reading.act, Seen()).add(piece.at, example(reading, piece))
        if reading.account:
            self.definers.setdefault(reading.account, Seen()).add(piece.at, example(reading, piece))
        if reading.act is Act.USE and reading.names:
            self.current = reading.names[0].name
            self._last_head = None
        elif reading.act in CREATES:
            self._create(reading)
        elif reading.act is Act.DROP:
            for name in reading.names:
                self.drops.setdefault((reading.kind, *self.placed(name)), piece.at)
        elif reading.act is Act.EMPTY:
            self.emptied.setdefault(self.placed(reading.names[0]), piece.at)
        elif reading.act is Act.INSERT:
            table = self._table(reading.names[0])
            self._filling = table
            self._last_head = (piece.text, table)
        if reading.act not in (Act.USE, Act.CREATE_SCHEMA, Act.DROP_SCHEMA):
            self._where(reading, piece)

    def placed(self, name: Name) -> tuple[str, str]:
        """Return schema and name of where a name would land if the dump were loaded into the asked schema."""
        return name.schema or self.current or self.asked, name.name

    def _table(self, name: Name) -> TableSeen:
        return self.tables.setdefault(self.placed(name), TableSeen())

    def _create(self, reading: Reading) -> None:
        placed = self.placed(reading.names[0])
        in_lists = ("TABLE", "VIEW", "SEQUENCE")
        kinds = in_lists if reading.kind in in_lists else (reading.kind,)
        dropped = any((kind, *placed) in self.drops for kind in kinds)
        self.created.update((kind, *placed) for kind in kinds)
        if reading.kind in ("TABLE", "SEQUENCE"):
            table = self._table(reading.names[0])
            table.created, table.dropped_first = True, table.dropped_first or dropped or reading.replaces
        else:
            self.others += 1
            if reading.kind == "VIEW":  # older mysqldump makes a table to stand in for each view
                self.tables.pop(placed, None)

    def _where(self, reading: Reading, piece: Statement) -> None:
        for name in reading.names:
            schema, _ = self.placed(name) if reading.kind != "SCHEMA" else (name.name, "")
            if schema != self.asked:
                self.elsewhere.setdefault(schema, Seen()).add(piece.at, example(reading, piece))
        for reference in reading.references:
            if reference.schema != self.asked and reference.schema.lower() != "information_schema":
                self.foreign.setdefault(reference.schema, Seen()).add(piece.at, example(reading, piece))


def example(reading: Reading, piece: Statement) -> str:
    """Return what a statement acts on, or how it begins, and why it is not understood."""
    why = f" ({reading.why})" if reading.why else ""
    if reading.act in _SHOWN_WHOLE:
        return excerpt(piece.text) + why
    return ", ".join(name.full for name in reading.names[:3]) or excerpt(piece.text)


def excerpt(text: bytes) -> str:
    """Return the beginning of a statement in one line. Quoted text is left out: it may be a password or a person."""
    start = re.sub(rb"'(?:[^'\\]|\\.)*'?", b"'...'", text[:400])
    return " ".join(start.decode("utf-8", "replace").split())[:100]
