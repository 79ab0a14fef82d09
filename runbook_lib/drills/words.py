"""The words of a logged statement that changes definitions: which tables it names, whether values stay as they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from runbook_lib.inventory import TableName
from runbook_lib.mysql.lexer import Token

# what a part of ALTER TABLE may begin with that leaves the values of the columns that stay as they are
_KEEPS = frozenset({"ALGORITHM", "LOCK", "COMMENT", "AUTO_INCREMENT", "FORCE", "ENABLE", "DISABLE", "ENGINE",
                    "ROW_FORMAT", "STATS_PERSISTENT", "VALIDATION", "WITH", "WITHOUT", "NOWAIT"})  # fmt: skip


class Words:
    """The words of a statement that changes definitions."""

    def __init__(self, words: Iterable[Token]) -> None:
        self._words = [word for word in words if word.text != ";"]
        self.names = [word.text for word in self._words if word.kind in ("word", "name")]

    def begins(self, verbs: Iterable[str]) -> bool:
        """Tell whether it begins with one of these words."""
        return bool(self._words) and self._words[0].is_word(*verbs)

    @property
    def of_index(self) -> bool:
        """Tell CREATE INDEX and DROP INDEX."""
        return self.begins({"CREATE", "DROP"}) and any(word.is_word("INDEX") for word in self._words[1:4])

    def of_index_table(self, schema: str) -> TableName:
        """Return the table of CREATE INDEX or DROP INDEX."""
        return self._named(next((n for n, word in enumerate(self._words) if word.is_word("ON")), 0) + 1, schema)[0]

    def altered(self, schema: str) -> TableName | None:
        """Return the table of an ALTER TABLE."""
        place = next((n for n, word in enumerate(self._words[:5]) if word.is_word("TABLE")), None)
        if not self.begins({"ALTER"}) or place is None:
            return None
        if [word.text.upper() for word in self._words[place + 1 : place + 3]] == ["IF", "EXISTS"]:
            place += 2
        return self._named(place + 1, schema)[0]

    def _named(self, place: int, schema: str) -> tuple[TableName, int]:
        texts = [word.text for word in self._words[place : place + 3]] + ["", "", ""]
        if texts[1] == ".":
            return TableName(schema=texts[0], name=texts[2]), place + 3
        return TableName(schema=schema, name=texts[0]), place + 1

    @property
    def keeps_values(self) -> bool:
        """Tell an ALTER TABLE of which every part is known to leave the values of the columns that stay as they are."""
        place = next(n for n, word in enumerate(self._words) if word.is_word("TABLE"))
        if [word.text.upper() for word in self._words[place + 1 : place + 3]] == ["IF", "EXISTS"]:
            place += 2
        _, at = self._named(place + 1, "")
        depth, parts = 0, list[list[Token]]([[]])
        for word in self._words[at:]:
            depth += (word.text == "(") - (word.text == ")")
            if word.text == "," and depth == 0:
                parts.append([])
            else:
                parts[-1].append(word)
        return all(map(_keeps, parts))


def _keeps(part: Sequence[Token]) -> bool:
    if not part or part[0].kind != "word":
        return False
    first, second = part[0].text.upper(), part[1] if len(part) > 1 else Token("mark", "")
    if first == "ADD":
        return not second.is_word("PARTITION", "PERIOD", "SYSTEM")
    if first == "DROP":
        return not second.is_word("PARTITION", "PERIOD", "SYSTEM")
    if first == "RENAME":
        return second.is_word("INDEX", "KEY")
    if first == "ALTER":
        return second.is_word("INDEX", "CHECK", "CONSTRAINT")
    return first in _KEEPS
