"""A Python program as a tree, with what those who judge it ask again and again. It is never run."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from runbook_lib.errors import InputRefused
from runbook_lib.guard.sql import Level, Reader
from runbook_lib.guard.values import Names, chain, name_of
from runbook_lib.guard.words import HOLE

_URL = re.compile(r"(?:mysql|mariadb|aurora)[\w+:-]*://[^/\s\"']+/([\w$-]+)", re.IGNORECASE)
_CONNECTING = ("connect", "create_engine", "Connection", "MySQLConnection", "create_pool", "URL", "create")


@dataclass(frozen=True, kw_only=True)
class JobFinding:
    """One place of a job that could destroy live data, or of which that is not known. `line` counts from 1."""

    level: Level
    line: int
    text: str
    why: str


class Program:
    """A program, what its names can be, and the schema that names without one mean ("" where that is not known)."""

    def __init__(self, source: str, *, name: str, live: frozenset[str], schema: str) -> None:
        """Take a program's text apart.

        Raises:
            InputRefused: it is not Python.
        """
        try:
            self.tree = ast.parse(source)
        except (SyntaxError, ValueError, RecursionError) as error:
            line = getattr(error, "lineno", None)
            raise InputRefused(
                f"{name} is not Python that can be read{f' (line {line})' if line else ''}.",
                hint="Give the job as it is run; a template has to be filled in first.",
            ) from error
        self.live, self._lines = live, source.splitlines()
        self.names = Names.of(self.tree)
        self.parents = {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}
        self.schema = schema or self._connected()

    def _connected(self) -> str:
        """Return the schema that the program's own connections name, if they all name one and the same."""
        found: set[str] = set()
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found |= set(_URL.findall(node.value))
            elif isinstance(node, ast.Call) and name_of(node.func) in _CONNECTING:
                named = [word.value for word in node.keywords if word.arg in ("database", "db", "dbname")]
                found |= {self.names.text(value) or HOLE for value in named}
        return found.pop() if len(found) == 1 and HOLE not in found else ""

    def at(self, node: ast.AST, level: Level, why: str, text: str = "") -> JobFinding:
        """Return what was found at a node; `text` is the statement, else the program's own line."""
        line = getattr(node, "lineno", 1)
        shown = text or (self._lines[line - 1].strip() if line <= len(self._lines) else "")
        return JobFinding(level=level, line=line, text=shown if len(shown) <= 160 else shown[:157] + "…", why=why)

    def argument(self, node: ast.Call, name: str, place: int = 99) -> ast.expr | None:
        """Return an argument of a call by its name, or by its place."""
        for word in node.keywords:
            if word.arg == name:
                return word.value
            if word.arg is None and (found := self._of_mapping(word.value, name)) is not None:
                return found
        return node.args[place] if place < len(node.args) else None

    def _of_mapping(self, node: ast.expr, name: str) -> ast.expr | None:
        """Return what a mapping that is handed over as `**options` holds under a name, as far as it is written here."""
        for value in self.names.values(node.id) if isinstance(node, ast.Name) else [node]:
            if isinstance(value, ast.Dict):
                for key, found in zip(value.keys, value.values, strict=True):
                    if key is not None and self.names.text(key) == name:
                        return found
            elif isinstance(value, ast.Call) and name_of(value.func) == "dict":
                for word in value.keywords:
                    if word.arg == name:
                        return word.value
        return None

    def meant(self, node: ast.Call, depth: int = 0) -> list[ast.Call]:
        """Return the calls that a call can be: through a name for a method, getattr() or functools.partial()."""
        func = node.func
        held = self.names.values(func.id) if isinstance(func, ast.Name) else [func]
        found: list[ast.Call] = []
        for value in held if depth < 4 else ():
            args, keywords, inner = node.args, node.keywords, value
            if isinstance(value, ast.Call) and name_of(value.func) == "partial" and value.args:
                inner, args, keywords = value.args[0], [*value.args[1:], *args], [*value.keywords, *keywords]
            elif isinstance(value, ast.Call) and name_of(value.func) == "getattr" and len(value.args) > 1:
                inner = ast.Attribute(value=value.args[0], attr=self.names.text(value.args[1]) or HOLE)
            elif not isinstance(func, ast.Name) or not isinstance(value, ast.Attribute):
                found.append(node)  # what else the name may be is judged by its own words
                continue
            assert inner is not None
            call = ast.copy_location(ast.Call(func=inner, args=args, keywords=keywords), node)
            self.parents[call] = self.parents[node]
            found += self.meant(call, depth + 1)
        return list(dict.fromkeys(found)) or [node]

    def beside(self, node: ast.expr) -> list[ast.Call]:
        """Return the calls of a chain, and those that are made elsewhere on the names that it goes through."""
        names = {part.id for part in self.parts(node) if isinstance(part, ast.Name) and part.id in self.names.bound}
        found = self.calls(node)
        others = (each for each in ast.walk(self.tree) if isinstance(each, ast.Call) and each not in found)
        return found + [
            each
            for each in others
            if isinstance(each.func, ast.Attribute)
            and isinstance(each.func.value, ast.Name)
            and each.func.value.id in names
        ]

    def parts(self, node: ast.expr) -> list[ast.expr]:
        """Return a chain of calls and attributes, through the names that hold its beginning."""
        found = [*chain(node)]
        for _ in range(8):
            last = found[-1]
            values = self.names.values(last.id) if isinstance(last, ast.Name) else []
            more = [part for value in values if value is not None for part in chain(value)]
            if not more or len(found) > 200:
                break
            found += more
        return found

    def calls(self, node: ast.expr) -> list[ast.Call]:
        """Return the calls of a chain."""
        return [part for part in self.parts(node) if isinstance(part, ast.Call)]

    def passes(self, node: ast.expr, *names: str) -> bool:
        """Tell whether a chain goes through an attribute or name of these."""
        return any(name_of(part.func if isinstance(part, ast.Call) else part) in names for part in self.parts(node))

    def is_true(self, node: ast.expr | None) -> bool:
        """Tell whether an argument is true, or not known."""
        return node is not None and any(text.casefold() in ("true", "1", HOLE) for text in self.names.texts(node))

    def statements(self, node: ast.AST, text: str, *, listed: bool) -> Iterator[JobFinding]:
        """Judge a text of SQL; `listed` names what is unknown in it too."""
        for finding in Reader(live=self.live, schema=self.schema).read(text.encode("utf-8", "surrogateescape")):
            if finding.level == "destroys" or listed:
                yield self.at(node, finding.level, finding.why, finding.text)

    def table(
        self, node: ast.AST, table: ast.expr | None, schema: ast.expr | None = None, *, what: str
    ) -> Iterator[JobFinding]:
        """Judge what happens to the table that an argument names: `what` says it ("drops {name}")."""
        none = isinstance(schema, ast.Constant) and schema.value is None
        reader = Reader(live=self.live, schema=self.schema)
        for name in self.names.texts(table):
            for where in self.names.texts(schema) if schema is not None and not none else ("",):
                said = name.replace("`", "").split(".")[-2:]
                for level, why in reader.of_name([where, *said] if where else said, what=what):
                    yield self.at(node, level, why)
