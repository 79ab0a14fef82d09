"""Fold the hashes of many rows into one number of 64 bits, as fast as each server can.

The number is made of the last eight bytes of each row's hash, the last of them the lowest.

- **XOR**, where a unique key tells the rows of a table apart and is hashed with them. With the exact number of rows,
  two different sets of rows have the same with a chance of one in 2^64. What makes BIT_XOR(CRC32(…)) call unequal
  tables equal does not happen: SHA-2 is not linear, so that two rows which swapped a value do not cancel out, and no
  row is there twice. Even where only one of the two sides has its rows told apart that holds: with as many rows as the
  other, it has none to spare for a pair that cancels out.
- **Sum**, exact, where nothing tells rows apart: equal rows are counted, not cancelled.

Both hold by chance, not against somebody who looks for such rows on purpose.

MySQL 8.0 has bit operations on binary strings (MySQL manual, Bit Functions and Operators), so that no row's hash is
made a number: a sixth less time than with CONV. MariaDB reads eight bytes as a number fastest as an integer of a
dynamic column (MariaDB manual, Dynamic Columns), where they stand the lowest first.
"""

from __future__ import annotations

from typing import Literal

from runbook_lib.mysql import Database

Fold = Literal["xor", "sum"]
XOR: Fold = "xor"
SUM: Fold = "sum"

Arithmetic = Literal["binary strings", "dynamic columns", "numbers"]
"""What a server has to XOR hashes with; every one has the last."""

DIGITS = 56
"""Hexadecimal digits of a row's hash."""
_EIGHT_BYTES = 8
_FIRST_WITH_BINARY_STRINGS = 8
_COLUMN_1_UNSIGNED = "000100010001"
"""What stands before the eight bytes of an unsigned integer in a dynamic column that is the only one, number 1."""


def arithmetic_of(database: Database) -> Arithmetic:
    """Tell what a server XORs hashes with fastest."""
    if database.is_mariadb:
        return "dynamic columns"
    major = database.version.partition(".")[0]
    return "binary strings" if major.isdecimal() and int(major) >= _FIRST_WITH_BINARY_STRINGS else "numbers"


def folded(hexadecimal: str, fold: Fold, arithmetic: Arithmetic) -> str:
    """Return the SQL expression that folds the rows' hashes, each given by an expression for its `DIGITS`.

    Where they are added up it may be fewer digits. Its value is for `number` to read.
    """
    as_number = f"CAST(CONV(RIGHT({hexadecimal}, 16), 16, 10) AS UNSIGNED)"
    if fold == SUM:
        return f"SUM({as_number})"
    if arithmetic == "binary strings":
        return f"BIT_XOR(UNHEX({hexadecimal}))"
    if arithmetic == "dynamic columns":
        column = f"UNHEX(INSERT({hexadecimal}, 1, {DIGITS - 2 * _EIGHT_BYTES}, '{_COLUMN_1_UNSIGNED}'))"
        return f"BIT_XOR(COLUMN_GET({column}, 1 AS UNSIGNED INTEGER))"
    return f"BIT_XOR({as_number})"


def number(value: object, fold: Fold, arithmetic: Arithmetic) -> int:
    """Read what the server made of `folded`: the same number on every server. No rows give 0."""
    if value is None:
        return 0
    if isinstance(value, bytes):
        return int.from_bytes(value[-_EIGHT_BYTES:], "big")
    read = int(str(value))
    if fold == XOR and arithmetic == "dynamic columns":
        return int.from_bytes(read.to_bytes(_EIGHT_BYTES, "little"), "big")
    return read


def joined(one: int, other: int, fold: Fold) -> int:
    """Return the number of two parts of a table together."""
    return one ^ other if fold == XOR else one + other
