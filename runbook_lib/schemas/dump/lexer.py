"""Cut a dump into its statements, in constant memory, as the client that loads it would."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from runbook_lib.schemas.dump.acts import Act, Reading
from runbook_lib.schemas.dump.rowscan import RowScanner
from runbook_lib.schemas.dump.settings import Session
from runbook_lib.schemas.dump.statement import read
from runbook_lib.schemas.dump.syntax import Syntax, patterns

# A statement other than row data is held whole up to this size (a view or a routine is far below it).
_WHOLE = 4 << 20
_COMMENT = re.compile(rb"#|--[\x00-\x20]|/\*(?!!|M!|\+)")
_DELIMITER = re.compile(rb"delimiter[ \t]+([^\s]+)[^\n]*(?:\n|\Z)", re.IGNORECASE)
_HALF = frozenset(bytes([byte]) for byte in b"-/\\@_$abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
_PART = frozenset("_$.@\\`abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789") | {
    chr(b) for b in range(128, 256)
}
_ORDINARY = re.compile(rb"[;$/|@%^~!&]+")  # delimiters that no quote, name, number or comment can be part of
# Commands that the client takes at the beginning of a line, up to the line's end, if no delimiter is in it.
_COMMAND = re.compile(
    rb"(?:use|source|system|tee|pager|prompt|connect|charset|resetconnection|edit|exit|quit|notee|nopager|status|clear"
    rb"|print|go|ego|rehash|warnings|nowarning|help|sandbox|delimiter|query_attributes|\?)"
    rb"(?=[ \t\r\n]|\Z)[^\n]*(?:\n|\Z)",
    re.IGNORECASE,
)
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

    `at` is the offset of its first byte in the unpacked dump. `ending` is what ends it: its delimiter, `\\g` or `\\G`,
    or the line's end after a command of the client; empty when the dump stops. `syntax` is what the server reads it
    by, `client` the character set that the client cuts by, `reading` what it would do. `lost`: from here on nobody can
    say how the dump is read, because of `reading.why`.
    """

    text: bytes
    at: int
    syntax: Syntax
    reading: Reading
    ending: bytes = b""
    streamed: bool = False
    client: str = ""
    lost: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """Row data of the statement before, byte for byte. `foul`: it is more than values, and not known."""

    data: memoryview
    foul: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class End:
    """The end of a streamed statement. Without `ending` the dump stops within it; `inside` a string if so.

    `foul`: its rows are not only values; what else they hold is not known.
    """

    ending: bytes
    at: int
    inside: bool = False
    foul: bool = False


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
        self._known: tuple[bytes, Syntax, Reading] | None = None  # the last head, and what it says

    def run(self) -> Iterator[Piece]:
        while True:
            if gap := self._gap():
                yield gap
            if self._place == len(self._window):
                return
            if lead := self._special_line(new_line=gap is None or b"\n" in gap.data):
                yield lead
            elif head := self._head():
                yield from self._insert(head)
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

    def _special_line(self, *, new_line: bool) -> Delimiter | Noise | Statement | None:
        at = self._offset()
        if found := _NOISE.match(self._window, self._place):
            self._place = found.end()
            return Noise(data=found[0], at=at)
        if found := _DELIMITER.match(self._window, self._place):
            self._session.delimiter(found[1])
            self._place = found.end()
            if _ORDINARY.fullmatch(found[1]):
                return Delimiter(data=found[0], at=at)
            reading = Reading(act=Act.CLIENT, why="it ends statements with an unusual delimiter")
            return Statement(
                text=found[0], at=at, ending=b"\n", syntax=self._session.server, reading=reading, lost=True
            )
        found = _COMMAND.match(self._window, self._place)
        delimiter = self._session.syntax.delimiter
        if not found or not new_line or delimiter in found[0] or rb"\g" in found[0]:
            return None
        self._place = found.end()
        text = found[0].rstrip(b"\r\n")
        reading = read(text, self._session.server)
        return Statement(text=text, at=at, ending=b"\n", syntax=self._session.server, reading=reading)

    def _head(self) -> bytes:
        """Return the head of an INSERT or REPLACE up to its first row, or nothing if the statement is another."""
        if self._window.startswith(self._known_head, self._place):
            return self._known_head
        if self._window[self._place : self._place + 7].upper() not in (b"INSERT ", b"REPLACE"):
            return b""
        while True:
            found = patterns(self._session.syntax, final=self._final).head.match(self._window, self._place)
            if found or len(self._window) - self._place > _WHOLE or not self._more():
                break
        if not found:
            return b""
        # A head that starts another's ("VALUES " and "VALUES  ") is recognised by the row's "(" behind it.
        self._known_head = found[0]
        return found[0]

    def _insert(self, head: bytes) -> Iterator[Piece]:
        """Read row data. While nothing of it is handed over, it can still become a statement like any other."""
        session, begun, inside, escaped = self._session, False, False, False
        if session.server.charset != session.syntax.charset:
            yield from self._statement()
            return
        statement = self._begun(head)
        rows = self._place + len(head)
        look = rows + 1  # the first row's bracket follows the head
        while session.syntax.usual:
            before = (inside, escaped)
            stop, inside, escaped = self._scanner.stop(self._window, look, inside=inside, escaped=escaped)
            if stop < len(self._window) and self._window[stop] != 0x3B:
                yield from self._slow_rows(statement, begun=begun, rows=rows, place=self._word_start(stop, rows))
                return
            if stop == len(self._window) and not inside and self._window[-1:] in _HALF:
                self._place = rows if begun else self._place
                if self._more():  # half of a word or of a comment's mark, perhaps: look again, with the other half
                    rows = 0 if begun else len(head)
                    look, (inside, escaped) = rows + (not begun), before
                    continue
            if not begun:
                yield statement
            begun = True
            yield Rows(data=memoryview(self._window)[rows:stop])
            if stop < len(self._window):
                self._place = stop + 1
                yield End(ending=b";", at=self._offset())
                return
            tail = self._window[-32:]
            if not self._next():
                yield End(ending=b"", at=self._at, inside=inside)
                return
            rows = look = 0
            if not inside and self._window[:32].lstrip().startswith(b"("):
                if not tail.rstrip().endswith(b","):
                    yield from self._foul_rows()
                    return
                look = self._window.index(b"(") + 1
        yield from self._slow_rows(statement, begun=False, rows=rows, place=rows)

    def _begun(self, head: bytes) -> Statement:
        server = self._session.server
        if self._known is None or self._known[:2] != (head, server):
            self._known = (head, server, read(head, server))
        cutting = self._session.syntax.charset
        return Statement(
            text=head, at=self._offset(), streamed=True, syntax=server, reading=self._known[2], client=cutting
        )

    def _word_start(self, stop: int, rows: int) -> int:
        """Return where a word begins that the scanner stopped in or that a bracket follows, or a comment's mark."""
        if stop > rows and self._window[stop - 1 : stop + 1] in (b"/*", b"--"):
            return stop - 1
        place = stop
        while place > rows and self._window[place - 1] in b" \t\r\n" and self._window[stop] == 0x28:
            place -= 1
        while place > rows and chr(self._window[place - 1]) in _PART:
            place -= 1
        return place

    def _slow_rows(self, statement: Statement, *, begun: bool, rows: int, place: int) -> Iterator[Piece]:
        """Read row data value by value from `place` on; that from `rows` on is not handed over yet."""
        syntax = self._session.syntax
        while True:
            stop = patterns(syntax, final=self._final).rows_end(self._window, place)
            ending = self._ending(stop)
            unfinished = self._window[stop : stop + 1] in (b"'", b'"', b"") or len(self._window) - stop < 256
            if not ending and unfinished and not self._final and stop - rows < _WHOLE:
                self._place = shift = rows if begun else self._place
                self._more()
                rows, place = rows - shift, stop - shift
                continue
            if not ending and not begun and stop - rows < _WHOLE:
                yield from self._statement()
                return
            if not begun:
                yield statement
            begun = True
            yield Rows(data=memoryview(self._window)[rows:stop])
            self._place = rows = place = stop
            if ending:
                self._place += len(ending)
                yield End(ending=ending, at=self._offset())
                return
            if self._final or not unfinished:
                yield from self._foul_rows()
                return

    def _ending(self, stop: int) -> bytes:
        """Return what ends a statement at a place: its delimiter, or a command of the client; empty for neither."""
        delimiter = self._session.syntax.delimiter
        if self._window.startswith(delimiter, stop):
            return delimiter
        found = self._window[stop : stop + 2]
        return found if found in (rb"\g", rb"\G") else b""

    def _foul_rows(self) -> Iterator[Piece]:
        """Pass over the rest of a statement that turns out to hold more than values."""
        delimiter = self._session.syntax.delimiter
        while True:
            stop = patterns(self._session.syntax, final=self._final).body_end(self._window, self._place)
            whole = self._window.startswith(delimiter, stop)
            backslash = not whole and self._window[stop : stop + 1] == b"\\" and len(self._window) > stop + 1
            end = stop + 2 if backslash else stop if whole or not self._final else len(self._window)
            yield Rows(data=memoryview(self._window)[self._place : end], foul=True)
            self._place = end
            if whole:
                self._place += len(delimiter)
                yield End(ending=delimiter, at=self._offset(), foul=True)
                return
            if not backslash and not self._more():
                yield End(ending=b"", at=self._offset(), inside=stop < end, foul=True)
                return

    def _statement(self) -> Iterator[Piece]:
        syntax, at = self._session.syntax, self._offset()
        client, ending, done = False, b"", 0
        while True:
            stop = patterns(syntax, final=self._final).body_end(self._window, self._place + done)
            if ending := self._ending(stop):
                break
            if self._window[stop : stop + 1] == b"\\" and (line := self._window.find(b"\n", stop)) >= 0:
                cut = self._window.find(syntax.delimiter, stop, line)
                client, stop, ending = True, *((cut, syntax.delimiter) if cut >= 0 else (line, b"\n"))
                break
            done = stop - self._place
            if done > _WHOLE or not self._more():
                break
        if not ending and not self._final:
            text, self._place = self._window[self._place : stop], stop
            reading = Reading(act=Act.UNKNOWN, why="it is too long to be anything but rows")
            yield Statement(text=text, at=at, streamed=True, syntax=self._session.server, reading=reading)
            yield from self._foul_rows()
            return
        stop = stop if ending else len(self._window)
        text = self._window[self._place : stop]
        self._place = stop + len(ending)
        yield self._understood(text, at, ending, client=client)

    def _understood(self, text: bytes, at: int, ending: bytes, *, client: bool) -> Statement:
        """Read a whole statement, and follow what it sets. `client`: a command of the client is in it."""
        session, server, cutting = self._session, self._session.server, self._session.syntax.charset
        reading, lost = read(text, server), False
        if client:
            reading = replace(reading, act=Act.CLIENT)
        elif server.charset != cutting:
            end = patterns(server, final=True).body_end(text + server.delimiter, 0)
            if end != len(text):
                why = "the client and the server read its letters differently"
                reading = replace(reading, act=Act.UNKNOWN, why=why)
        if reading.act is Act.SETTING:
            why = session.follow(list(reading.settings), certain=reading.certain)
            reading = replace(reading, act=Act.UNKNOWN, why=why) if why else reading
            lost = bool(why)
        elif reading.found[:1] and reading.found[0].upper == "SET":
            said = {word for token in reading.found for word in token.value.lower().strip("@").split(".")}
            lost = bool(said & {"sql_mode", "names", "character", "charset", "character_set_client"})
        return Statement(text=text, at=at, ending=ending, syntax=server, reading=reading, lost=lost, client=cutting)
