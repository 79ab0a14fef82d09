"""The statements at the head of a cleaned dump that stop a load which would be read otherwise than it was here."""

from __future__ import annotations

import re

from runbook_lib.schemas.dump.syntax import LETTERS

_STOPS = b"SET @runbook_guard = (SELECT 1 FROM (SELECT 1 AS one UNION SELECT 2) AS two WHERE "  # error 1242
_MODES = b"FIND_IN_SET('ANSI_QUOTES', @@sql_mode) OR FIND_IN_SET('NO_BACKSLASH_ESCAPES', @@sql_mode)"
_SAVES = b"SET @runbook_charset = @@character_set_client"
_IN = b"@runbook_charset IN (" + b", ".join(f"'{name}'".encode() for name in sorted(LETTERS)) + b")"
_OWN = re.compile(
    re.escape(_STOPS)
    + rb"(?:NOT \(DATABASE\(\) <=> _utf8mb4 X'[0-9a-f]*'\) OR " + re.escape(_MODES)
    + rb"|NOT \(@runbook_charset <=> '\w+'\)|" + re.escape(_IN) + rb")\)|" + re.escape(_SAVES)
)  # fmt: skip


def opening(schema: str) -> bytes:
    """Return the head: it stops the load when another schema, or none, is chosen, or quotes mean something else."""
    return (
        (
            f"-- Cleaned: everything below goes into the schema {_shown(schema)} and nowhere else. The next\n"
            "-- statements stop the load (error 1242) when another schema, or none, is chosen, or the client's\n"
            "-- settings would have it read otherwise. With the client's --force nothing stops it: do not use that.\n"
        ).encode()
        + _SAVES + b";\n" + _STOPS + b"NOT (DATABASE() <=> " + literal_bytes(schema) + b") OR " + _MODES + b");\n"
    )  # fmt: skip


def of_charset(charset: str) -> bytes:
    """Return the statement that stops a client which cuts the dump by another character set than it is written in."""
    asked = f"NOT (@runbook_charset <=> '{charset}')".encode() if charset else _IN
    return _STOPS + asked + b")"


def is_guard(statement: bytes) -> bool:
    """Tell whether a statement is one of these."""
    return _OWN.fullmatch(statement) is not None


def literal_bytes(text: str) -> bytes:
    """Write a text as `runbook_lib.mysql.literal` does, whose import (of a driver) takes longer than a small dump."""
    return f"_utf8mb4 X'{text.encode().hex()}'".encode()


def _shown(text: str) -> str:
    return " ".join(text.split())
