"""Calls that write, drop or empty a table as a whole without a statement: pandas, Spark, Glue, object mappers."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from runbook_lib.guard.program import JobFinding, Program
from runbook_lib.guard.values import name_of
from runbook_lib.guard.words import HOLE

_OVERWRITE = frozenset(
    {"overwrite", "replace", "delete_rows", "truncate", "overwrite_partitions", "upsert_replace_into"}
)
_KEEP = frozenset(
    {"append", "fail", "ignore", "error", "errorifexists", "upsert_duplicate_key", "upsert_distinct", "merge"}
)
_TO_FILES = ("parquet", "csv", "json", "orc", "text")
_FILES = frozenset({*_TO_FILES, "avro", "delta", "iceberg", "hudi", "xml", "memory", "console", "noop", "kafka"})
_SPARK = frozenset({"save", "saveAsTable", "insertInto", "jdbc", *_TO_FILES})
_SPARK_TABLES = ("createOrReplace", "overwrite", "overwritePartitions", "replace")
_GLUE = (
    "from_options", "from_jdbc_conf", "write_from_options", "from_catalog", "write_dynamic_frame_from_options",
    "write_dynamic_frame_from_jdbc_conf", "write_dynamic_frame_from_catalog",
)  # fmt: skip
_WRANGLER = ("mysql", "postgresql", "sqlserver", "oracle", "redshift")
_AWS = {
    "delete_db_cluster": "deletes a database cluster", "delete_db_instance": "deletes a database instance",
    "backtrack_db_cluster": "takes a whole cluster back in time",
    "delete_db_cluster_snapshot": "deletes a backup", "delete_db_snapshot": "deletes a backup",
    "delete_db_cluster_automated_backup": "deletes a backup",
}  # fmt: skip
_DJANGO = frozenset({"flush", "reset_db", "reset_schema", "sqlflush", "drop_tables", "zap"})
_WHOLE = {
    "drop_all": "drops every table of its models", "drop_tables": "drops tables", "drop_table": "drops {name}",
    "truncate_table": "empties a table", "drop_column": "drops a column of {name}", "rename_table": "renames {name}",
    "truncate_tables": "empties tables", "drop_database": "drops a schema", "drop_schema": "drops a schema",
    "delete_model": "drops the table of a model", "remove_field": "drops a column of a model",
    "drop_constraint": "drops a constraint", "drop_index": "drops an index", "purge_table": "purges a table",
}  # fmt: skip


def writes_of(program: Program, node: ast.Call, name: str) -> Iterator[JobFinding]:
    """Return what a call of this name does to whole tables; nothing where it is no such call."""
    if name == "to_sql":
        yield from _to_sql(program, node)
    elif name == "write_database":
        mode, table = program.argument(node, "if_table_exists"), program.argument(node, "table_name", 0)
        yield from _by_mode(program, node, mode, table=table)
    elif name in _SPARK and program.passes(node, "write", "writeStream"):
        yield from _spark(program, node, name)
    elif name in _SPARK_TABLES and program.passes(node, "writeTo"):
        targets = [call.args[0] for call in program.calls(node) if name_of(call.func) == "writeTo" and call.args]
        yield from program.table(node, targets[0] if targets else None, what="overwrites {name}")
    elif name in _GLUE:
        yield from _glue(program, node)
    elif name in _WHOLE:
        yield from _whole(program, node, name)
    elif name in _AWS:
        yield program.at(node, "destroys", _AWS[name])
    elif name == "call_command":
        words = {text for part in node.args[:1] for text in program.names.texts(part)}
        if words & _DJANGO:
            yield program.at(node, "destroys", "empties or drops every table of the project")
        elif HOLE in words or "migrate" in words:
            yield program.at(node, "unknown", "runs a command of the project: what it does is not known here")
    elif name == "insert_rows" and program.is_true(program.argument(node, "replace")):
        yield from program.table(node, program.argument(node, "table", 0), what="replaces rows of {name}")
    elif name == "todb":
        table, schema = program.argument(node, "tablename", 2), program.argument(node, "schema")
        yield from program.table(node, table, schema, what="empties {name} before it fills it")
    else:
        yield from _mapped(program, node, name)
        if not name.startswith("to_") and name not in _NO_WRITERS:
            yield from _replacing(program, node)
    for word in node.keywords:
        if word.arg == "write_disposition":
            said = {text.casefold() for text in program.names.texts(word.value)}
            if said & {"replace", "write_truncate", HOLE}:
                yield program.at(node, "destroys", "loads with write_disposition replace: what is in its tables goes")


_NO_WRITERS = frozenset({"dict", "print", "partial", "setattr", "update", "setdefault", "option", "options", "mode"})
_WAYS = frozenset({
    "if_exists", "if_table_exists", "mode", "write_mode", "save_mode", "savemode", "load_mode", "insert_mode",
    "strategy", "load_strategy", "on_exists", "existing", "action",
})  # fmt: skip
_FLAGS = frozenset({
    "overwrite", "replace", "truncate", "full_refresh", "recreate", "drop", "drop_table", "drop_existing", "drop_first",
    "truncate_first", "truncate_table", "delete_first", "delete_existing", "replace_existing", "overwrite_existing",
    "clean", "purge", "cascade", "force_drop",
})  # fmt: skip
_PLACES = frozenset({"schema", "database", "db", "schema_name", "target_schema", "db_name", "dataset", "db_schema"})
_TABLES = frozenset({"table", "table_name", "target", "tablename", "target_table", "name", "destination", "dbtable"})
_FILE_ENDINGS = frozenset({
    "csv", "tsv", "txt", "json", "jsonl", "parquet", "orc", "avro", "xml", "gz", "zip", "zst", "bz2", "tar", "sql",
    "yml", "yaml", "xlsx", "xls", "log", "pdf", "html", "md", "py", "db", "pkl", "feather", "toml", "ini", "cfg", "png",
})  # fmt: skip


def _replacing(program: Program, node: ast.Call) -> Iterator[JobFinding]:
    """Judge a call of any other name by its words: mode="overwrite" or truncate=True, and the live schema named."""
    way, sure, perhaps = "", False, ""
    for word in node.keywords:
        said = (word.arg or "").casefold()
        texts = {text.casefold().rpartition(".")[2] for text in program.names.texts(word.value)}
        if (said in _WAYS and texts & {*_OVERWRITE, "drop", "recreate", "full_refresh", "write_truncate"}) or (
            said.endswith("_handling") and "replace" in texts
        ):
            way, sure = said, True
        elif said in _FLAGS and "true" in texts:
            way = way or said
        elif said in _WAYS | _FLAGS and any(HOLE in text for text in texts):
            perhaps = said
    if not way and not perhaps:
        return
    words = {(word.arg or "").casefold(): word.value for word in node.keywords}
    named = [text for said, value in words.items() if said in _PLACES for text in program.names.texts(value)]
    dotted = [
        text.replace("`", "").replace('"', "").split(".")
        for value in (*node.args, *(value for said, value in words.items() if said not in _PLACES and said != way))
        for text in program.names.texts(value)
    ]
    named += [parts[-2] for parts in dotted if len(parts) in (2, 3) and parts[-1].casefold() not in _FILE_ENDINGS]
    is_live = bool({name.casefold() for name in named} & program.live)
    if not way:
        if is_live:
            yield program.at(
                node, "unknown", f"writes into the live schema, and what its {perhaps} is is not known here"
            )
    elif is_live:
        yield program.at(node, "destroys", f"writes a table of the live schema with {way}: what is in it goes")
    elif any(HOLE in name for name in named) or (
        not named and (words.keys() & _TABLES or (sure and any(HOLE in part for parts in dotted[1:] for part in parts)))
    ):
        yield program.at(node, "unknown", f"writes with {way}, and where to is not known here")


def _to_sql(program: Program, node: ast.Call) -> Iterator[JobFinding]:
    if program.passes(node, *_WRANGLER):
        mode, table, schema = (program.argument(node, *at) for at in (("mode", 4), ("table", 2), ("schema", 3)))
    else:
        mode, table, schema = (program.argument(node, *at) for at in (("if_exists", 3), ("name", 0), ("schema", 2)))
    yield from _by_mode(program, node, mode, table=table, schema=schema)


def _by_mode(
    program: Program, node: ast.Call, mode: ast.expr | None, *, table: ast.expr | None, schema: ast.expr | None = None
) -> Iterator[JobFinding]:
    if mode is None:
        if any(word.arg is None for word in node.keywords):
            yield program.at(node, "unknown", "writes a table in a way that is not known here")
        return
    for text in program.names.texts(mode):
        word = text.casefold().rpartition(".")[2]
        if word in _OVERWRITE:
            what = f"writes {{name}} with {word}: what is in it goes"
            yield from program.table(node, table, schema, what=what)
        elif word not in _KEEP:
            yield program.at(node, "unknown", "writes a table in a way that is not known here")


def _whole(program: Program, node: ast.Call, name: str) -> Iterator[JobFinding]:
    what = _WHOLE[name]
    if "{name}" in what and not node.args and not node.keywords:
        yield program.at(node, "destroys", what.format(name="the table of its model"))
    elif "{name}" in what:
        table, schema = program.argument(node, "table_name", 0), program.argument(node, "schema")
        yield from program.table(node, table, schema, what=what)
    elif not program.schema or program.schema.casefold() in program.live:
        yield program.at(node, "destroys", what)


def _spark(program: Program, node: ast.Call, name: str) -> Iterator[JobFinding]:
    calls = program.beside(node)
    modes = [program.argument(call, "saveMode", 0) for call in calls if name_of(call.func) == "mode"]
    if (own := program.argument(node, "mode", 2 if name == "jdbc" else 99)) is not None:
        modes.append(own)
    if name == "insertInto" and program.is_true(program.argument(node, "overwrite", 1)):
        modes.append(ast.Constant("overwrite"))
    words = {_mode(program, mode) for mode in modes}
    if not words - _KEEP or name in _TO_FILES:
        return
    options = _options(program, calls)
    formats = [call.args[0] for call in calls if name_of(call.func) == "format" and call.args]
    formats += [word.value for word in node.keywords if name == "save" and word.arg == "format"]
    options |= {word.arg.casefold(): word.value for word in node.keywords if name == "save" and word.arg}
    kinds = {text.casefold() for kind in formats for text in program.names.texts(kind)}
    if name == "save" and kinds and kinds <= _FILES:
        return
    table = options.get("dbtable") if name == "save" else program.argument(node, *_SPARK_TABLE[name])
    named = program.names.text(table)
    if name == "saveAsTable" and named and named.split(".")[0].casefold() not in program.live:
        return  # a table of Spark's own catalogue
    if words - _KEEP - _OVERWRITE:
        yield program.at(node, "unknown", "writes in a mode that is not known here")
        return
    truncates = program.is_true(options.get("truncate"))
    made = "drops {name} and makes it anew, without its keys and grants"
    yield from program.table(node, table, what="empties {name} before it fills it" if truncates else made)


_SPARK_TABLE = {"jdbc": ("table", 1), "saveAsTable": ("name", 0), "insertInto": ("tableName", 0)}


def _mode(program: Program, node: ast.expr | None) -> str:
    """Return a mode of writing; of several that it may be, the first that does not keep what is there."""
    if isinstance(node, ast.Attribute):
        return node.attr.casefold()
    words = [text.casefold() for text in program.names.texts(node)]
    return next((word for word in words if word not in _KEEP), words[0])


def _options(program: Program, calls: list[ast.Call]) -> dict[str, ast.expr]:
    found: dict[str, ast.expr] = {}
    for call in calls:
        if name_of(call.func) == "option" and len(call.args) == 2 and (key := program.names.text(call.args[0])):
            found[key.casefold()] = call.args[1]
        elif name_of(call.func) == "options":
            found |= {word.arg.casefold(): word.value for word in call.keywords if word.arg}
    return found


def _glue(program: Program, node: ast.Call) -> Iterator[JobFinding]:
    given = program.argument(node, "connection_options") or program.argument(node, "additional_options")
    for options in program.names.values(given.id) if isinstance(given, ast.Name) else [given]:
        if not isinstance(options, ast.Dict):
            continue
        pairs = zip(options.keys, options.values, strict=True)
        by_name = {program.names.text(key): value for key, value in pairs if key}
        for key in ("preactions", "postactions"):
            for text in program.names.texts(by_name[key]) if key in by_name else ():
                yield from program.statements(node, text, listed=True)
        if program.is_true(by_name.get("overwrite")):
            yield from program.table(node, by_name.get("dbtable"), what="overwrites {name}")


def _mapped(program: Program, node: ast.Call, name: str) -> Iterator[JobFinding]:
    if name not in ("delete", "update", "drop", "_raw_delete", "execute"):
        return
    if name == "execute":  # peewee ends its statements so
        if not node.args and called_of(program, node) & {"delete", "update"} and not _holding(program, node):
            yield program.at(node, "destroys", "deletes or changes every row of a table: no where() holds it")
        return
    called = {name_of(call.func) for call in program.calls(node)}
    if name == "drop":
        given = [*node.args, *(word.value for word in node.keywords if word.arg == "bind")]
        if any(re.search(r"engine|conn|bind|session", name_of(part), re.IGNORECASE) for part in given):
            yield program.at(node, "destroys", "drops a table of its models")
    elif isinstance(node.func, ast.Attribute):
        queried = "query" in called or program.passes(node, "objects")
        if queried and not _holding(program, node):
            yield program.at(node, "destroys", f"{name.strip('_')}s every row of a table: no filter holds it")
        elif (
            isinstance(node.func.value, ast.Subscript)
            and not node.args
            and not node.keywords
            and _uses(program, "dataset")
        ):
            yield program.at(node, "destroys", f"{name}s every row of a table: no filter holds it")
    elif name in _imported(program) and not _is_filtered(program, node):
        yield program.at(node, "destroys", f"{name}s every row of a table: no where() holds it")


def called_of(program: Program, node: ast.expr) -> set[str]:
    """Return the names that are called in a chain."""
    return {name_of(call.func) for call in program.calls(node)}


def _holding(program: Program, node: ast.expr) -> bool:
    """Tell whether a filter with a condition stands in a chain."""
    filters = ("filter", "filter_by", "where", "exclude", "get")
    return any((call.args or call.keywords) and name_of(call.func) in filters for call in program.calls(node))


def is_unheld(program: Program, node: ast.expr) -> bool:
    """Tell whether an expression is a DELETE or UPDATE made of calls that no where() holds."""
    if not isinstance(node, ast.Call):
        return False
    made = [call for call in program.calls(node) if name_of(call.func) in ("delete", "update")]
    return bool(made) and not _holding(program, node)


def _uses(program: Program, module: str) -> bool:
    return any(
        alias.name.split(".")[0] == module
        for node in ast.walk(program.tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    )


def _imported(program: Program) -> set[str]:
    return {
        alias.asname or alias.name
        for node in ast.walk(program.tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("sqlalchemy")
        for alias in node.names
    }


def _is_filtered(program: Program, node: ast.AST) -> bool:
    while (parent := program.parents.get(node)) is not None and not isinstance(parent, ast.stmt):
        if isinstance(parent, ast.Attribute) and parent.attr in ("where", "filter", "filter_by"):
            return True
        node = parent
    return False
