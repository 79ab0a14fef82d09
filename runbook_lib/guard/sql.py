"""Which statements of a text of SQL could destroy live data. Pure functions of the text.

What is harmless is listed: a statement that is not on the list, and a name that only the running job knows, is
*unknown*, never fine. MySQL's, MariaDB's and Spark's statements are read. A name without a schema means the schema that
USE or the caller named; where nobody named one it may mean the live one, and counts as that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from runbook_lib.guard.words import HOLE, MARKS, depth, dotted, is_bounded, past, skip, statements, upper, word
from runbook_lib.schemas.dump.syntax import Syntax
from runbook_lib.schemas.dump.tokens import Token, tokens

Level = Literal["destroys", "unknown"]

_HARMLESS = frozenset({
    "SELECT", "SHOW", "DESC", "DESCRIBE", "EXPLAIN", "HELP", "VALUES", "TABLE", "USE", "BEGIN", "START", "COMMIT",
    "ROLLBACK", "SAVEPOINT", "RELEASE", "XA", "LOCK", "UNLOCK", "CHECK", "CHECKSUM", "OPTIMIZE", "FLUSH", "GRANT",
    "DO", "DECLARE", "RETURN", "LEAVE", "ITERATE", "OPEN", "FETCH", "CLOSE", "SIGNAL", "RESIGNAL", "GET", "END", "IF",
    "ELSE", "ELSEIF", "WHILE", "LOOP", "REPEAT", "UNTIL", "CASE", "DEALLOCATE", "EXECUTE", "COMMENT", "REFRESH",
    "CACHE", "UNCACHE", "DELIMITER", "NOT", "EXISTS", "HANDLER", "THEN", "CONTINUE",
})  # fmt: skip
_MODIFIERS = frozenset(
    ["LOW_PRIORITY", "HIGH_PRIORITY", "DELAYED", "QUICK", "IGNORE", "ONLINE", "OFFLINE", "LOCAL", "NO_WRITE_TO_BINLOG"]
)
_STARTS = frozenset(["BEGIN", "THEN", "ELSE", "DO", "LOOP", "REPEAT", "ATOMIC", "ROW"])
_BODIES = frozenset(["PROCEDURE", "FUNCTION", "TRIGGER", "EVENT", "PACKAGE"])
_OBJECTS = frozenset(["TABLE", "TABLES", "VIEW", "TRIGGER", "EVENT", "PROCEDURE", "FUNCTION", "PACKAGE", "SEQUENCE"])
_NO_DATA = frozenset(["PREPARE", "USER", "ROLE", "SERVER", "RESOURCE", "SPATIAL", "UNDO"])
_ENDS = frozenset(["WHERE", "ORDER", "LIMIT", "SET", "USING", "RETURNING", "PARTITION", "ON"])


@dataclass(frozen=True, kw_only=True)
class SqlFinding:
    """One statement that could destroy live data, or of which that is not known. `at` is a byte of the text."""

    level: Level
    at: int
    text: str
    why: str


@dataclass(kw_only=True)
class Reader:
    """Reads texts one after another. `live` are the live schemas, `schema` the one that bare names mean, "" if unknown.

    What USE chose and what `SET @name` holds is kept from one text to the next.
    """

    live: frozenset[str]
    schema: str = ""
    variables: dict[str, str] = field(default_factory=dict)

    def read(self, text: bytes, *, syntax: Syntax | None = None) -> tuple[SqlFinding, ...]:
        """Return what could destroy live data, in its order. `text` holds any number of statements."""
        found: list[SqlFinding] = []
        found_words = tokens(text, syntax or Syntax())
        words = [token for token in found_words if token.kind not in ("open", "close", "comment", "control")]
        for statement in statements(words):
            found += self._statement(statement, text)
        return tuple(found)

    def _statement(self, words: list[Token], text: bytes) -> Iterator[SqlFinding]:
        shown = text[words[0].start : words[-1].end].decode("utf-8", "replace").replace(HOLE, "…")
        excerpt = " ".join(shown.split())
        excerpt = excerpt if len(excerpt) <= 160 else excerpt[:157] + "…"
        for place in _places(words):
            for level, why in self._judge(words[place:]):
                yield SqlFinding(level=level, at=words[place].start, text=excerpt, why=why)

    def _judge(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        verb = word(words, 0)
        judge: Callable[[Reader, list[Token]], Iterator[tuple[Level, str]]] | None = _JUDGES.get(verb)
        if words[0].kind == "word" and judge:
            yield from judge(self, words)
        elif words[0].value == "(" or (words[0].kind == "word" and verb in _HARMLESS):
            if verb == "USE":
                self._use(words)
        else:
            yield "unknown", "this statement is not on the list of those that are understood"

    # ---- names -----------------------------------------------------------------------------------------------------

    def target(self, words: Sequence[Token], place: int, *, what: str) -> Iterator[tuple[Level, str]]:
        """Judge the name at a place: `what` says what happens to it ("drops {name}")."""
        parts, _ = dotted(words, place)
        yield from self.of_name(parts, what=what)

    def of_name(self, parts: Sequence[str], *, what: str) -> Iterator[tuple[Level, str]]:
        """Judge what happens to a table by the parts of its name; no part means that it is not known."""
        name = ".".join(parts).replace(HOLE, "…")
        said = what.format(name=name or "something")
        if not parts or any(part[:1] in MARKS for part in parts):
            yield "unknown", f"{said}, and the name is not known here"
            return
        schema = parts[-2] if len(parts) > 1 else "" if HOLE in parts[0] else self.schema
        if schema and HOLE not in schema:
            if schema.casefold() in self.live:
                yield "destroys", said
        elif HOLE in name.replace("…", HOLE):
            yield "unknown", f"{said}, and the name is not known here"
        else:
            live = ", ".join(sorted(self.live))
            yield "destroys", f"{said}: no schema is named, so it is {live} where the connection is in it"

    def of_schema(self, parts: Sequence[str], *, what: str) -> Iterator[tuple[Level, str]]:
        """Judge what happens to a whole schema."""
        name = parts[0] if parts else ""
        if not name or HOLE in name or name[:1] in MARKS:
            yield "unknown", f"{what} a schema whose name is not known here"
        elif name.casefold() in self.live:
            yield "destroys", f"{what} the schema {name} with everything in it"

    def _use(self, words: list[Token]) -> None:
        parts, _ = dotted(words, skip(words, 1, "DATABASE", "SCHEMA", "CATALOG"))
        self.schema = parts[-1] if parts and HOLE not in parts[-1] and parts[-1][:1] not in MARKS else ""

    # ---- statements ------------------------------------------------------------------------------------------------

    def _drop(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        place = skip(words, 1, "MATERIALIZED", "PUBLIC")
        if word(words, place) in ("TEMPORARY", "TEMP"):
            return
        kind = word(words, place)
        start = skip(words, place + 1, "BODY", "IF", "EXISTS")
        if kind in ("DATABASE", "SCHEMA"):
            yield from self.of_schema(dotted(words, start)[0], what="drops")
        elif kind in _OBJECTS:
            yield from self._each(words, start, what=f"drops the {kind.rstrip('S').lower()} {{name}}")
        elif kind == "INDEX":
            yield from self._after(words, "ON", what="drops an index of {name}")
        elif kind not in _NO_DATA:
            yield "unknown", "drops something that is not understood"

    def _each(self, words: Sequence[Token], place: int, *, what: str) -> Iterator[tuple[Level, str]]:
        while True:
            parts, place = dotted(words, place)
            yield from self.of_name(parts, what=what)
            while place < len(words) and words[place].value != ",":
                place += 1
            place += 1
            if place >= len(words):
                return

    def _after(self, words: Sequence[Token], keyword: str, *, what: str) -> Iterator[tuple[Level, str]]:
        places = [place for place in range(len(words)) if word(words, place) == keyword]
        yield from self.target(words, places[0] + 1 if places else len(words), what=what)

    def _truncate(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        if word(words, 1) == "(":  # the function of numbers
            return
        yield from self._each(words, skip(words, 1, "TABLE"), what="empties {name}")

    def _delete(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        if is_bounded(words):
            return
        yield from self._tables(words, 1, what="deletes every row of {name}: no WHERE holds it")

    def _update(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        if is_bounded(words):
            return
        yield from self._tables(words, 1, what="changes every row of {name}: no WHERE holds it")

    def _tables(self, words: list[Token], place: int, *, what: str) -> Iterator[tuple[Level, str]]:
        """Judge the tables of DELETE and UPDATE: those before FROM are names or aliases of those behind it."""
        top = [p for p in range(place, len(words)) if depth(words, p) == 0]
        froms = [p for p in top if word(words, p) in ("FROM", "USING")]
        begin = (froms[-1] + 1) if froms else past(words, place, _MODIFIERS)
        seen: list[tuple[str, ...]] = []
        for p in [
            begin,
            *(q + 1 for q in top if (q > begin and words[q].value in (",", "JOIN")) or word(words, q) == "JOIN"),
        ]:
            if p < begin or any(word(words, q) in _ENDS - {"ON"} for q in top if begin <= q < p):
                continue
            seen.append(dotted(words, past(words, p, {"LATERAL", "ONLY", "("}))[0])
        results = [found for parts in seen for found in self.of_name(parts, what=what)]
        yield from results if len(results) <= 1 else sorted(results)[:1]

    def _insert(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        place = past(words, 1, _MODIFIERS)
        if word(words, place) == "OVERWRITE":
            if word(words, place + 1) in ("LOCAL", "DIRECTORY"):
                return
            yield from self.target(words, skip(words, place + 1, "INTO", "TABLE"), what="overwrites {name}")
        elif any(
            word(words, p) == "REPLACE" and word(words, p + 1) in ("WHERE", "USING", "ON") for p in range(len(words))
        ):
            yield from self.target(words, skip(words, place, "INTO", "TABLE"), what="overwrites a part of {name}")

    def _replace(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        if word(words, 1) == "(":
            return
        if word(words, 1) == "TABLE":
            yield from self.target(words, 2, what="makes the table {name} anew")
            return
        place = skip(words, past(words, 1, _MODIFIERS), "INTO")
        yield from self.target(words, place, what="replaces rows of {name}: REPLACE deletes the row that has the key")

    def _alter(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        place = past(words, 1, _MODIFIERS)
        kind = word(words, place)
        if kind == "VIEW" or (
            kind in ("ALGORITHM", "DEFINER", "SQL") and any(word(words, p) == "VIEW" for p in range(len(words)))
        ):
            yield from self._after(words, "VIEW", what="makes the view {name} otherwise")
        elif kind == "TABLE":
            place = skip(words, place + 1, "IF", "EXISTS")
            parts, behind = dotted(words, place)
            doubled = any(word(words, p) in ("UNIQUE", "PRIMARY") for p in range(behind, len(words)))
            if any(word(words, p) == "IGNORE" for p in range(1, place)) and doubled:
                yield from self.of_name(parts, what="deletes rows of {name} whose new key comes twice (ALTER IGNORE)")
            for level, what in _alterations(words, behind):
                for of_name, said in self.of_name(parts, what=what):
                    yield ("unknown" if "unknown" in (level, of_name) else "destroys"), said
        elif kind not in ("DATABASE", "SCHEMA", "USER", "ROLE", "INSTANCE", "SERVER", "RESOURCE"):
            yield "unknown", "alters something that is not understood"

    def _rename(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        if word(words, 1) not in ("TABLE", "TABLES"):
            if word(words, 1) != "USER":
                yield "unknown", "renames something that is not understood"
            return
        place = skip(words, 2, "IF", "EXISTS")
        results: list[tuple[Level, str]] = []
        while place < len(words):
            parts, place = dotted(words, place)
            results += self.of_name(parts, what="gives {name} another table or none: it is renamed")
            while place < len(words) and words[place].value != "," and word(words, place) != "TO":
                place += 1
            place += 1
        yield from sorted(set(results))[:1]

    def _create(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        if (word(words, 1), word(words, 2)) != ("OR", "REPLACE"):
            if HOLE in word(words, 1):
                yield "unknown", "makes something that is not known here"
            return
        for place in range(3, min(len(words), 24)):
            if word(words, place) in ("TEMPORARY", "TEMP"):
                return
            if word(words, place) in _OBJECTS and words[place].kind == "word":
                kind = word(words, place).lower()
                start = skip(words, place + 1, "BODY", "IF", "NOT", "EXISTS")
                yield from self.target(words, start, what=f"replaces the {kind} {{name}} that is there")
                return
        if word(words, 3) not in _NO_DATA:
            yield "unknown", "replaces something that is not understood"

    def _load(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        upper = [word(words, place) for place in range(len(words))]
        if "INTO" not in upper:
            yield "unknown", "this statement is not on the list of those that are understood"
        elif "REPLACE" in upper[: upper.index("INTO")] or "OVERWRITE" in upper[: upper.index("INTO")]:
            place = skip(words, upper.index("INTO") + 1, "TABLE")
            yield from self.target(
                words, place, what="replaces rows of {name}: the rows that have the keys are deleted"
            )

    def _merge(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        place = skip(words, 1, "INTO")
        deletes = any(word(words, p) == "DELETE" for p in range(len(words)))
        for level, why in self.target(words, place, what="merges into {name}"):
            yield (
                (level, f"{why} and deletes") if deletes else ("unknown", f"{why}: which rows it changes is not known")
            )

    def _set(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        if word(words, 1) == "STATEMENT":
            for place in range(2, len(words) - 1):
                if word(words, place) == "FOR" and words[place].kind == "word":
                    yield from self._judge(words[place + 1 :])
                    return
        for place, token in enumerate(words):
            if token.kind == "variable" and not token.value.startswith("@@"):
                behind = past(words, place + 1, {":", "="})
                if behind > place + 1:
                    self._assign(token.value, self._text(self._up_to_comma(words, behind), behind))

    def _assign(self, name: str, text: str | None) -> None:
        self.variables.pop(name.upper(), None)
        if text is not None:
            self.variables[name.upper()] = text

    def _up_to_comma(self, words: list[Token], place: int) -> list[Token]:
        """Return the words up to the comma that ends the expression at a place."""
        begun = depth(words, place)
        ends = [p for p in range(place, len(words)) if words[p].value == "," and depth(words, p) == begun]
        return words[: ends[0]] if ends else words

    def _select(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        """Take note of what SELECT puts into a variable; it changes nothing."""
        places = [p for p in range(1, len(words) - 1) if word(words, p) == "INTO" and words[p + 1].kind == "variable"]
        for place in places:
            self._assign(words[place + 1].value, self._text(words[:place], 1))
        yield from ()

    def _prepare(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        behind = 2 if word(words, 1) == "IMMEDIATE" else 3
        text = self._text(words, behind)
        if text is None or HOLE in text:
            yield "unknown", "runs a statement from a text that is not known here"
            return
        for finding in self.read(text.encode("utf-8", "surrogateescape")):
            yield finding.level, f"the prepared statement {finding.why}"

    def _execute(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        if word(words, 1) == "IMMEDIATE":
            yield from self._prepare(words)

    def _text(self, words: Sequence[Token], place: int) -> str | None:
        """Return the text that an expression gives, if it is made of literals and known variables only."""
        rest = [
            token for token in words[place:] if token.value not in ("(", ")", ",", "|") and upper(token) != "CONCAT"
        ]
        parts: list[str] = []
        for token in rest:
            if token.kind == "string":
                parts.append(token.value[1:-1].replace(token.value[0] * 2, token.value[0]))
            elif token.kind == "variable" and token.value.upper() in self.variables:
                parts.append(self.variables[token.value.upper()])
            elif upper(token) not in ("USING", "AS"):
                return None
        return "".join(parts) if parts else None

    def _call(self, _: list[Token]) -> Iterator[tuple[Level, str]]:
        yield "unknown", "calls a routine: what it does is not known here"

    def _with(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        for place in range(1, len(words)):
            if depth(words, place) == 0 and word(words, place) in ("DELETE", "UPDATE", "INSERT", "REPLACE", "MERGE"):
                yield from self._judge(words[place:])
                return

    def _analyze(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        place = 1 if word(words, 1) != "FORMAT" else 4  # MariaDB's ANALYZE runs the statement behind it
        if word(words, place) in ("DELETE", "UPDATE", "INSERT", "REPLACE", "WITH"):
            yield from self._judge(words[place:])

    def _grant(self, words: list[Token]) -> Iterator[tuple[Level, str]]:
        ons = [p for p in range(len(words)) if word(words, p) == "ON" and depth(words, p) == 0]
        given = [upper(token) for token in words[1 : ons[0]]] if ons else []
        if not ons or not set(given) - _READING:
            return
        parts, _ = dotted(words, past(words, ons[0] + 1, {"TABLE"}))
        where = re.escape(parts[0].casefold()) if parts else ".*"
        pattern = where.replace("_", ".").replace("%", ".*").replace("\\\\.", "_")  # as GRANT reads a schema's name
        if any(re.fullmatch(pattern, schema) for schema in self.live):
            yield "unknown", "gives rights by which live data can be destroyed"

    def _client(self, _: list[Token]) -> Iterator[tuple[Level, str]]:
        yield "unknown", "a command of the client: what it runs is not known here"


_JUDGES: dict[str, Callable[[Reader, list[Token]], Iterator[tuple[Level, str]]]] = {
    "DROP": Reader._drop, "TRUNCATE": Reader._truncate, "DELETE": Reader._delete, "UPDATE": Reader._update,
    "INSERT": Reader._insert, "REPLACE": Reader._replace, "ALTER": Reader._alter, "RENAME": Reader._rename,
    "CREATE": Reader._create, "LOAD": Reader._load, "MERGE": Reader._merge, "SET": Reader._set,
    "SELECT": Reader._select, "GRANT": Reader._grant, "PREPARE": Reader._prepare, "EXECUTE": Reader._execute,
    "CALL": Reader._call, "WITH": Reader._with,
    "ANALYZE": Reader._analyze, "EXPLAIN": Reader._analyze, "SOURCE": Reader._client, "SYSTEM": Reader._client,
    "\\": Reader._client,
}  # fmt: skip


def _alterations(words: list[Token], place: int) -> Iterator[tuple[Level, str]]:
    """Return what an ALTER TABLE does behind the table's name that could destroy."""
    top = [p for p in range(place, len(words)) if depth(words, p) == 0]
    for p in top:
        this, behind = word(words, p), word(words, p + 1)
        if words[p].kind != "word":
            if words[p].value in MARKS:
                yield "unknown", "alters {name} in a way that is not known here"
        elif this == "DROP" and behind not in ("DEFAULT", "NOT"):
            yield (
                "destroys",
                f"drops a {behind.lower()} of {{name}}" if behind in _PARTS else "drops a column of {name}",
            )
        elif this == "RENAME" and behind not in ("INDEX", "KEY"):
            yield "destroys", "renames a column of {name}" if behind == "COLUMN" else "renames {name} away"
        elif (this in ("TRUNCATE", "EXCHANGE") and behind == "PARTITION") or this == "DISCARD":
            yield (
                "destroys",
                "takes rows of a partition of {name} away" if this != "DISCARD" else "discards {name}'s rows",
            )
        elif this == "ENGINE" and _LOSING & {behind, word(words, p + 2)}:
            yield "destroys", "gives {name} an engine that keeps no rows, or none after a restart"
        elif this == "IMPORT":
            yield "destroys", "puts another file in the place of {name}'s rows"
        elif this in ("MODIFY", "CHANGE", "REORGANIZE") or (this == "CONVERT" and behind == "TO"):
            yield "unknown", "alters {name}: whether values are cut or lost is not known here"
        elif HOLE in this:
            yield "unknown", "alters {name} in a way that is not known here"


_LOSING = frozenset(["BLACKHOLE", "MEMORY", "HEAP", "EXAMPLE"])
_READING = frozenset([
    "SELECT", "USAGE", "SHOW", "VIEW", "PROCESS", "REPLICATION", "CLIENT", "SLAVE", "MONITOR", "BINLOG", ",", "EXECUTE",
    "(", ")", "DATABASES", "LOCK", "TABLES",
])  # fmt: skip
_PARTS = frozenset(["PARTITION", "INDEX", "KEY", "CONSTRAINT", "FOREIGN", "PRIMARY", "CHECK"])


def _places(words: list[Token]) -> Iterator[int]:
    """Return where a statement may begin within these words: first of all, and within the body of a routine."""
    start = 0
    while start + 1 < len(words) and words[start].can_name and words[start + 1].value == ":":
        start += 2  # a label
    yield start
    makes = word(words, start) == "CREATE" and any(upper(token) in _BODIES for token in words[: start + 40])
    flow = word(words, start) in _STARTS | {"IF", "ELSEIF", "WHILE", "CASE", "DECLARE", "END", "UNTIL", "REPEAT"}
    if not (makes or flow):
        return
    for place in range(start + 1, len(words)):
        if (
            word(words, place) not in _JUDGES
            or words[place].kind != "word"
            or word(words, place) in ("SET", "WITH", "CREATE")
        ):
            continue
        before = word(words, place - 1)
        if before in _STARTS or (makes and (before not in _NOT_BEFORE and words[place - 1].value != ".")):
            yield place


_NOT_BEFORE = frozenset(["BEFORE", "AFTER", "ON", "FOR", "OR", ",", "(", "="])
