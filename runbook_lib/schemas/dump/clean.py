"""Write the same dump, safe to load: into the asked schema only, names mended, rows byte for byte."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NoReturn

from runbook_lib.errors import CheckFailed
from runbook_lib.schemas.dump import guard
from runbook_lib.schemas.dump.acts import CREATES, Act, Reading
from runbook_lib.schemas.dump.lexer import Delimiter, End, Gap, Noise, Piece, Rows, Statement, pieces
from runbook_lib.schemas.dump.rewrite import meant, quoted_bytes, rewritten
from runbook_lib.schemas.dump.source import DumpSource
from runbook_lib.schemas.dump.tokens import Name
from runbook_lib.schemas.dump.watch import DumpWatch, Seen, example

Write = Callable[[bytes | memoryview], object]

_OWN = CREATES | {Act.INSERT, Act.DROP, Act.EMPTY, Act.LOCK, Act.TABLE_UPKEEP}
_ANYWHERE = frozenset({Act.SETTING, Act.TRANSACTION, Act.NOTHING})
_SCHEMAS = frozenset({Act.USE, Act.CREATE_SCHEMA, Act.ALTER_SCHEMA, Act.BINARY_LOG})
_PLAIN_GAP = re.compile(rb"(?:[ \t\r\n]|--(?:[ \t][^\n]*)?(?:\n|\Z))*+")
_COMMENT_LINE = re.compile(rb"(?:^|(?<=\n))(?:--(?:[ \t][^\n]*)?\n|[ \t\r]*\n)")


@dataclass(kw_only=True)
class Cleaned:
    """What cleaning did: how much was written, which names were mended, and what was not written.

    `passed_over` is what no load into one schema needs (USE, CREATE DATABASE, positions of the binary log …), by kind.
    `left_out` is everything else that is not known to be safe, with examples: what it would have brought is missing.
    """

    bytes_written: int = 0
    mended: dict[str, str] = field(default_factory=dict)
    passed_over: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, Seen] = field(default_factory=dict)
    source_schema: str = ""
    definers_removed: int = 0
    drops_left_out: tuple[str, ...] = ()
    charset: str = ""

    @property
    def whole(self) -> bool:
        """Tell whether everything was written that the dump would bring."""
        return not self.left_out and not self.drops_left_out


def clean_dump(source: DumpSource, write: Write, *, schema: str, take: str = "") -> Cleaned:
    """Read a dump and write its safe form for `schema`; `take` names the schema to take from a dump of several.

    Only statements are written that are known to bring tables, rows, views, routines, triggers and events into that
    schema. A DROP is written only right before the CREATE of the same object, a TRUNCATE before the first rows. Names
    lose their schema and the dots that a quoting mistake put into them; definers go.

    Raises:
        CheckFailed: the dump is cut short, brings several schemas and `take` is empty, two of its tables would get
            the same name, or nobody can say how it is read. What was written until then must be thrown away.
    """
    cleaner = _Cleaner(write, schema=schema, take=take)
    watch = DumpWatch(schema)
    cleaner.begin()
    for piece in pieces(source.blocks()):
        watch.take(piece)
        if watch.lost:
            raise CheckFailed(
                f"From byte {watch.lost[0]:,} on nobody can say how {source.name} is read: {watch.lost[1]}.",
                hint="Have the dump made again without that setting.",
            )
        cleaner.take(piece, headers=watch.headers)
    if watch.complete(cut_short=bool(source.cut_short)) is False:
        raise CheckFailed(
            f"{source.name} is cut short: a safe form of it would lack what is missing at its end.",
            hint="Fetch the dump again, or have it made again, and check it first with `runbook dump check`.",
        )
    return cleaner.finish()


class _Cleaner:
    def __init__(self, write: Write, *, schema: str, take: str) -> None:
        self._out = write
        self._schema = schema
        self._take = take
        self._current = ""
        self._headers: set[str] = set()
        self._held: dict[tuple[str, str], list[bytes]] = {}  # DROPs that wait for their CREATE
        self._empties: dict[str, bytes] = {}  # TRUNCATEs that wait for rows
        self._made: dict[str, str] = {}  # tables by their mended name: what the dump calls them
        self._brought: set[str] = set()
        self._sequences: set[str] = set()
        self._home: set[str] = set()  # the schema that defaults name which take from these sequences
        self._refused: set[str] = set()
        self._schemas_dropped: list[tuple[set[str], Statement]] = []
        self._passing = self._guarded = False
        self._heads: tuple[bytes, bytes, bool] | None = None
        self.done = Cleaned()

    def begin(self) -> None:
        self._write(guard.opening(self._schema))

    def finish(self) -> Cleaned:
        for names, piece in self._schemas_dropped:  # which schema the dump was in is known at its end
            if names <= self._schemas():
                self._pass_over(Act.DROP_SCHEMA.value)
            else:
                self._leave(Act.DROP_SCHEMA.value, piece)
        emptied = (f"(every row of) {name}" for name in self._empties)
        self.done.drops_left_out = (*(f"{kind} {name}" for kind, name in self._held), *emptied)
        return self.done

    def _write(self, data: bytes | memoryview) -> None:
        self.done.bytes_written += len(data)
        self._out(data)

    def take(self, piece: Piece, *, headers: set[str]) -> None:
        self._headers = headers
        if isinstance(piece, Rows):
            if self._passing and not piece.foul:
                self._write(piece.data)
        elif isinstance(piece, Gap):
            plain = _PLAIN_GAP.fullmatch(piece.data)
            self._write(piece.data if plain else b"\n" + b"".join(_COMMENT_LINE.findall(piece.data)))
        elif isinstance(piece, Delimiter):
            self._write(piece.data)
        elif isinstance(piece, End):
            self._end(piece)
        elif isinstance(piece, Statement):
            self._statement(piece)
        elif isinstance(piece, Noise):
            self._pass_over("messages")

    def _end(self, piece: End) -> None:
        if piece.foul and piece.ending and self._passing:
            raise CheckFailed(
                f"The rows that end at byte {piece.at:,} are more than values, and what they would do is not known.",
                hint="Have the dump made again with a dump tool's usual INSERT statements.",
            )
        if self._passing:
            self._write(piece.ending if not piece.ending.startswith(b"\\") else b";")

    def _statement(self, piece: Statement) -> None:
        if piece.streamed and self._heads and self._heads[0] == piece.text:
            self._passing = self._heads[2]
            if self._passing:
                self._write(self._heads[1])
            return
        text = self._decide(piece.reading, piece)
        self._passing = text is not None
        if text is not None:
            ending = b"" if piece.streamed else piece.syntax.delimiter
            self._write(text + ending)
        self._heads = (piece.text, text or b"", self._passing) if piece.streamed else None

    def _decide(self, reading: Reading, piece: Statement) -> bytes | None:
        """Return the statement as it is to be written, None to leave it out."""
        if reading.act is Act.USE and reading.names:
            self._current, self._heads = reading.names[0].name, None
        if reading.act in _SCHEMAS or reading.of_tools:
            return self._pass_over(reading.act.value)
        if reading.act is Act.DROP_SCHEMA:
            self._schemas_dropped.append(({name.name for name in reading.names}, piece))
            return None
        if guard.is_guard(piece.text):
            return None
        if reading.act in _ANYWHERE:
            return piece.text
        if reading.act not in _OWN:
            if reading.kind:  # something is created
                self._refuse(reading, meant(reading.names[0].name), piece)
            return self._leave(reading.act.value, piece)
        if not all(self._is_wanted(name) for name in reading.names):
            return self._pass_over("other schemas") if self._take else self._leave("acts on another schema", piece)
        return self._kept(reading, piece)

    def _kept(self, reading: Reading, piece: Statement) -> bytes | None:
        charset, ending = piece.syntax.charset, piece.syntax.delimiter
        if reading.act is Act.CREATE_TABLE and not self._schemas() - {self._schema}:
            self._home |= {ref.schema for ref in reading.references if ref.parts[1].value in self._sequences}
        new = rewritten(piece.text, reading, schemas=self._schemas(), known=self.done.mended, charset=charset)
        if reading.act is Act.DROP:
            for name in new.names:
                drop = b"DROP " + reading.kind.encode() + b" IF EXISTS " + quoted_bytes(name, charset)
                self._held.setdefault((reading.kind, name), []).append(drop)
            return None
        if reading.act is Act.EMPTY:
            self._empties[new.names[0]] = new.text
            return None
        if why := self._problem(reading, new.names):
            if reading.act in CREATES:
                self._refuse(reading, new.names[0], piece)
            return self._leave(why, piece)
        self.done.mended.update(new.mended)
        self.done.definers_removed += new.definers
        self._guard(piece)
        if reading.act not in CREATES:
            if reading.act is Act.INSERT and (empty := self._empties.pop(new.names[0], None)):
                self._write(empty + ending + b"\n")
            return new.text
        drops = self._drops_before(reading, new.names[0])
        return b"".join(drop + ending + b"\n" for drop in drops) + new.text

    def _refuse(self, reading: Reading, name: str, piece: Statement) -> None:
        """Remember that something is not made; what the dump made in its place until then goes."""
        self._refused |= {reading.names[0].name, name}
        if name in self._brought:
            for drop in self._drops_before(reading, name):
                self._write(drop + piece.syntax.delimiter + b"\n")

    def _problem(self, reading: Reading, names: tuple[str, ...]) -> str:
        """Say why a statement of the asked schema is not written after all; empty if it is."""
        schemas = self._schemas()
        for reference in reading.references:
            if reference.schema not in schemas and reference.schema.lower() != "information_schema":
                return f"names the schema {reference.schema}"
        said = {token.value for token in reading.found if token.can_name} if reading.act in CREATES else set(names)
        if reading.act is Act.CREATE_TABLE:
            said = set()
        if found := said & self._refused:
            return f"needs {min(found)}, which is left out"
        if reading.act is Act.TABLE_UPKEEP and not set(names) <= self._brought:
            return "acts on tables it does not bring"
        return ""

    def _guard(self, piece: Statement) -> None:
        """Before the first thing is made: stop a client that was started with another character set."""
        charset = piece.client
        if self._guarded:
            if charset != self.done.charset:
                raise CheckFailed(
                    f"The dump changes to the character set {charset} after it has made something.",
                    hint="Have the dump made again in one character set.",
                )
            return
        self.done.charset, self._guarded = charset, True
        self._write(guard.of_charset(charset) + piece.syntax.delimiter + b"\n")

    def _drops_before(self, reading: Reading, name: str) -> list[bytes]:
        kinds = ("TABLE", "VIEW") if reading.kind in ("TABLE", "VIEW") else (reading.kind,)
        said = reading.names[0].name
        if reading.kind == "TABLE" and self._made.get(name, said) != said:
            raise CheckFailed(
                f"Two tables of the dump would both be called {name} when their names are mended.",
                hint="Have the dump made again; loading it would lose one of the two.",
            )
        if reading.kind in ("TABLE", "SEQUENCE"):
            self._made[name] = said
        if reading.kind in ("TABLE", "VIEW", "SEQUENCE"):
            self._brought.add(name)
        if reading.kind == "SEQUENCE":
            self._sequences.add(said)
        return [drop for kind in kinds for drop in self._held.pop((kind, name), ())]

    def _schemas(self) -> frozenset[str]:
        said = {self._schema, self._current, self._take, self.done.source_schema}
        return frozenset((said | self._headers | self._home) - {""})

    def _is_wanted(self, name: Name) -> bool:
        """Tell whether a name lies in the one schema that is taken.

        Raises:
            CheckFailed: it is the second schema of the dump, and nobody said which to take.
        """
        home = self._current or self._schema
        schema = name.schema or home
        if self._take:
            self.done.source_schema = self._take
            return schema in (self._schema, self._take)
        if schema == self._schema and not name.schema and self.done.source_schema and not self._current:
            self._several(self._schema)
        if schema == self._schema or (name.schema and schema in self._headers):
            return True
        if self.done.source_schema == schema:
            return True
        if schema != self._current and (self._brought or self._current):
            return False  # a stray statement: what is brought goes elsewhere
        if self.done.source_schema or self._brought:  # what came before a USE was of the schema that has no name
            self._several(schema)
        self.done.source_schema = schema
        return True

    def _several(self, second: str) -> NoReturn:
        first = self.done.source_schema or min(self._headers, default=self._schema)
        raise CheckFailed(
            f"The dump brings several schemas ({first}, {second}).",
            hint=f"Say which one is to become {self._schema}: --take {first}.",
        )

    def _pass_over(self, what: str) -> bytes | None:
        self.done.passed_over[what] = self.done.passed_over.get(what, 0) + 1
        return None

    def _leave(self, what: str, piece: Statement) -> bytes | None:
        """Name what is left out, and return the nothing that is written instead."""
        self.done.left_out.setdefault(what, Seen()).add(piece.at, example(piece.reading, piece))
        return None
