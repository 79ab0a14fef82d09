"""A dump or SQL file as a load: run statement by statement over one connection to the clone.

No client program reads it, so that no command of a client (`system`, `source`, `connect`) can be in it. A statement
that changes a table's definition is timed, and the server is asked the cheapest way first: what it takes is the way it
goes by itself (MySQL manual, "Online DDL Operations").
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass

from runbook_lib.aws import AwsSession
from runbook_lib.checks import Check, bad, ok, unknown
from runbook_lib.errors import RunbookError
from runbook_lib.guard.try_load.loads import Outcome, Source, Step, Target
from runbook_lib.mysql import Database, connect
from runbook_lib.schemas.dump.lexer import Delimiter, End, Gap, Noise, Piece, Rows, Statement, pieces
from runbook_lib.schemas.dump.source import DumpSource, open_dump
from runbook_lib.schemas.dump.tokens import Token, tokens

_CHANGES = re.compile(
    r"\s*(?:ALTER\s+(?:ONLINE\s+|IGNORE\s+)*TABLE|CREATE\s+(?:UNIQUE\s+|FULLTEXT\s+|SPATIAL\s+)?INDEX|DROP\s+INDEX)\b",
    re.IGNORECASE,
)
_OWN_WAY = re.compile(
    r"\b(?:ALGORITHM|LOCK)\s*=?\s*(?:DEFAULT|INSTANT|NOCOPY|INPLACE|COPY|NONE|SHARED|EXCLUSIVE)\b", re.I
)
_WAYS = (
    ("ALGORITHM=INSTANT", "INSTANT", "nothing; only the definition is written"),
    ("ALGORITHM=INPLACE, LOCK=NONE", "INPLACE", "nothing: reads and writes went on, but for a moment at both ends"),
    ("ALGORITHM=INPLACE, LOCK=SHARED", "INPLACE", "writes waited all the while, reads went on"),
    ("ALGORITHM=COPY, LOCK=SHARED", "copy of the whole table", "writes waited all the while, reads went on"),
)
_PLAIN = ("as the server chose", "not known: the server names neither way nor lock for this statement")
# Refused because of the way or the lock that was asked for, or because no way can be asked for in this statement.
_NOT_THIS_WAY = {1845, 1846, 1800, 1801, 1064, 1221, 4108, 1907, 3885, 4092}
_STEPS = 200
_MAY = frozenset({
    "ALTER", "ANALYZE", "BEGIN", "CALL", "CHECK", "CHECKSUM", "COMMIT", "CREATE", "DEALLOCATE", "DELETE", "DESC",
    "DESCRIBE", "DO", "DROP", "EXECUTE", "EXPLAIN", "FLUSH", "GRANT", "INSERT", "LOAD", "LOCK", "OPTIMIZE", "PREPARE",
    "RELEASE", "RENAME", "REPAIR", "REPLACE", "REVOKE", "ROLLBACK", "SAVEPOINT", "SELECT", "SET", "SHOW", "START",
    "TABLE", "TRUNCATE", "UNLOCK", "UPDATE", "USE", "VALUES", "WITH", "(",
})  # fmt: skip
"""How a statement may begin that stays within its server."""
_OUTSIDE = {
    "OUTFILE": "writes a file", "DUMPFILE": "writes a file", "SONAME": "loads a library into the server",
    "FEDERATED": "makes a table that lies on another server", "CONNECT": "makes a table that lies on another server",
    "SERVER": "names another server", "REPLICA": "joins another server", "SLAVE": "joins another server",
    "LAMBDA_SYNC": "calls a Lambda function", "LAMBDA_ASYNC": "calls a Lambda function",
}  # fmt: skip
_OUTSIDE_CALLS = ("RDS_SET_EXTERNAL", "RDS_START_REPLICATION", "LAMBDA_")


@dataclass(frozen=True, kw_only=True)
class SqlFile:
    """A dump or SQL file, local or `s3://`, plain or packed. `schema` is what names without one mean."""

    place: str
    schema: str
    sha256: str
    statements: int
    bytes_read: int
    findings: tuple[str, ...]
    cut_short: str = ""

    @property
    def words(self) -> str:
        """Say what it is."""
        into = f", into `{self.schema}` where it names no schema" if self.schema else ""
        return f"{self.place}: {self.statements:,} statements, {self.bytes_read:,} bytes{into}"

    @property
    def identity(self) -> tuple[str, ...]:
        """Return what makes it this load: its content, not its name."""
        return ("sql", self.sha256, self.schema)

    def checks(self, _: Source, /) -> Iterable[Check]:
        """Look for statements that reach beyond the server they are run on."""
        if self.cut_short:
            yield unknown("the file", f"{self.place} could not be read to its end: {self.cut_short}")
        if self.findings:
            more = f" and {len(self.findings) - 5} more" if len(self.findings) > 5 else ""
            yield bad(
                "reach",
                f"It reaches beyond the server it runs on: {'; '.join(self.findings[:5])}{more}.",
                "Take these statements out; a clone must not act on anything outside.",
            )
        else:
            yield ok("reach", "Every statement stays within the server that it is run on, and that is the clone.")

    def run(self, target: Target) -> Outcome:
        """Run every statement, and stop at the first that the server refuses."""
        began, counts, steps, error = time.monotonic(), Counter[str](), list[Step](), ""
        with (
            _opened(target.session, self.place) as dump,
            connect(target.cluster.endpoint, target.account, schema=self.schema) as database,
        ):
            for number, text in enumerate(_statements(dump), 1):
                verb = _verb(text)
                try:
                    step = _run(database, text)
                except RunbookError as refused:
                    error = f"statement {number} ({_shown(text)}): {refused.message}"
                    break
                counts[verb] += 1
                if step and len(steps) < _STEPS:
                    steps.append(step)
        return Outcome(
            seconds=time.monotonic() - began, error=error, steps=tuple(steps), counts=tuple(counts.most_common())
        )


def read_sql_file(session: AwsSession, place: str, *, schema: str) -> SqlFile:
    """Read a file to its end, without running anything.

    Raises:
        InputRefused, NotFound, AccessDenied: it cannot be read, or is no SQL.
    """
    content, findings, count = hashlib.sha256(), list[str](), 0
    with _opened(session, place) as dump:

        def hashed() -> Iterator[bytes]:
            for block in dump.blocks():
                content.update(block)
                yield block

        for piece in pieces(hashed()):
            if isinstance(piece, Noise):
                findings.append(f"{_shown(piece.data)} is no SQL")
            elif isinstance(piece, Statement):
                count += 1
                if why := _reaches(piece):
                    findings.append(f"{_shown(piece.text)} {why}")
        return SqlFile(
            place=place,
            schema=schema,
            sha256=content.hexdigest(),
            statements=count,
            bytes_read=dump.bytes_read,
            findings=tuple(findings),
            cut_short=dump.cut_short,
        )


def _opened(session: AwsSession, place: str) -> AbstractContextManager[DumpSource]:
    return open_dump(place, session=session)


def _reaches(piece: Statement) -> str:
    """Say how a statement reaches beyond its server; empty where it does not."""
    words = [token for token in tokens(piece.text, piece.syntax) if token.kind not in ("open", "close", "comment")]
    if not words:
        return ""
    if words[0].kind not in ("word", "sign") or words[0].value.upper() not in _MAY:
        return "is of no kind that is known to stay within its server"
    for place, token in enumerate(words):
        word = token.value.upper()
        if token.kind == "word" and word in _OUTSIDE and _is_meant(words, place):
            return _OUTSIDE[word]
        if token.kind in ("word", "name") and word.startswith(_OUTSIDE_CALLS) and words[place + 1 : place + 2]:
            return "acts on another server or service"
    return ""


def _is_meant(words: list[Token], place: int) -> bool:
    """Tell whether a word that reaches outside stands where it does: an engine, or what is made, started or changed."""
    word, before = words[place].value.upper(), [token.value.upper() for token in words[max(0, place - 3) : place]]
    if word in ("FEDERATED", "CONNECT"):
        return "ENGINE" in before
    if word in ("SERVER", "REPLICA", "SLAVE"):
        return bool(before) and before[-1] in ("CREATE", "ALTER", "START", "ALL", "REPLACE")
    return True


def _statements(dump: DumpSource) -> Iterator[bytes]:
    """Put the statements of a file together, as the client would send them."""
    begun: list[bytes] = []
    piece: Piece
    for piece in pieces(dump.blocks()):
        if isinstance(piece, Gap | Delimiter | Noise):
            continue
        if isinstance(piece, Statement):
            if piece.streamed:
                begun = [piece.text]
            else:
                yield piece.text
        elif isinstance(piece, Rows):
            begun.append(bytes(piece.data))
        elif isinstance(piece, End):
            yield b"".join(begun)
            begun = []


def _run(database: Database, text: bytes) -> Step | None:
    """Run one statement; return a step where it changes a definition."""
    statement = text.decode("utf-8", "surrogateescape")  # pymysql sends the same bytes
    changes = _CHANGES.match(statement)
    if not changes:
        database.execute(statement)
        return None
    began = time.monotonic()
    how, locked = _PLAIN
    if _OWN_WAY.search(statement):
        how, locked = "as the statement says", "as the statement says"
        database.execute(statement)
    else:
        between = ", " if changes[0].split()[0].upper() == "ALTER" else " "
        for clause, name, waited in _WAYS:
            began = time.monotonic()
            try:
                database.execute(f"{statement}{between}{clause if between == ', ' else clause.replace(',', '')}")
            except RunbookError as error:
                if error.facts.get("code") not in _NOT_THIS_WAY:
                    raise
            else:
                how, locked = name, waited
                break
        else:
            began = time.monotonic()
            database.execute(statement)
    return Step(statement=_shown(text), seconds=time.monotonic() - began, how=how, locked=locked)


def _verb(text: bytes) -> str:
    found = re.match(rb"\s*(?:/\*.*?\*/\s*)*([A-Za-z]+)", text, re.DOTALL)
    return found[1].decode().upper() if found else "other"


def _shown(text: bytes) -> str:
    said = " ".join(text[:400].decode("utf-8", "replace").split())
    return said if len(said) <= 120 else f"{said[:117]}…"
