"""Write the same dump, safe to load: into the asked schema only, names mended, rows byte for byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from runbook_lib.errors import CheckFailed
from runbook_lib.schemas.dump.lexer import Delimiter, End, Gap, Piece, Rows, Statement, pieces
from runbook_lib.schemas.dump.rewrite import literal_bytes, quoted_bytes, rewritten
from runbook_lib.schemas.dump.source import DumpSource
from runbook_lib.schemas.dump.statement import Act, Reading, read
from runbook_lib.schemas.dump.tokens import Name
from runbook_lib.schemas.dump.watch import DumpWatch

Write = Callable[[bytes | memoryview], object]

_GUARD = b"SET @runbook_guard"
_OWN = {Act.CREATE_TABLE, Act.CREATE_VIEW, Act.CREATE_ROUTINE, Act.CREATE_TRIGGER, Act.CREATE_EVENT, Act.INSERT}
_ANYWHERE = {Act.SETTING, Act.TRANSACTION, Act.NOTHING}


@dataclass(kw_only=True)
class Cleaned:
    """What cleaning did: how much was written, which names were mended, what was left out and how often."""

    bytes_written: int = 0
    mended: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    source_schema: str = ""
    definers_removed: int = 0
    drops_left_out: tuple[str, ...] = ()


def clean_dump(source: DumpSource, write: Write, *, schema: str, take: str = "") -> Cleaned:
    """Read a dump and write its safe form for `schema`; `take` names the schema to take from a dump of several.

    Left out: CREATE, DROP and ALTER DATABASE, USE, accounts, rights, replication, server settings, binary-log
    settings, commands of the client, and whatever is not understood. A DROP is written only right before the CREATE
    of the same object. Names lose their schema and the dots that a quoting mistake put into them; definers go.

    Raises:
        CheckFailed: the dump is cut short, brings several schemas and `take` is empty, or two of its tables would get
            the same name. What was written until then must be thrown away.
    """
    cleaner = _Cleaner(write, schema=schema, take=take)
    watch = DumpWatch(schema)
    cleaner.begin()
    for piece in pieces(source.blocks()):
        watch.take(piece)
        cleaner.take(piece)
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
        self._held: dict[tuple[str, str], list[bytes]] = {}  # DROPs that wait for their CREATE
        self._made: set[str] = set()
        self._brought: set[str] = set()
        self._passing = False
        self._heads: tuple[bytes, bytes, bool] | None = None
        self.done = Cleaned()

    def begin(self) -> None:
        text = (
            f"-- Cleaned: everything below goes into the schema {self._schema} and nowhere else. The next statement\n"
            "-- stops the load (error 1242) when another schema, or none, is chosen.\n"
        ).encode() + _GUARD
        text += b" = (SELECT 1 FROM (SELECT 1 AS one UNION SELECT 2) AS two WHERE NOT (DATABASE() <=> "
        self._write(text + literal_bytes(self._schema) + b"));\n")

    def finish(self) -> Cleaned:
        self.done.drops_left_out = tuple(f"{kind} {name}" for kind, name in self._held)
        return self.done

    def _write(self, data: bytes | memoryview) -> None:
        self.done.bytes_written += len(data)
        self._out(data)

    def take(self, piece: Piece) -> None:
        if isinstance(piece, Rows):
            if self._passing:
                self._write(piece.data)
        elif isinstance(piece, (Gap, Delimiter)):
            self._write(piece.data)
        elif isinstance(piece, End):
            if self._passing:
                self._write(piece.ending)
        elif isinstance(piece, Statement):
            self._statement(piece)
        else:
            self._leave("messages")

    def _statement(self, piece: Statement) -> None:
        if piece.streamed and self._heads and self._heads[0] == piece.text:
            self._passing = self._heads[2]
            if self._passing:
                self._write(self._heads[1])
            return
        reading = read(piece.text, ansi_quotes=piece.ansi_quotes)
        text = self._decide(reading, piece)
        self._passing = text is not None
        if text is not None:
            self._write(text + piece.ending)
        if piece.streamed:
            self._heads = (piece.text, text or b"", self._passing)

    def _decide(self, reading: Reading, piece: Statement) -> bytes | None:
        """Return the statement as it is to be written, None to leave it out."""
        if reading.act is Act.USE and reading.names:
            self._current, self._heads = reading.names[0].name, None
        if reading.act in (Act.USE, Act.CREATE_SCHEMA, Act.DROP_SCHEMA, Act.ALTER_SCHEMA):
            return self._leave(reading.act.value)
        if reading.act in _ANYWHERE:
            return None if piece.text.startswith(_GUARD) else piece.text
        if reading.act in _OWN | {Act.DROP, Act.TABLE_UPKEEP}:
            if not all(self._is_wanted(name) for name in reading.names):
                return self._leave("other schemas")
            return self._kept(reading, piece)
        return self._leave(reading.act.value)

    def _kept(self, reading: Reading, piece: Statement) -> bytes | None:
        new = rewritten(piece.text, reading, schemas=self._schemas(), known=self.done.mended)
        self.done.mended.update(new.mended)
        if reading.act is Act.DROP:
            for name in new.names:
                drop = b"DROP " + reading.kind.encode() + b" IF EXISTS " + quoted_bytes(name)
                self._held.setdefault((reading.kind, name), []).append(drop)
            return None
        if reading.act is Act.TABLE_UPKEEP:
            return new.text if set(new.names) <= self._brought else self._leave("acts on tables it does not bring")
        self.done.definers_removed += new.definers
        if reading.act is Act.INSERT or not new.names:
            return new.text if new.names else self._leave(Act.UNKNOWN.value)
        drops = self._drops_before(reading, new.names[0])
        return b"".join(drop + piece.ending + b"\n" for drop in drops) + new.text

    def _drops_before(self, reading: Reading, name: str) -> list[bytes]:
        kinds = ("TABLE", "VIEW") if reading.kind in ("TABLE", "VIEW") else (reading.kind,)
        if reading.kind == "TABLE" and name in self._made:
            raise CheckFailed(
                f"Two tables of the dump would both be called {name} when their names are mended.",
                hint="Have the dump made again; loading it would lose one of the two.",
            )
        if reading.kind in ("TABLE", "SEQUENCE"):
            self._made.add(name)
        if reading.kind in ("TABLE", "VIEW", "SEQUENCE"):
            self._brought.add(name)
        return [drop for kind in kinds for drop in self._held.pop((kind, name), ())]

    def _schemas(self) -> frozenset[str]:
        return frozenset({self._schema, self._current, self.done.source_schema} - {"", *self._brought})

    def _is_wanted(self, name: Name) -> bool:
        """Tell whether a name lies in the one schema that is taken.

        Raises:
            CheckFailed: it is the second schema of the dump, and nobody said which to take.
        """
        schema = name.schema or self._current or self._schema
        if schema == self._schema:
            return True
        if self._take:
            self.done.source_schema = self._take
            return schema == self._take
        if self.done.source_schema not in ("", schema):
            raise CheckFailed(
                f"The dump brings several schemas ({self.done.source_schema}, {schema}).",
                hint=f"Say which one is to become {self._schema}: --take {self.done.source_schema}.",
            )
        self.done.source_schema = schema
        return True

    def _leave(self, what: str) -> bytes | None:
        """Count what is left out, and give the nothing that is written instead."""
        self.done.left_out[what] = self.done.left_out.get(what, 0) + 1
        return None
