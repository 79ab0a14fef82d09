"""Put a statement's names right, token by token; everything between them stays as it is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from runbook_lib.schemas.dump.acts import Act, Reading
from runbook_lib.schemas.dump.tokens import bytes_of
from runbook_lib.schemas.names import malformed

_BODIES = (Act.CREATE_VIEW, Act.CREATE_ROUTINE, Act.CREATE_TRIGGER, Act.CREATE_EVENT)


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


def rewritten(
    statement: bytes, reading: Reading, *, schemas: frozenset[str], known: Mapping[str, str], charset: str
) -> Rewritten:
    """Mend the names of one statement and take its schema qualifiers and its definer away.

    `schemas` are the schemas whose content goes into the asked one: a qualifier naming one of them is dropped, any
    other is kept, since it refers to something outside the dump. Within the body of a view, trigger, routine or event
    only the names in `known` (old to new) are mended: elsewhere in it a name may also be a column's.
    """
    mended: dict[str, str] = {}
    edits: list[tuple[int, int, bytes]] = []
    for start, end, said, place in _named(reading, known):
        wanted = said[1:] if len(said) > 1 and said[0] in schemas else list(said)
        place -= len(said) - len(wanted)
        new = list(wanted)
        new[place] = known.get(wanted[place], wanted[place]) if reading.act in _BODIES else meant(wanted[place])
        if start in {name.start for name in reading.names}:
            new[place] = meant(wanted[place])
        if new[place] != wanted[place]:
            mended[wanted[place]] = new[place]
        if new != said:
            edits.append((start, end, b".".join(_quoted(new, charset))))
    if reading.definer:
        edits.append((reading.definer[0].start, reading.definer[-1].end, b""))
    return Rewritten(
        text=_edited(statement, edits),
        names=tuple(meant(name.name) for name in reading.names),
        mended=mended,
        definers=int(bool(reading.definer)),
    )


def _quoted(parts: list[str], charset: str) -> Iterator[bytes]:
    yield from (b"*" if part == "*" else quoted_bytes(part, charset) for part in parts)


def _named(reading: Reading, known: Mapping[str, str]) -> Iterator[tuple[int, int, list[str], int]]:
    """Return the names that may refer to a table or routine: start, end, parts, and which part is the table's."""
    taken = set()
    for name in reading.names:
        parts = [name.schema, name.name] if name.schema else [name.name]
        taken.add(name.start)
        yield name.start, name.end, parts, len(parts) - 1
    for reference in reading.references:
        taken |= {part.start for part in reference.parts}
        yield reference.start, reference.end, [part.value for part in reference.parts], 1
    found = reading.found
    for place, token in enumerate(found):
        if token.start in taken or not token.can_name or (place and found[place - 1].upper == "."):
            continue
        in_body = reading.act in _BODIES and token.value in known
        of_table = reading.act is Act.CREATE_TABLE and place and found[place - 1].upper in ("REFERENCES", "LIKE")
        if in_body or of_table:
            yield token.start, token.end, [token.value], 0


def _edited(statement: bytes, edits: list[tuple[int, int, bytes]]) -> bytes:
    parts, place = [], 0
    for start, end, new in sorted(edits):
        parts += [statement[place:start], new]
        place = end
    return b"".join([*parts, statement[place:]])


def quoted_bytes(name: str, charset: str = "") -> bytes:
    """Quote a name as it is written in the dump's bytes."""
    return b"`" + bytes_of(name.replace("`", "``"), charset) + b"`"
