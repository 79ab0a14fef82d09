"""Put a statement's names right, token by token; everything between them stays as it is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from runbook_lib.schemas.dump.statement import Act, Reading, definer_span
from runbook_lib.schemas.dump.tokens import Token, name_at
from runbook_lib.schemas.names import malformed


@dataclass(frozen=True, kw_only=True)
class Rewritten:
    """A statement with its names put right: its text, the names it acts on, which were mended, definers removed."""

    text: bytes
    names: tuple[str, ...]
    mended: dict[str, str]
    definers: int


def meant(name: str) -> str:
    """Return the name that was probably meant, the name itself where nothing is wrong with it."""
    odd = malformed(name)
    return (odd.meant or name) if odd else name


def rewritten(statement: bytes, reading: Reading, *, schemas: frozenset[str], known: Mapping[str, str]) -> Rewritten:
    """Mend the names of one statement and take its schema qualifiers and its definer away.

    `schemas` are the schemas whose content goes into the asked one: a qualifier naming one of them is dropped, any
    other is kept, since it refers to something outside the dump. Within the body of a view, trigger, routine or event
    only the names in `known` (old to new) are mended: there a name may also be a column's.
    """
    edits: list[tuple[int, int, bytes]] = []
    mended: dict[str, str] = {}
    heads = {name.start for name in reading.names}
    if reading.act is Act.CREATE_TABLE:
        heads |= {first for first, _, _ in _names(reading)}
    for first, parts, end in _names(reading):
        said = [token.value for token in parts]
        wanted = [value for place, value in enumerate(said) if not (place == 0 and len(said) > 1 and value in schemas)]
        mend = meant if first in heads else known.get
        new = [
            (mend(value) or value) if _is_table(place, wanted, reading) else value for place, value in enumerate(wanted)
        ]
        mended.update({old: fresh for old, fresh in zip(wanted, new, strict=True) if old != fresh})
        if new != said:
            edits.append((first, end, b".".join(quoted_bytes(value) for value in new)))
    definers = 0
    if reading.act is not Act.INSERT and (span := definer_span(list(reading.found))):
        edits.append((reading.found[span[0]].start, reading.found[span[1] - 1].end, b""))
        definers = 1
    return Rewritten(
        text=_edited(statement, edits),
        names=tuple(meant(name.name) for name in reading.names),
        mended=mended,
        definers=definers,
    )


def _names(reading: Reading) -> list[tuple[int, list[Token], int]]:
    """Return the names that may refer to a table or routine: start, parts, end."""
    found = list(reading.found)
    heads = {name.start for name in reading.names}
    whole = reading.act in (Act.CREATE_VIEW, Act.CREATE_ROUTINE, Act.CREATE_TRIGGER, Act.CREATE_EVENT)
    names: list[tuple[int, list[Token], int]] = []
    place = 0
    while place < len(found):
        before = found[place - 1].value.upper() if place else ""
        is_name = found[place].start in heads or before in ("REFERENCES", "LIKE") or (whole and found[place].can_name)
        name, after = name_at(found, place) if is_name else (None, place)
        if name is None:
            place += 1
            continue
        while after + 1 < len(found) and found[after].value == "." and found[after + 1].can_name:
            after += 2  # schema.table.column
        parts = [token for token in found[place:after] if token.can_name]
        names.append((name.start, parts, found[after - 1].end))
        place = after
    return names


def _is_table(place: int, wanted: list[str], reading: Reading) -> bool:
    """Tell a part that names a table from one that names a column: the last of two, in a body, is a column."""
    if reading.act in (Act.CREATE_TABLE, Act.INSERT, Act.TABLE_UPKEEP, Act.DROP):
        return place == len(wanted) - 1
    return place == 0 or (len(wanted) == 3 and place == 1)


def _edited(statement: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    parts, place = [], 0
    for start, end, new in sorted(edits):
        parts += [statement[place:start], new]
        place = end
    return b"".join([*parts, statement[place:]])


def quoted_bytes(name: str) -> bytes:
    """Quote a name as it stands in the dump's bytes."""
    return b"`" + name.replace("`", "``").encode("utf-8", "surrogateescape") + b"`"


def literal_bytes(text: str) -> bytes:
    """Write a text as `runbook_lib.mysql.literal` does, whose import (of a driver) takes longer than a small dump."""
    return f"_utf8mb4 X'{text.encode().hex()}'".encode()
