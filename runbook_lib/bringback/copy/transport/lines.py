"""Rows as the server writes them itself: lines for LOAD DATA, or values for INSERT, exact for every type.

The expressions work on bytes, so that no character set is converted and no byte is lost. FLOAT is widened to DOUBLE,
because the server's text of a FLOAT is rounded; ENUM, SET and BIT go as numbers, because their texts may be
ambiguous; JSON needs its character set back at the other end. Generated columns are left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted
from runbook_lib.swap.facts import Column

_TEXTS = {"char", "varchar", "tinytext", "text", "mediumtext", "longtext"}
_BYTES = {"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"}
_SHAPES = {
    "geometry", "point", "linestring", "polygon", "multipoint", "multilinestring", "multipolygon",
    "geomcollection", "geometrycollection",
}  # fmt: skip
_NUMBERED = {"enum", "set", "bit"}
_COMMA = "X'2C'"
# By number and by date nothing needs an escape.
_PLAIN = {
    "tinyint", "smallint", "mediumint", "int", "bigint", "decimal", "double", "date", "datetime", "timestamp", "time",
    "year", "float",
}  # fmt: skip


def is_known(column: Column) -> bool:
    """Tell whether the type is one that every supported release has."""
    return column.kind in _TEXTS | _BYTES | _SHAPES | _NUMBERED | _PLAIN | {"json"}


def _is_text_only(column: Column) -> bool:
    """Tell whether a value is exact as text alone: JSON, and types such as UUID that would take bytes for their own."""
    return column.kind == "json" or not (is_known(column) or column.kind == "vector")


def line(columns: Sequence[Column]) -> str:
    """Return the expression for one line of a row, without its end, in bytes; NULL for a row too long for it."""
    return _joined([_field(column) for column in columns], "X'09'")


def load_statement(table: TableName, columns: Sequence[Column], *, within: str) -> str:
    """Write the LOAD DATA that reads such lines. `within` is what comes between LOAD DATA and INTO TABLE."""
    targets, settings = [], []
    for number, column in enumerate(columns):
        if column.kind in _NUMBERED:
            settings.append(f"{quoted(column.name)} = CAST(@v{number} AS UNSIGNED)")
        elif _is_text_only(column):
            settings.append(f"{quoted(column.name)} = CONVERT(@v{number} USING utf8mb4)")
        else:
            targets.append(quoted(column.name))
            continue
        targets.append(f"@v{number}")
    ending = f" SET {', '.join(settings)}" if settings else ""
    return (
        f"LOAD DATA {within} INTO TABLE {table.sql} CHARACTER SET binary"
        f" FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A' ({', '.join(targets)}){ending}"
    )


def values(columns: Sequence[Column]) -> str:
    """Return the expression for one row of an INSERT, "(1,X'41',NULL)", as bytes; NULL for a row too long for it."""
    parts = [f"IF({quoted(column.name)} IS NULL, 'NULL', {_literal(column)})" for column in columns]
    return f"CONCAT(X'28', {_joined(parts, _COMMA)}, X'29')"


def raw(column: Column) -> str:
    """Return a column's bytes as they must arrive, unescaped, for a row that is too long for one expression."""
    return f"CAST({_value(column)} AS BINARY)"


def escaped(value: bytes | None) -> bytes:
    """Write a value of `raw` as a line has it."""
    if value is None:
        return b"\\N"
    return value.replace(b"\\", b"\\\\").replace(b"\t", b"\\t").replace(b"\n", b"\\n")


def _value(column: Column) -> str:
    name = quoted(column.name)
    if column.kind == "float":
        return f"CAST({name} AS DOUBLE)"
    if column.kind in _NUMBERED:
        return f"CAST({name} AS UNSIGNED)"
    if _is_text_only(column):
        return f"CAST({name} AS CHAR CHARACTER SET utf8mb4)"
    return name


def _needs_escape(column: Column) -> bool:
    return column.kind not in _NUMBERED | _PLAIN


def _field(column: Column) -> str:
    value = _value(column)
    if _needs_escape(column):
        value = f"CAST({value} AS BINARY)"
        for byte, written in (("5C", "5C5C"), ("09", "5C74"), ("0A", "5C6E")):
            value = f"REPLACE({value}, X'{byte}', X'{written}')"
    # Not IFNULL: an expression over max_allowed_packet is NULL too, and must not be taken for the value NULL.
    return f"IF({quoted(column.name)} IS NULL, X'5C4E', {value})" if column.nullable else value


def _joined(parts: Sequence[str], separator: str) -> str:
    """Join by CONCAT, which is NULL when a part is; CONCAT_WS would leave the part out."""
    return f"CONCAT(X'', {f', {separator}, '.join(parts)})"


def _literal(column: Column) -> str:
    value = _value(column)
    if column.kind in {"date", "datetime", "timestamp", "time", "year", "float", "double"}:  # −0 as a number is 0
        return f"CONCAT(X'27', {value}, X'27')"
    if not _needs_escape(column):
        return value
    hexed = f"CONCAT('X', X'27', HEX(CAST({value} AS BINARY)), X'27')"
    return f"CONCAT('CONVERT(', {hexed}, ' USING utf8mb4)')" if _is_text_only(column) else hexed
