"""Cut a dump into its statements, in constant memory, as the client that loads it would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from runbook_lib.schemas.dump.rowscan import RowScanner
from runbook_lib.schemas.dump.syntax import Session, patterns

# A statement other than row data is held whole up to this size (a view or a routine is far below it).
_WHOLE = 4 << 20
_COMMENT = re.compile(rb"#|--[\x00-\x20]|/\*(?!!|M!)")
_DELIMITER = re.compile(rb"delimiter[ \t]+([^\s]+)[^\n]*(?:\n|\Z)", re.IGNORECASE)
# Lines that are no SQL: what the dump tool printed when its error stream was sent into the file, and the sandbox
# line of newer mariadb-dump, which MySQL's client refuses ("Unknown command '\-'").
_NOISE = re.compile(
    rb"(?:(?:mysqldump|mariadb-dump|mysqlpump)(?:\.exe)?: |Enter password: |Warning: )[^\n]*(?:\n|\Z)"
    rb"|/\*M?!999999\\- [^*]*\*/[ \t]*\n?"
)


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Blank space and comments between statements, byte for byte."""

    data: bytes
    at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Delimiter:
    """A DELIMITER line."""

    data: bytes
    at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Noise:
    """A line that is not SQL."""

    data: bytes
    at: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Statement:
    """A statement, or the head of one whose rest follows as `Rows` and an `End` (`streamed`).

    `at` is the offset of its first byte in the unpacked dump. `ending` is its delimiter, empty when the dump stops.
    """

    text: bytes
    at: int
    ending: bytes = b""
    streamed: bool = False
    ansi_quotes: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Row data of the statement before, byte for byte."""

    data: memoryview


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """The end of a streamed statement. Without `ending` the dump stops within it; `inside` a string if so."""

    ending: bytes
    at: int
    inside: bool = False


Piece = Gap | Delimiter | Noise | Statement | Rows | End


def pieces(blocks: Iterator[bytes]) -> Iterator[Piece]:
    """Cut the blocks of a dump into pieces which, put together again, are the dump."""
    return _Lexer(blocks).run()


class _Lexer:
    def __init__(self, blocks: Iterator[bytes]) -> None:
        self._window = b""
        self._at = 0  # offset of the window's first byte
        self._place = 0  # how far the window is read
        self._final = False
        self._session = Session()
        self._scanner = RowScanner()
        self._blocks = self._scanner.marked_ahead(blocks)
        self._known_head = b"\n"  # never the start of a statement

    def run(self) -> Iterator[Piece]:
        while True:
            if gap := self._gap():
                yield gap
            if self._place == len(self._window):
                return
            if lead := self._special_line():
                yield lead
            elif head := self._head():
                yield Statement(
                    text=head, at=self._offset(-len(head)), streamed=True, ansi_quotes=self._session.syntax.ansi_quotes
                )
                yield from self._rows()
            else:
                yield from self._statement()

    def _offset(self, more: int = 0) -> int:
        return self._at + self._place + more

    def _next(self) -> bool:
        """Replace the window, which is used up, by the next block."""
        self._at += len(self._window)
        self._window, self._place = next(self._blocks, b""), 0
        self._final = not self._window
        return not self._final

    def _more(self) -> bool:
        """Let the window grow to at least twice what is left of it; False at the end of the dump."""
        if self._final:
            return False
        rest = self._window[self._place :]
        parts, size = [rest], 0
        while size < max(len(rest), 1):
            if not (block := next(self._blocks, b"")):
                self._final = True
                break
            parts.append(block)
            size += len(block)
        self._at += self._place
        self._window, self._place = b"".join(parts), 0
        return True

    def _gap(self) -> Gap | None:
        while True:
            stop = patterns(self._session.syntax, final=self._final).gap_end(self._window, self._place)
            # A comment may begin here whose end is not read yet, or so few bytes are left that none can be told.
            undecided = len(self._window) - stop < 64 or _COMMENT.match(self._window, stop)
            if not undecided or not self._more():
                break
        at, data = self._offset(), self._window[self._place : stop]
        self._place = stop
        return Gap(data=data, at=at) if data else None

    def _special_line(self) -> Delimiter | Noise | None:
        for pattern, kind in ((_DELIMITER, Delimiter), (_NOISE, Noise)):
            if found := pattern.match(self._window, self._place):
                if kind is Delimiter:
                    self._session.delimiter(found[1])
                at, self._place = self._offset(), found.end()
                return kind(data=found[0], at=at)
        return None

    def _head(self) -> bytes:
        """Return the head of an INSERT or REPLACE up to its first row, or nothing if the statement is another."""
        if self._window.startswith(self._known_head, self._place):
            self._place += len(self._known_head)
            return self._known_head
        if self._window[self._place : self._place + 7].upper() not in (b"INSERT ", b"REPLACE"):
            return b""
        while True:
            found = patterns(self._session.syntax, final=self._final).head.match(self._window, self._place)
            if found or len(self._window) - self._place > _WHOLE or not self._more():
                break
        if not found:
            return b""
        self._place = found.end()
        # A head that starts another's ("VALUES " and "VALUES  ") is recognised by the row's "(" behind it.
        self._known_head = found[0]
        return found[0]

    def _rows(self) -> Iterator[Piece]:
        inside = escaped = False
        while self._session.syntax.usual:
            start, before = self._place, (inside, escaped)
            stop, inside, escaped = self._scanner.stop(self._window, start, inside=inside, escaped=escaped)
            if stop == len(self._window):
                if not inside and self._window[-1:] in (b"-", b"/") and self._more():
                    inside, escaped = before  # half of a comment's mark, perhaps: look again, with the other half
                    continue
                yield Rows(data=memoryview(self._window)[self._place :])
                if not self._next():
                    yield End(ending=b"", at=self._at, inside=inside)
                    return
                continue
            if self._window[stop] == 0x3B:
                yield Rows(data=memoryview(self._window)[start:stop])
                self._place = stop + 1
                yield End(ending=b";", at=self._offset())
                return
            token = self._token_start(stop, start)
            if token >= 0:
                yield Rows(data=memoryview(self._window)[start:token])
                self._place = token
                break
            yield Rows(data=memoryview(self._window)[start : stop + 1])  # harmless after all: an operator
            self._place = stop + 1
        yield from self._slowly()

    def _token_start(self, stop: int, start: int) -> int:
        """Return where the token begins that the slow lexer must judge, -1 if the byte means nothing.

        What lies before `start` is out already. A dash with another one beside it is judged from the first of them on.
        """
        byte, before, after = self._window[stop], self._window[stop - 1 : stop], self._window[stop + 1 : stop + 2]
        if byte == 0x2A:
            return stop - 1 if before == b"/" else -1
        if byte != 0x2D:
            return stop
        if before == b"-" and stop > start:
            return stop - 1 if after <= b" " or after == b"-" else -1
        return stop if after in (b"", b"-") else -1

    def _slowly(self) -> Iterator[Piece]:
        """Stream the rest of a statement element by element."""
        syntax = self._session.syntax
        while True:
            stop = patterns(syntax, final=self._final).body_end(self._window, self._place)
            if self._window.startswith(syntax.delimiter, stop):
                yield Rows(data=memoryview(self._window)[self._place : stop])
                self._place = stop + len(syntax.delimiter)
                yield End(ending=syntax.delimiter, at=self._offset())
                return
            if self._final:
                inside = stop < len(self._window)
                yield Rows(data=memoryview(self._window)[self._place :])
                self._place = len(self._window)
                yield End(ending=b"", at=self._offset(), inside=inside)
                return
            yield Rows(data=memoryview(self._window)[self._place : stop])
            self._place = stop
            self._more()

    def _statement(self) -> Iterator[Piece]:
        syntax = self._session.syntax
        while True:
            stop = patterns(syntax, final=self._final).body_end(self._window, self._place)
            whole = self._window.startswith(syntax.delimiter, stop)
            if whole or stop - self._place > _WHOLE or not self._more():
                break
        at = self._offset()
        if not whole and not self._final:
            yield Statement(text=self._window[self._place : stop], at=at, streamed=True, ansi_quotes=syntax.ansi_quotes)
            self._place = stop
            yield from self._slowly()
            return
        if not whole:
            stop = len(self._window)
        text = self._window[self._place : stop]
        self._place = stop + (len(syntax.delimiter) if whole else 0)
        yield Statement(text=text, at=at, ending=syntax.delimiter if whole else b"", ansi_quotes=syntax.ansi_quotes)
        self._session.follow(text)
