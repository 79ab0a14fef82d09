"""Which parts of a Python or PySpark job could destroy live data, read from its syntax tree. The job is never run.

A job is looked at where it hands SQL to somebody, where it writes a table as a whole, and where it runs other programs.
What it hands over without the text being known here is unknown, never fine. Its limit: a function that is reached only
through names built at run time is seen by the texts that go into it, not by its own name.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from runbook_lib.errors import InputRefused
from runbook_lib.guard.program import JobFinding, Program
from runbook_lib.guard.values import chain, name_of
from runbook_lib.guard.words import HOLE
from runbook_lib.guard.writes import is_unheld, writes_of

_RUNNING = frozenset({
    "execute", "executemany", "executescript", "exec_driver_sql", "execute_sql", "execute_statement", "executeQuery",
    "executeUpdate", "executeLargeUpdate", "prepareStatement", "cmd_query", "cmd_query_iter", "callproc", "run_sql",
    "read_sql", "read_sql_query", "sql", "raw", "execute_query", "execute_command", "execute_string", "mogrify",
})  # fmt: skip
"""Methods whose first argument is a statement that is run."""

_STATEMENT_WORDS = (None, "sql", "query", "statement", "stmt", "operation", "QueryString", "Sql", "command", "sqls")
_TALKING = frozenset({
    "print", "debug", "info", "warning", "error", "exception", "critical", "log", "warn", "fail", "add_argument",
    "echo", "secho", "comment",
})  # fmt: skip
_SHELLS = frozenset({
    "system", "popen", "run", "call", "check_call", "check_output", "Popen", "getoutput", "getstatusoutput",
    "create_subprocess_shell", "create_subprocess_exec",
})  # fmt: skip
_SURE_SHELLS = frozenset({"Popen", "check_call", "check_output", "getoutput"})
_DESTROYING = re.compile(
    r"(?<![\w$.])(?:drop|truncate|delete|update|alter|rename|replace|insert\s+overwrite|create\s+or\s+replace|merge|call|"
    r"prepare|load\s+data|with|execute\s+immediate|set\s+statement|begin|/\*)", re.IGNORECASE,
)  # fmt: skip
_STATEMENT = re.compile(
    r"(?:drop\s+(?:table|view|database|schema)\s+(?:if\s+exists\s+)?[\w.`$]+|truncate\s+(?:table\s+)?[\w.`$]+"
    r"|delete\s+from\s+[\w.`$]+)\s*;?", re.IGNORECASE,
)  # fmt: skip
_UNNAMED = re.compile(
    rf"(?:(?:drop|truncate|alter|rename)\s+(?:table|view|database|schema)\s|delete\s+from\s)[^;]*{HOLE}", re.IGNORECASE
)
"""A statement whose table only the running job knows: it is unknown wherever it is handed to."""

_ADMIN = re.compile(r"\bmysqladmin\b.*?\bdrop\s+[\"'`]?([\w$]+)", re.IGNORECASE | re.DOTALL)
_BEFORE = re.compile(r"\A(?:\s|--[^\n]*\n|#[^\n]*\n|/\*(?!!|M!).*?\*/|\()*", re.DOTALL)
_DATABASE_PROGRAMS = re.compile(
    r"\b(?:mysql|mariadb|mysqlsh|mysqladmin|myloader|mydumper|dbt|sqoop|pt-[a-z-]+|flyway|liquibase|alembic|gh-ost"
    r"|spark-submit)\b"
)


def read_job(source: str, *, name: str, live: frozenset[str], schema: str = "") -> tuple[JobFinding, ...]:
    """Return what a Python program could destroy, by line. `schema` is what names without one mean, "" if unknown.

    Raises:
        InputRefused: it is not Python.
    """
    program = Program(source, name=name, live=live, schema=schema)
    found = sorted(dict.fromkeys(_findings(program)), key=lambda finding: (finding.line, finding.level))
    known = {finding.line for finding in found if finding.level == "destroys"}
    return tuple(finding for finding in found if finding.level == "destroys" or finding.line not in known)


def _findings(program: Program) -> Iterator[JobFinding]:
    for node in ast.walk(program.tree):
        if isinstance(node, ast.Call):
            for meant in program.meant(node):
                yield from _call(program, meant)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield from _loose(program, node)
        elif isinstance(node, ast.JoinedStr | ast.BinOp):
            yield from _built(program, node)
        if isinstance(node, ast.Call):
            yield from _operator(program, node)


def _call(program: Program, node: ast.Call) -> Iterator[JobFinding]:
    name = name_of(node.func)
    if name in _RUNNING or name == HOLE:
        yield from _run(program, node)
        yield from writes_of(program, node, name)
    elif name in ("exec", "eval", "compile"):
        yield from _program_text(program, node)
    elif name in _SHELLS and _is_shell(node):
        yield from _shell(program, node)
    else:
        yield from writes_of(program, node, name)
        if name not in _TALKING and not isinstance(program.parents.get(node), ast.Raise):
            yield from _handed(program, node)


def _run(program: Program, node: ast.Call) -> Iterator[JobFinding]:
    """Judge what a call is known to run."""
    for part in [*node.args[:1], *(word.value for word in node.keywords if word.arg in _STATEMENT_WORDS)]:
        if is_unheld(program, part):
            yield program.at(node, "destroys", "deletes or changes every row of a table: no where() holds it")
            continue
        for text in program.names.texts(part):
            if HOLE in text and not text.replace(HOLE, "").strip(" ;"):
                yield program.at(node, "unknown", "runs a statement that is not known here")
            else:
                yield from program.statements(node, text, listed=True)


def _handed(program: Program, node: ast.Call) -> Iterator[JobFinding]:
    """Judge the texts that a call is handed whose function may run them or not."""
    for part in [*node.args, *(word.value for word in node.keywords)]:
        if not isinstance(part, ast.Constant):  # those are looked at by themselves
            for text in program.names.texts(part):
                if _starts_destroying(text):
                    yield from program.statements(node, text, listed=bool(_UNNAMED.match(_BEFORE.sub("", text))))


def _loose(program: Program, node: ast.Constant) -> Iterator[JobFinding]:
    """Judge a text that nobody is seen to run: only what cannot be anything else than a statement."""
    text = str(node.value)
    parent = program.parents.get(node)
    if isinstance(parent, ast.Expr | ast.JoinedStr | ast.BinOp | ast.Compare) or _is_said(program, node):
        return
    yield from _meant(program, node, text)


def _meant(program: Program, node: ast.AST, text: str) -> Iterator[JobFinding]:
    """Judge a text by itself: as a statement, or as a command line with one in it."""
    folded = text.casefold()
    named = any(schema in folded for schema in program.live)
    if _starts_destroying(text) and (_is_shouted(text) or named or _STATEMENT.fullmatch(text.strip())):
        yield from program.statements(node, text, listed=False)
    elif _DATABASE_PROGRAMS.search(text):
        yield from _in_command(program, node, text)


def _built(program: Program, node: ast.JoinedStr | ast.BinOp) -> Iterator[JobFinding]:
    """Judge a text that is put together and that nobody is seen to run: in a generator, a lambda, a mapping."""
    parent = program.parents.get(node)
    if isinstance(parent, ast.Expr | ast.JoinedStr | ast.BinOp | ast.Compare | ast.FormattedValue):
        return
    if not _is_said(program, node):
        for text in program.names.texts(node):
            if _starts_destroying(text) and any(schema in text.casefold() for schema in program.live):
                yield from program.statements(node, text, listed=False)


def _operator(program: Program, node: ast.Call) -> Iterator[JobFinding]:
    """A task that is given a file of SQL runs it; the file is to be checked by itself."""
    if name_of(node.func).endswith("Operator"):
        for word in node.keywords:
            if word.arg == "sql" and any(text.casefold().endswith(".sql") for text in program.names.texts(word.value)):
                yield program.at(node, "unknown", "runs a file of SQL: check that file too")


def _in_command(program: Program, node: ast.AST, text: str) -> Iterator[JobFinding]:
    """Judge what a command line hands to a database program."""
    if (found := _ADMIN.search(text)) and found[1].casefold() in program.live:
        yield program.at(node, "destroys", f"drops the schema {found[1]} with everything in it")
    for match in _DESTROYING.finditer(text):
        yield from program.statements(node, text[match.start() :].rstrip("'\"`; "), listed=False)


def _is_said(program: Program, node: ast.AST) -> bool:
    """Tell whether a text only goes to people: a message, a log line, an error, a help text."""
    while (parent := program.parents.get(node)) is not None and not isinstance(parent, ast.stmt):
        if isinstance(parent, ast.Call) and name_of(parent.func) in _TALKING:
            return True
        node = parent
    return isinstance(parent, ast.Raise | ast.Assert)


def _program_text(program: Program, node: ast.Call) -> Iterator[JobFinding]:
    text = program.names.text(node.args[0]) if node.args else None
    try:
        inner = read_job(text, name="it", live=program.live, schema=program.schema) if text is not None else None
    except InputRefused:
        inner = None
    if inner is None:
        yield program.at(node, "unknown", "runs a text as a program that is not known here")
    for finding in inner or ():
        yield program.at(node, finding.level, finding.why, finding.text)


def _is_shell(node: ast.Call) -> bool:
    roots = {name_of(part) for part in chain(node.func)}
    return bool(roots & {"os", "subprocess", "sp", "asyncio", "commands", "sh"} or roots & _SURE_SHELLS)


def _shell(program: Program, node: ast.Call) -> Iterator[JobFinding]:
    first = node.args[0] if node.args else program.argument(node, "args")
    parts = first.elts if isinstance(first, ast.List | ast.Tuple) else [first]
    texts = [text for part in parts for text in program.names.texts(part)]
    said = " ".join(texts)
    found = list(dict.fromkeys(finding for text in (*texts, said) for finding in _in_command(program, node, text)))
    yield from found
    if not found and (HOLE in said or _DATABASE_PROGRAMS.search(said)):
        yield program.at(node, "unknown", "runs another program: what that does to the database is not known here")


def _starts_destroying(text: str) -> bool:
    return bool(_DESTROYING.match(_BEFORE.sub("", text, count=1)))


def _is_shouted(text: str) -> bool:
    """Tell whether a text begins in capitals, as statements are written and sentences are not."""
    words = re.findall(r"[A-Za-z_]+", text)[:2]
    alone = words[:1] and words[0] in ("TRUNCATE", "UPDATE", "DELETE", "REPLACE")
    return len(words) == 2 and words[0].isupper() and bool(words[1].isupper() or alone)
