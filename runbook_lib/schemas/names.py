"""Names that only quoting makes possible, what is wrong with each, and what they were meant to be."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection
from dataclasses import dataclass

_PLAIN = re.compile(r"[0-9A-Za-z$_\u0080-\uffff]+")  # MySQL manual, "Schema Object Names": allowed without quotes
_ORDINARY = re.compile(r"[A-Za-z_$][0-9A-Za-z_$]*")
_INVISIBLE = {"Cf", "Cc", "Zl", "Zp"}  # format and control characters, line and paragraph separators


@dataclass(frozen=True, kw_only=True)
class MalformedName:
    """A name with what is wrong about it (in words) and the name that was probably meant, if that can be told."""

    name: str
    faults: tuple[str, ...]
    meant: str = ""
    meant_schema: str = ""

    @property
    def shown(self) -> str:
        """Return the name with every character visible."""
        return visible(self.name)


def visible(name: str) -> str:
    """Write a name so that invisible and look-alike characters show: `apart\\u200bments`."""
    odd = _look_alikes(name)
    return "".join(char if char.isprintable() and char not in odd else f"\\u{ord(char):04x}" for char in name)


def malformed(name: str) -> MalformedName | None:
    """Judge one name.

    A name outside ASCII is no fault in itself (a Japanese estate has Japanese columns); one that mixes scripts is.
    """
    if _ORDINARY.fullmatch(name):
        return None  # nearly every name there is
    faults = []
    if "." in name:
        faults.append("a dot in the name")
    if re.search(r"\s", name):
        faults.append("a space at its end" if name != name.rstrip() else "a space in the name")
    if any(unicodedata.category(char) in _INVISIBLE and not char.isspace() for char in name):
        faults.append("an invisible or control character")
    if alike := sorted(_look_alikes(name)):
        faults.append("look-alike characters: " + ", ".join(unicodedata.name(char, "unnamed") for char in alike))
    rest = re.sub(r"[.\s]", "", name)
    if not faults and (not _PLAIN.fullmatch(rest) or name.isdigit()):
        faults.append("only digits" if name.isdigit() else "characters that need quoting")
    if not faults:
        return None
    schema, table = _meant(name)
    return MalformedName(name=name, faults=tuple(faults), meant=table, meant_schema=schema)


def _look_alikes(name: str) -> set[str]:
    """Return the letters that look like ASCII ones, of a name that has ASCII letters too; a name of its own is fine."""
    mixed = any(char.isascii() and char.isalpha() for char in name)
    return {char for char in name if _odd(char)} if mixed else set()


def _odd(char: str) -> bool:
    """Tell a letter that looks like an ASCII one but is not: full-width forms, Cyrillic and Greek letters."""
    if char.isascii():
        return False
    label = unicodedata.name(char, "")
    return label.startswith(("CYRILLIC", "GREEK", "FULLWIDTH LATIN", "FULLWIDTH DIGIT", "FULLWIDTH LOW LINE"))


def _meant(name: str) -> tuple[str, str]:
    """Tell what a name was meant to be: `staging.apartments` quoted as one name is the table in that schema."""
    cleaned = "".join(char for char in name if unicodedata.category(char) not in _INVISIBLE)
    cleaned = (unicodedata.normalize("NFKC", cleaned) if _look_alikes(cleaned) else cleaned).strip()
    schema, dot, table = cleaned.partition(".")
    if dot:
        words = all(_PLAIN.fullmatch(part) and not part[0].isdigit() for part in (schema, table))
        return (schema, table) if words else ("", "")
    return ("", cleaned) if cleaned != name and _PLAIN.fullmatch(cleaned) else ("", "")


def same_but_for_case(names: Collection[str]) -> tuple[tuple[str, ...], ...]:
    """Group the names that differ by case only: one table where lower_case_table_names is 1, several where it is 0."""
    groups: dict[str, list[str]] = {}
    for name in names:
        groups.setdefault(name.casefold(), []).append(name)
    return tuple(tuple(sorted(group)) for group in groups.values() if len(group) > 1)
