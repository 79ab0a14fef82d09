"""Names and texts as they stand in SQL."""

from __future__ import annotations


def quoted(*parts: str) -> str:
    """Quote an identifier of one or more parts: `quoted("basis", "staging.apartments")`."""
    return ".".join("`" + part.replace("`", "``") + "`" for part in parts)


def literal(text: str) -> str:
    """Write a text as a string literal that means the same under every sql_mode (hexadecimal, with its charset)."""
    return f"_utf8mb4 X'{text.encode().hex()}'"
