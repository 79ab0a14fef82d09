"""Compare the single rows of small ranges: missing, extra, changed, and which columns changed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from runbook_lib.mysql import quoted
from runbook_lib.mysql.connection import Row
from runbook_lib.proof.asking import Both
from runbook_lib.proof.encoding import items, row_hash, values_hash
from runbook_lib.proof.facts import Column, TableFacts
from runbook_lib.proof.keys import Edge, Key
from runbook_lib.proof.tally import Findings, Work
from runbook_lib.proof.values import HIDDEN, RowDifference

_AT_ONCE = 50
_SHOWN_CHARS, _SHOWN_COLUMNS = 60, 8
_BINARY = frozenset({"binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob", "bit"})
Values = tuple[bytes, ...]


@dataclass(frozen=True, kw_only=True)
class Range:
    """A range of the key's values, with its low end and without its high one."""

    low: Edge
    high: Edge


def from_index(side: TableFacts, index: str) -> str:
    """Return the FROM clause that reads a table by one index."""
    return f"FROM {side.table.sql} FORCE INDEX ({quoted(index)})"


def hash_of_row(side: TableFacts, work: Work) -> str:
    """Return the expression for the first 128 bits of a row's hash, as text."""
    return f"LEFT({row_hash(side, work.ways)}, 32)"


def compare_rows(work: Work, part: Findings, both: Both, ranges: Sequence[Range]) -> None:
    """Hold the rows of some ranges against each other one by one, and add what differs to the findings."""
    key = work.key
    assert key is not None
    expected_rows, found_rows = (_by_key(found) for found in both.rows(*_statements(work, key, ranges)))
    missing = [value for value in expected_rows if value not in found_rows]
    extra = [value for value in found_rows if value not in expected_rows]
    changed = [value for value, hashed in expected_rows.items() if value in found_rows and found_rows[value] != hashed]
    part.counts.differ(missing=len(missing), extra=len(extra), changed=len(changed))
    _name(work, {"missing": missing, "extra": extra, "changed": changed})
    _examine(work, part, both, key, changed)
    _sample(work, part, both, {"missing": missing, "extra": extra, "changed": changed})


def sample_rows(work: Work, part: Findings, both: Both, wanted: Range) -> None:
    """Take samples from a range that has rows on one side only."""
    key = work.key
    assert key is not None
    most = max(work.wants("missing", part), work.wants("extra", part))
    if most or work.differing:
        asked = _statements(work, key, [wanted], most=0 if work.differing else most)
        expected_rows, found_rows = (_by_key(found) for found in both.rows(*asked))
        _name(work, {"missing": list(expected_rows), "extra": list(found_rows)})
        _sample(work, part, both, {"missing": list(expected_rows), "extra": list(found_rows)})


def _name(work: Work, differing: Mapping[str, Sequence[Values]]) -> None:
    """Name the keys of rows that differ, where they are asked for."""
    if work.differing:
        for kind, keys in differing.items():
            if keys:
                work.differing(work, kind, keys)


def _statements(work: Work, key: Key, ranges: Sequence[Range], *, most: int = 0) -> tuple[str, str]:
    limit = f" ORDER BY {key.listed} LIMIT {most}" if most else ""
    expected, found = (
        " UNION ALL ".join(
            f"SELECT {', '.join(key.values)}, {hash_of_row(side, work)} {from_index(side, index)}"  # quoted
            f" WHERE {key.within(wanted.low, wanted.high)}{limit}"
            for wanted in ranges
        )
        for side, index in ((work.expected, key.expected_index), (work.found, key.found_index))
    )
    return expected, found if work.found_has_rows else ""


def _by_key(rows: Iterable[Row]) -> dict[Values, str]:
    return {tuple(row[:-1]): row[-1] for row in rows}


def _examine(work: Work, part: Findings, both: Both, key: Key, changed: Sequence[Values]) -> None:
    """Find the columns in which changed rows differ, for so many rows as are examined of a table."""
    changed = changed[: work.to_examine(part)]
    part.examined += len(changed)
    names = list(work.ways)
    for start in range(0, len(changed), _AT_ONCE):
        asked = changed[start : start + _AT_ONCE]
        expected_rows, found_rows = _ask(
            work, both, key, asked, _column_hashes(work.expected, work), _column_hashes(work.found, work)
        )
        for value in asked:
            if value in expected_rows and value in found_rows:
                part.columns.update(_differing(names, expected_rows[value], found_rows[value]))


def _column_hashes(side: TableFacts, work: Work) -> list[str]:
    return [values_hash([item]) for item in items(side, work.ways)]


def _differing(names: Sequence[str], expected: Row, found: Row) -> list[str]:
    return [name for name, value, against in zip(names, expected, found, strict=True) if value != against]


def _ask(
    work: Work, both: Both, key: Key, values: Sequence[Values], expected: Sequence[str], found: Sequence[str]
) -> tuple[Mapping[Values, Row], Mapping[Values, Row]]:
    """Ask for some expressions of single rows on each side; a side without expressions is not asked."""
    where = " OR ".join(f"({key.equals(key.edge(value))})" for value in values)
    sql = [
        f"SELECT {', '.join([*key.values, *wanted])} {from_index(side, index)} WHERE {where}" if wanted else ""
        for wanted, side, index in (
            (expected, work.expected, key.expected_index),
            (found, work.found, key.found_index),
        )
    ]
    width = len(key.columns)
    answers = both.rows(sql[0], sql[1])
    expected_rows, found_rows = ({tuple(row[:width]): row[width:] for row in rows} for rows in answers)
    return expected_rows, found_rows


def _sample(work: Work, part: Findings, both: Both, differing: Mapping[str, Sequence[Values]]) -> None:
    for kind, values in differing.items():
        if wanted := values[: work.wants(kind, part)]:
            part.samples += _samples(work, both, kind, wanted)


def _samples(work: Work, both: Both, kind: str, values: Sequence[Values]) -> list[RowDifference]:
    key = work.key
    assert key is not None
    names = [name for name in work.ways if kind == "changed" or name not in key.names]
    on_expected = [shown(work.expected.columns[name], work) for name in names] if kind != "extra" else []
    on_found = [shown(work.found.columns[name], work) for name in names] if kind != "missing" else []
    if kind == "changed":
        on_expected += _column_hashes(work.expected, work)
        on_found += _column_hashes(work.found, work)
    expected_rows, found_rows = _ask(work, both, key, values, on_expected, on_found)
    samples = []
    for value in values:
        expected_row, found_row = expected_rows.get(value, ()), found_rows.get(value, ())
        if kind == "changed" and expected_row and found_row:
            hashes = len(names)
            columns = _differing(names, expected_row[hashes:], found_row[hashes:])
        else:
            columns = names[:_SHOWN_COLUMNS]
        places = [names.index(column) for column in columns]
        samples.append(
            RowDifference(
                kind=kind,  # type: ignore[arg-type]  # one of the three
                key=tuple(
                    (column.name, HIDDEN if column.name in work.personal else readable(part, column))
                    for column, part in zip(key.columns, value, strict=True)
                ),
                columns=tuple(columns),
                expected=_texts(expected_row, places, names, work.expected) if kind != "extra" and expected_row else (),
                found=_texts(found_row, places, names, work.found) if kind != "missing" and found_row else (),
            )
        )
    return samples


def _texts(row: Row, places: Sequence[int], names: Sequence[str], side: TableFacts) -> tuple[str, ...]:
    return tuple(readable(row[place], side.columns[names[place]]) for place in places)


def shown(column: Column, work: Work) -> str:
    """Return the expression for a value as people may see it: cut, bytes in hexadecimal, personal ones never read."""
    name = quoted(column.name)
    if column.name in work.personal:
        return f"IF({name} IS NULL, NULL, {_text(HIDDEN)})"
    if column.charset or column.kind == "json":
        return f"CAST(CONVERT(LEFT({name}, {_SHOWN_CHARS}) USING utf8mb4) AS BINARY)"
    if column.kind in ("float", "double"):
        return f"CAST(CAST({name} AS DOUBLE) AS BINARY)"
    if _is_plain(column):
        return f"CAST({name} AS BINARY)"
    value = name if column.kind in _BINARY else f"CAST({name} AS BINARY)"
    return f"CAST(CONCAT('0x', HEX(LEFT({value}, {_SHOWN_CHARS // 2}))) AS BINARY)"


def _text(text: str) -> str:
    return f"X'{text.encode().hex()}'"


def _is_plain(column: Column) -> bool:
    return column.kind not in _BINARY and not column.kind.endswith(("geometry", "point", "string", "polygon", "vector"))


def readable(value: object, column: Column) -> str:
    """Write a value that `shown`, or a key, gave as text."""
    if value is None:
        return "NULL"
    if not isinstance(value, bytes):
        return str(value)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        return f"0x{value.hex()}"
    if column.kind in _BINARY and not text.isprintable():
        return f"0x{value.hex()}"
    return text
