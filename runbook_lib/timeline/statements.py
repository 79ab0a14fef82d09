"""What a logged statement takes away, brings back or changes: read from its words.

Every statement is one of three: its effects are known, it is of a kind that touches no data, or it is "not understood",
which is said and never taken for the second.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from runbook_lib.inventory import SYSTEM_SCHEMAS, TableName
from runbook_lib.mysql.lexer import Dialect, Token, tokens

NOT_UNDERSTOOD = "not understood"
_END = Token("mark", "")
_MOST_SHOWN = 500
_MOST_AFTER_ROWS = 4_000  # characters of an INSERT in which it is looked for what changes rows
_OVER = re.compile(r"\bON\s+DUPLICATE\s+KEY\s+UPDATE\b", re.IGNORECASE)
_MOST_COUNTED = 100_000  # characters of an INSERT whose rows are counted
_OBJECTS = ("VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "SEQUENCE", "PACKAGE")
_HARMLESS = frozenset({
    "BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT", "RELEASE", "START", "XA", "SET", "GRANT", "REVOKE", "ANALYZE",
    "OPTIMIZE", "REPAIR", "CHECK", "CHECKSUM", "FLUSH", "INSTALL", "UNINSTALL", "RESET", "USE", "LOCK", "UNLOCK",
    "PURGE", "CACHE", "KILL", "BINLOG", "HANDLER", "PREPARE", "EXECUTE", "DEALLOCATE", "SHOW", "BACKUP",
})  # fmt: skip
# what else can be made, altered or dropped, and holds no data
_OF_NO_DATA = frozenset({
    "USER", "ROLE", "INDEX", "UNIQUE", "FULLTEXT", "SPATIAL", "SERVER", "TABLESPACE", "UNDO", "LOGFILE", "RESOURCE",
    "INSTANCE", "LIBRARY", "AGGREGATE", "DEFAULT", "CATALOG",
})  # fmt: skip
_MODIFIERS = ("LOW_PRIORITY", "DELAYED", "HIGH_PRIORITY", "IGNORE", "QUICK", "HISTORY", "CONCURRENT", "LOCAL")
_NO_ALIAS = (
    "SET", "WHERE", "JOIN", "INNER", "LEFT", "RIGHT", "CROSS", "NATURAL", "STRAIGHT_JOIN", "ON", "USING", "ORDER",
    "LIMIT", "USE", "FORCE", "IGNORE", "PARTITION", "RETURNING", "FOR", "FROM", "OUTER",
)  # fmt: skip
_KEEPS_NOTHING = ("BLACKHOLE", "EXAMPLE")  # engines
_NOT_A_COLUMN = ("PRIMARY", "INDEX", "KEY", "FOREIGN", "CONSTRAINT", "CHECK", "PERIOD", "PARTITION", "SYSTEM")


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a statement does to a table (or to a schema: then the name is empty, or to a view or routine).

    `verb` is the kind of a `Destruction`, or "made", "filled", "added" (columns), "renamed" or "exchanged" (a
    partition, with `other`), "retyped" (columns), or "not understood". `detail` is for people; `columns` are those
    added, dropped or set. Of a DELETE or UPDATE, `whole` tells that nothing limits it and `like` is the statement
    without its values, as it is of a "filled" that may change rows; of "filled", `rows` is their number where the text
    tells it; of "made", `if_missing` that it may be there.
    """

    verb: str
    table: TableName
    kind: str = "TABLE"
    other: TableName | None = None
    detail: str = ""
    columns: tuple[str, ...] = ()
    rows: int | None = None
    whole: bool = False
    like: str = ""
    if_missing: bool = False


def effects(sql: str, *, schema: str, dialect: Dialect = Dialect()) -> tuple[Effect, ...]:  # noqa: B008  # frozen
    """Return what a statement takes away or brings back, in its order; nothing for one that touches no data."""
    found = _Statement(sql, schema, dialect).effects()
    return tuple(effect for effect in found if effect.table.schema.lower() not in SYSTEM_SCHEMAS)


class _Statement:
    """The words of one statement, and how far they are read."""

    def __init__(self, sql: str, schema: str, dialect: Dialect) -> None:
        self._schema = schema
        self._sql = sql
        self._dialect = dialect
        self._words = _Ahead(tokens(sql, dialect))

    def effects(self) -> list[Effect]:
        words = self._words
        if words.skip("SET", "STATEMENT"):  # MariaDB: SET STATEMENT name = value FOR …
            words.until("FOR")
            words.next()
        verb = words.next().text.upper() if words.peek().kind == "word" else words.peek().text
        if verb == "WITH":
            words.until("DELETE", "UPDATE", "INSERT", "REPLACE")
            verb = words.next().text.upper()
        read = {
            "DROP": self._drop, "TRUNCATE": self._truncate, "ALTER": self._alter, "DELETE": self._delete,
            "UPDATE": self._update, "CREATE": self._create, "RENAME": self._rename, "INSERT": self._insert,
            "REPLACE": self._replace, "LOAD": self._load,
        }.get(verb)  # fmt: skip
        if read is not None:
            return list(read())
        if verb in _HARMLESS or not verb:
            return []
        return [self._not_understood(verb)]

    def _not_understood(self, what: str) -> Effect:
        return Effect(verb=NOT_UNDERSTOOD, table=TableName(schema=self._schema, name=""), detail=what)

    def _drop(self) -> Iterator[Effect]:
        words = self._words
        if words.skip("TEMPORARY"):
            return
        kind = words.next().text.upper()
        if kind in ("DATABASE", "SCHEMA"):
            words.skip("IF", "EXISTS")
            yield Effect(verb="DROP DATABASE", table=TableName(schema=words.next().text, name=""), kind="SCHEMA")
        elif kind in ("TABLE", "TABLES"):
            for table in self._names():
                yield Effect(verb="DROP TABLE", table=table)
        elif kind in _OBJECTS:
            words.skip("BODY")
            for table in self._names():
                yield Effect(verb=f"DROP {kind}", table=table, kind=kind)
        elif kind not in _OF_NO_DATA:
            yield self._not_understood(f"DROP {kind}")

    def _truncate(self) -> Iterator[Effect]:
        self._words.skip("TABLE")
        yield Effect(verb="TRUNCATE", table=self._name())

    def _rename(self) -> Iterator[Effect]:
        if not (self._words.skip("TABLE") or self._words.skip("TABLES")):
            return  # RENAME USER
        self._words.skip("IF", "EXISTS")
        while True:
            old = self._name()
            self._words.until("TO")
            self._words.next()
            yield Effect(verb="renamed", table=old, other=self._name())
            if not self._words.skip(","):
                return

    def _create(self) -> Iterator[Effect]:
        words = self._words
        replaced = words.skip("OR", "REPLACE")
        if words.skip("TEMPORARY"):
            return
        while words.peek().is_word("DEFINER", "ALGORITHM", "SQL", "AGGREGATE", "UNIQUE", "FULLTEXT", "SPATIAL"):
            words.until("VIEW", "TRIGGER", "PROCEDURE", "FUNCTION", "EVENT", "PACKAGE", "INDEX")
        kind = words.next().text.upper()
        words.skip("BODY")
        absent = words.skip("IF", "NOT", "EXISTS")
        if kind in ("DATABASE", "SCHEMA"):
            table = TableName(schema=words.next().text, name="")
            yield Effect(verb="made", table=table, kind="SCHEMA", if_missing=absent)
        elif kind == "TABLE":
            table = self._name()
            if replaced:
                yield Effect(verb="DROP TABLE", table=table, detail="CREATE OR REPLACE TABLE")
            yield Effect(verb="made", table=table, if_missing=absent)
            if any(word.is_word("SELECT") for word in words.at_depth(0, 1)):
                yield Effect(verb="filled", table=table)
        elif kind in _OBJECTS:
            yield Effect(verb="made", table=self._name(), kind=kind, if_missing=absent)
        elif kind not in _OF_NO_DATA:
            yield self._not_understood(f"CREATE {kind}")

    def _alter(self) -> Iterator[Effect]:
        words = self._words
        while words.skip("ONLINE") or words.skip("IGNORE"):
            pass
        if not words.skip("TABLE"):
            kind = words.peek().text.upper()
            if kind not in {*_OF_NO_DATA, *_OBJECTS, "DATABASE", "SCHEMA", "DEFINER", "ALGORITHM", "SQL"}:
                yield self._not_understood(f"ALTER {kind}")
            return
        words.skip("IF", "EXISTS")
        table = self._name()
        if words.skip("WAIT"):
            words.next()
        words.skip("NOWAIT")
        columns: list[str] = []
        others = [effect for part in words.parts() for effect in self._altered(table, _Ahead(iter(part)), columns)]
        if columns:  # first: one that is made again in the same statement is another, and empty
            yield Effect(verb="DROP COLUMN", table=table, columns=tuple(columns), detail=", ".join(columns))
        yield from others

    def _altered(self, table: TableName, part: _Ahead, columns: list[str]) -> Iterator[Effect]:
        """Read one change of an ALTER TABLE; dropped columns are gathered."""
        verb = part.next()
        of_partition = part.peek().is_word("PARTITION")
        detail = f"{verb.text.upper()} PARTITION {part.peek(1).text}"
        if verb.is_word("RENAME") and not part.peek().is_word("COLUMN", "INDEX", "KEY", "CONSTRAINT"):
            _ = part.skip("TO") or part.skip("AS") or part.skip("=")
            yield Effect(verb="renamed", table=table, other=self._named(part))
        elif of_partition and verb.is_word("DROP", "TRUNCATE", "EXCHANGE", "CONVERT"):
            yield Effect(verb="DROP PARTITION", table=table, detail=detail)
            part.until("TABLE")
            if part.skip("TABLE"):
                other = self._named(part)
                if verb.is_word("EXCHANGE"):
                    yield Effect(verb="exchanged", table=table, other=other)
                else:
                    yield from (Effect(verb="made", table=other), Effect(verb="filled", table=other))
        elif verb.is_word("CONVERT") and part.skip("TABLE"):
            yield Effect(verb="DROP TABLE", table=self._named(part), detail=f"made a partition of {table}")
        elif verb.is_word("DISCARD"):
            yield Effect(verb="DISCARD TABLESPACE", table=table)
        elif verb.is_word("DROP") and part.skip("SYSTEM", "VERSIONING"):
            yield Effect(verb="DROP SYSTEM VERSIONING", table=table, detail="the history of its rows")
        elif verb.is_word("DROP") and not part.peek().is_word(*_NOT_A_COLUMN):
            part.skip("COLUMN")
            part.skip("IF", "EXISTS")
            columns.append(part.next().text)
        elif verb.is_word("ADD") and not part.peek().is_word(*_NOT_A_COLUMN, "UNIQUE", "FULLTEXT", "SPATIAL"):
            part.skip("COLUMN")
            part.skip("IF", "NOT", "EXISTS")
            yield Effect(verb="added", table=table, columns=(part.next().text,))
        elif verb.is_word("MODIFY", "CHANGE") or (verb.is_word("CONVERT") and part.skip("TO")):
            yield Effect(verb="retyped", table=table)
        else:
            if not verb.is_word("ENGINE"):
                part.until("ENGINE")
                part.skip("ENGINE")
            part.skip("=")
            if (engine := part.peek().text.upper()) in _KEEPS_NOTHING:
                yield Effect(verb="TRUNCATE", table=table, detail=f"ENGINE={engine}")

    def _replace(self) -> Iterator[Effect]:
        yield from (replace(effect, like=self._like(), rows=None) for effect in self._insert())

    def _insert(self) -> Iterator[Effect]:
        while self._words.skip_any(*_MODIFIERS):
            pass
        self._words.skip("INTO")
        table = self._name()
        over = bool(_OVER.search(self._sql[-_MOST_AFTER_ROWS:]))  # it changes rows that are there
        rows = None if over else self._counted()
        yield Effect(verb="filled", table=table, rows=rows, like=self._like() if over else "")

    def _counted(self) -> int | None:
        """Count the rows of VALUES; None for those of a SELECT, or of a text that is too long to be counted."""
        if len(self._sql) > _MOST_COUNTED:
            return None
        self._words.until("VALUES", "VALUE", "SELECT", "SET", "TABLE", "WITH")
        if not self._words.skip_any("VALUES", "VALUE"):
            return 1 if self._words.peek().is_word("SET") else None
        return sum(part[0].text == "(" or part[0].is_word("ROW") for part in self._words.parts() if part)

    def _load(self) -> Iterator[Effect]:
        self._words.until("INTO")
        if self._words.skip("INTO"):
            self._words.skip("TABLE")
            yield Effect(verb="filled", table=self._name())

    def _delete(self) -> Iterator[Effect]:
        words = self._words
        while words.skip_any(*_MODIFIERS):
            pass
        targets: list[TableName] = []
        if not words.skip("FROM"):  # DELETE a, b FROM a JOIN b …
            targets = list(self._names())
            words.until("FROM")
            words.next()
        known = dict(self._references("WHERE", "ORDER", "LIMIT", "USING", "RETURNING"))
        if words.skip("USING"):  # DELETE FROM a, b USING a JOIN b …
            targets = list(known.values())
            known = dict(self._references("WHERE", "ORDER", "LIMIT", "RETURNING"))
        whole = not words.peek().is_word("WHERE", "LIMIT", "ORDER") and len(known) == 1
        named = [known.get(target.name.lower(), target) for target in targets] or list(known.values())
        yield from (Effect(verb="DELETE", table=table, whole=whole, like=self._like()) for table in named)

    def _update(self) -> Iterator[Effect]:
        while self._words.skip_any(*_MODIFIERS):
            pass
        known = dict(self._references("SET"))
        self._words.next()
        end = ("WHERE", "ORDER", "LIMIT", "RETURNING")
        columns: dict[TableName, list[str]] = {}
        for part in self._words.parts(*end):
            names = [word.text for word in part[: next((i for i, w in enumerate(part) if w.text == "="), 0)]]
            owner = known.get(names[-3].lower()) if len(names) >= 3 else None  # table . column
            for table in [owner] if owner else known.values():
                columns.setdefault(table, []).extend(names[-1:])
        whole = not self._words.peek().is_word(*end) and len(known) == 1
        for table, names in columns.items():
            yield Effect(verb="UPDATE", table=table, columns=tuple(names), whole=whole, like=self._like())

    def _like(self) -> str:
        read = tokens(self._sql[:_MOST_SHOWN], self._dialect)
        return " ".join("?" if word.kind in ("text", "number") else word.text for word in read)

    def _references(self, *ends: str) -> Iterator[tuple[str, TableName]]:
        """Yield the tables of a FROM clause or an UPDATE by the names that the statement uses for them."""
        words, wanted = self._words, True
        while words.left and not words.peek().is_word(*ends):
            if wanted and words.peek().text == "(" and not words.peek(1).is_word("SELECT", "WITH", "VALUES", "TABLE"):
                words.next()  # (a, b): the tables stand in brackets
            elif wanted and words.peek().kind in ("word", "name"):
                table = self._name()
                if words.skip("PARTITION"):
                    words.group()
                words.skip("AS")
                alias = words.peek()
                if alias.kind == "name" or (alias.kind == "word" and not alias.is_word(*_NO_ALIAS)):
                    yield words.next().text.lower(), table
                else:
                    yield table.name.lower(), table
                wanted = False
            elif words.peek().text == "(":
                words.group()
            else:
                wanted = words.next().text.upper() in (",", "JOIN", "STRAIGHT_JOIN")

    def _names(self) -> Iterator[TableName]:
        self._words.skip("IF", "EXISTS")
        while self._words.left:
            yield self._name()
            if not self._words.skip(","):
                return

    def _name(self) -> TableName:
        return self._named(self._words)

    def _named(self, words: _Ahead) -> TableName:
        first = words.next().text
        if words.peek().text == "." and words.peek(1).text != "*":
            words.next()
            return TableName(schema=first, name=words.next().text)
        if words.skip("."):
            words.next()  # DELETE a.* FROM a
        return TableName(schema=self._schema, name=first)


class _Ahead:
    """Words that can be looked at before they are taken. Brackets are followed, so that a part ends where it ends."""

    def __init__(self, words: Iterator[Token]) -> None:
        self._words = words
        self._seen: list[Token] = []

    @property
    def left(self) -> bool:
        return self.peek() is not _END

    def peek(self, further: int = 0) -> Token:
        while len(self._seen) <= further:
            found = next(self._words, None)
            if found is None or found.text == ";":
                return _END
            self._seen.append(found)
        return self._seen[further]

    def next(self) -> Token:
        found = self.peek()
        if found is not _END:
            self._seen.pop(0)
        return found

    def skip(self, *words: str) -> bool:
        """Take these words if they come next, all of them."""
        for place, word in enumerate(words):
            token = self.peek(place)
            if token.kind in ("name", "text") or token.text.upper() != word:
                return False
        del self._seen[: len(words)]
        return True

    def skip_any(self, *words: str) -> bool:
        return any(self.skip(word) for word in words)

    def group(self) -> None:
        """Take what stands in brackets, with them."""
        depth = 0
        while self.left:
            depth += {"(": 1, ")": -1}.get(self.next().text, 0)
            if depth <= 0:
                return

    def until(self, *words: str) -> None:
        """Take everything up to one of these words that stands in no brackets."""
        while self.left and not self.peek().is_word(*words):
            self.group() if self.peek().text == "(" else self.next()

    def at_depth(self, *depths: int) -> Iterator[Token]:
        """Take all that is left, and yield what stands in so many brackets."""
        depth = 0
        while self.left:
            word = self.next()
            depth += {"(": 1, ")": -1}.get(word.text, 0) if word.kind == "mark" else 0
            if depth in depths:
                yield word

    def parts(self, *ends: str) -> Iterator[Sequence[Token]]:
        """Take what is left, up to one of these words, and yield it by the commas that stand in no brackets."""
        part: list[Token] = []
        depth = 0
        while self.left and (depth or not self.peek().is_word(*ends)):
            word = self.next()
            if word.kind == "mark":
                depth += {"(": 1, ")": -1}.get(word.text, 0)
            if word == Token("mark", ",") and not depth:
                yield part
                part = []
            else:
                part.append(word)
        yield part
