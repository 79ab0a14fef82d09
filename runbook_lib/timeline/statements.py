"""Which statements take data away, and which bring a table back: read from their text in the binary log.

Only what is needed here is read of SQL: the verb and the names. A statement whose beginning is not understood is
left out, and so is a load that empties tables by UPDATE: this finds what is gone, not what is wrong.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from runbook_lib.inventory import SYSTEM_SCHEMAS, TableName

# A name without quotes: letters, digits, $, _ and everything beyond ASCII, written as what it is not, because a range
# that wide under IGNORECASE takes the regular expressions a fifth of a second to compile.
_BARE = r"[^\x00-\x23\x25-\x2f\x3a-\x40\x5b-\x5e\x60\x7b-\x7f]+"
_PART = rf"(?:`(?:[^`]|``)+`|\"(?:[^\"]|\"\")+\"|{_BARE})"
_NAME = rf"({_PART})(?:\s*\.\s*({_PART}))?"
_COMMENT = re.compile(r"/\*(?!!).*?\*/|(?:--[ \t]|#)[^\n]*(?:\n|$)", re.DOTALL)
_VERSIONED = re.compile(r"/\*!\d*|\*/")  # /*!40000 … */ is run by the server, so it is read

_DROP_TABLE = re.compile(r"DROP\s+TABLES?\s+(?:IF\s+EXISTS\s+)?(.+)", re.I | re.S)
_DROP_SCHEMA = re.compile(rf"DROP\s+(?:DATABASE|SCHEMA)\s+(?:IF\s+EXISTS\s+)?({_PART})", re.I)
_TRUNCATE = re.compile(rf"TRUNCATE\s+(?:TABLE\s+)?{_NAME}", re.I)
_PARTITION = re.compile(rf"ALTER\s+TABLE\s+{_NAME}\s+(?:DROP|TRUNCATE)\s+PARTITION\b", re.I)
_DELETE = re.compile(rf"DELETE\s+(?:LOW_PRIORITY\s+|QUICK\s+|IGNORE\s+)*FROM\s+{_NAME}\s*;?\s*$", re.I)
_CREATE = re.compile(rf"CREATE\s+(OR\s+REPLACE\s+)?TABLE\s+(?:IF\s+NOT\s+EXISTS\s+)?{_NAME}(.*)", re.I | re.S)
_RENAME = re.compile(r"RENAME\s+TABLES?\s+(?:IF\s+EXISTS\s+)?(.+)", re.I | re.S)
_INSERT = re.compile(
    rf"(?:INSERT|REPLACE|LOAD\s+DATA\b.*?)\s+(?:LOW_PRIORITY\s+|DELAYED\s+|HIGH_PRIORITY\s+|IGNORE\s+)*INTO\s+"
    rf"(?:TABLE\s+)?{_NAME}",
    re.I | re.S,
)


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What a statement does to a table (or to a schema: then the name is empty).

    `verb` is the kind of `Destruction`, or "made" or "filled"; of a table renamed away it is "DROP TABLE", for it
    is gone under that name.
    """

    verb: str
    table: TableName


def effects(sql: str, *, schema: str) -> tuple[Effect, ...]:
    """Return what a statement takes away or brings back, in its order; nothing for any other statement."""
    text = _VERSIONED.sub(" ", _COMMENT.sub(" ", sql)).strip()
    return tuple(effect for effect in _effects(text, schema) if effect.table.schema.lower() not in SYSTEM_SCHEMAS)


def _effects(text: str, schema: str) -> list[Effect]:
    verb = text[:8].upper()
    if verb.startswith("DROP"):
        if found := _DROP_SCHEMA.match(text):
            return [Effect(verb="DROP DATABASE", table=TableName(schema=_bare(found[1]), name=""))]
        if found := _DROP_TABLE.match(text):
            return [Effect(verb="DROP TABLE", table=table) for table in _listed(found[1], schema)]
    if verb.startswith("TRUNCATE") and (found := _TRUNCATE.match(text)):
        return [Effect(verb="TRUNCATE", table=_table(found[1], found[2], schema))]
    if verb.startswith("ALTER") and (found := _PARTITION.match(text)):
        return [Effect(verb="DROP PARTITION", table=_table(found[1], found[2], schema))]
    if verb.startswith("DELETE") and (found := _DELETE.match(text)):
        return [Effect(verb="DELETE", table=_table(found[1], found[2], schema))]
    if verb.startswith("CREATE") and (found := _CREATE.match(text)):
        table = _table(found[2], found[3], schema)
        dropped = [Effect(verb="DROP TABLE", table=table)] if found[1] else []
        filled = [Effect(verb="filled", table=table)] if re.search(r"\bSELECT\b", found[4], re.I) else []
        return [*dropped, Effect(verb="made", table=table), *filled]
    if verb.startswith("RENAME") and (found := _RENAME.match(text)):
        return _renamed(found[1], schema)
    if verb.startswith(("INSERT", "REPLACE", "LOAD")) and (found := _INSERT.match(text)):
        return [Effect(verb="filled", table=_table(found[1], found[2], schema))]
    return []


def _listed(names: str, schema: str) -> list[TableName]:
    return [_table(first, second, schema) for first, second in _leading_names(names)]


def _leading_names(names: str) -> list[tuple[str, str | None]]:
    found, at = [], 0
    pattern = re.compile(rf"\s*{_NAME}\s*(,?)", re.S)
    while match := pattern.match(names, at):
        found.append((match[1], match[2]))
        if not match[3]:
            break
        at = match.end()
    return found


def _renamed(pairs: str, schema: str) -> list[Effect]:
    """A swap brings the new table under the old name: that one is made and filled, the other one is gone."""
    effects = []
    for pair in re.finditer(rf"{_NAME}\s+TO\s+{_NAME}", pairs, re.I):
        effects.append(Effect(verb="DROP TABLE", table=_table(pair[1], pair[2], schema)))
        taken = _table(pair[3], pair[4], schema)
        effects += [Effect(verb="made", table=taken), Effect(verb="filled", table=taken)]
    return effects


def _table(first: str, second: str | None, schema: str) -> TableName:
    return TableName(schema=_bare(first), name=_bare(second)) if second else TableName(schema=schema, name=_bare(first))


def _bare(part: str) -> str:
    if part[0] in '`"':
        return part[1:-1].replace(part[0] * 2, part[0])
    return part
