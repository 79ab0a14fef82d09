"""Watch a dump go by and remember what matters of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from runbook_lib.schemas.dump.lexer import Delimiter, End, Gap, Noise, Piece, Rows, Statement
from runbook_lib.schemas.dump.statement import Act, Reading, read
from runbook_lib.schemas.dump.tokens import Name

_MADE_BY = re.compile(rb"^-- ((?:MySQL|MariaDB) dump[^\n]*|Dumped by [^\n]*|phpMyAdmin SQL Dump[^\n]*)", re.MULTILINE)
_TRAILER = re.compile(rb"^-- Dump completed", re.MULTILINE)
_CREATES = {Act.CREATE_TABLE, Act.CREATE_VIEW, Act.CREATE_ROUTINE, Act.CREATE_TRIGGER, Act.CREATE_EVENT}


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
        self.noise, self.sandbox, self.stray = Seen(), Seen(), Seen()
        self.made_by = ""
        self.trailer = False
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
            self._statement(piece)
        elif isinstance(piece, End):
            if not piece.ending:
                self.unfinished = (piece.at, "within a string" if piece.inside else "within a statement")
        elif isinstance(piece, Gap):
            self._comments(piece.data)
        elif isinstance(piece, Noise):
            (self.sandbox if piece.data.startswith(b"/*") else self.noise).add(piece.at, _excerpt(piece.data))
        elif isinstance(piece, Delimiter):
            pass  # the lexer follows it

    def complete(self, *, cut_short: bool) -> bool | None:
        """Tell, after the last piece, whether the dump came to its end; None where its tool does not mark the end.

        `cut_short`: the packing ended too early.
        """
        if cut_short or self.unfinished:
            return False
        return self.trailer if self.made_by.startswith(("MySQL dump", "MariaDB dump")) else None

    def _comments(self, data: bytes) -> None:
        if not self.made_by and (found := _MADE_BY.search(data)):
            self.made_by = found[1].decode("utf-8", "replace").strip()
        self.trailer = bool(_TRAILER.search(data))

    def _statement(self, piece: Statement) -> None:
        self._filling = None
        if self._last_head and piece.text == self._last_head[0] and piece.streamed:
            self._filling = self._last_head[1]
            return
        reading = read(piece.text, ansi_quotes=piece.ansi_quotes)
        if not piece.ending and not piece.streamed and reading.act is not Act.NOTHING:
            self.unfinished = (piece.at, "within a statement")
        self.seen.setdefault(reading.act, Seen()).add(piece.at, _example(reading, piece))
        if reading.definer:
            self.definers.setdefault(reading.definer, Seen()).add(piece.at, _example(reading, piece))
        if reading.act is Act.USE and reading.names:
            self.current = reading.names[0].name
            self._last_head = None
        elif reading.act in _CREATES:
            self._create(reading, piece)
        elif reading.act is Act.DROP:
            for name in reading.names:
                self.drops.setdefault((reading.kind, *self.placed(name)), piece.at)
        elif reading.act is Act.INSERT and reading.names:
            table = self._table(reading.names[0])
            self._filling = table
            if piece.streamed:
                self._last_head = (piece.text, table)
            else:
                table.row_bytes += len(piece.text)
        if reading.act not in (Act.USE, Act.CREATE_SCHEMA, Act.DROP_SCHEMA, Act.ALTER_SCHEMA):
            self._where(reading, piece)

    def placed(self, name: Name) -> tuple[str, str]:
        """Return schema and name of where a name would land if the dump were loaded into the asked schema."""
        return name.schema or self.current or self.asked, name.name

    def _table(self, name: Name) -> TableSeen:
        return self.tables.setdefault(self.placed(name), TableSeen())

    def _create(self, reading: Reading, piece: Statement) -> None:
        if not reading.names:
            self.stray.add(piece.at, _excerpt(piece.text))
            return
        placed = self.placed(reading.names[0])
        kinds = ("TABLE", "VIEW") if reading.kind in ("TABLE", "VIEW", "SEQUENCE") else (reading.kind,)
        dropped = any((kind, *placed) in self.drops for kind in kinds)
        self.created.update((kind, *placed) for kind in kinds)
        if reading.kind in ("TABLE", "SEQUENCE"):
            table = self._table(reading.names[0])
            table.created, table.dropped_first = True, table.dropped_first or dropped
        else:
            self.others += 1
            if reading.kind == "VIEW":  # older mysqldump makes a table to stand in for each view
                self.tables.pop(placed, None)

    def _where(self, reading: Reading, piece: Statement) -> None:
        for name in reading.names:
            schema, _ = self.placed(name)
            if schema != self.asked:
                self.elsewhere.setdefault(schema, Seen()).add(piece.at, _example(reading, piece))


def _example(reading: Reading, piece: Statement) -> str:
    if reading.act in (Act.UNKNOWN, Act.CLIENT, Act.CHANGE, Act.GLOBAL, Act.BINARY_LOG, Act.ACCOUNT, Act.REPLICATION):
        return _excerpt(piece.text)
    return ", ".join(name.full for name in reading.names[:3]) or _excerpt(piece.text)


def _excerpt(text: bytes) -> str:
    """Return the beginning of a statement in one line. Quoted text is left out: it may be a password or a person."""
    start = re.sub(rb"'(?:[^'\\]|\\.)*'?", b"'...'", text[:400])
    return " ".join(start.decode("utf-8", "replace").split())[:100]
