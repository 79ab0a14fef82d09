"""The vocabulary of column kinds: what each is in SQL, and how a value of it is invented.

Values are kept as SQL literals from the start: the rows of a load are then joined, not formatted again each night.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random

from runbook_lib.rehearsal.story import words

NULL = "NULL"


@dataclass(kw_only=True)
class Draw:
    """What an invented value may depend on: the dice, the row's number, and the day it is written (aware UTC)."""

    rng: Random
    ordinal: int
    moment: datetime


Make = Callable[[Draw], str]


def text(value: str) -> str:
    """Write a text as an SQL literal (for a session without NO_BACKSLASH_ESCAPES)."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def octets(value: bytes) -> str:
    """Write bytes as an SQL literal."""
    return f"X'{value.hex()}'"


def moment_literal(moment: datetime) -> str:
    """Write a moment as the UTC text a session with time zone +00:00 stores."""
    return f"'{moment:%Y-%m-%d %H:%M:%S}'"


def _past(draw: Draw, days: int = 900) -> datetime:
    return draw.moment - timedelta(seconds=draw.rng.randrange(days * 86_400))


def _whole(least: int, most: int) -> Make:
    return lambda draw: str(draw.rng.randint(least, most))


def _one_in(chance: int, rare: str, make: Make) -> Make:
    return lambda draw: rare if draw.rng.randrange(chance) == 0 else make(draw)


def _json(draw: Draw) -> str:
    rng = draw.rng
    content = {
        "v": rng.randint(1, 3),
        "tags": rng.sample(["新規", "更新", "web", "電話", "至急 ⚡"], rng.randint(0, 3)),
        "score": rng.randint(0, 1000) / 8,
        "by": None if rng.random() < 0.3 else words.romaji(rng),
    }
    return text(json.dumps(content, ensure_ascii=False))


def _picture(draw: Draw) -> str:
    # a believable beginning, then bytes of every value, zero and invalid UTF-8 among them
    return octets(b"\xff\xd8\xff\xe0\x00\x10JFIF\x00" + draw.rng.randbytes(draw.rng.randint(40, 240)))


def _name(draw: Draw) -> str:
    return text(words.romaji(draw.rng).capitalize())


# kind: (SQL type, how a value is made). A kind with arguments, such as enum(a|b), is made by `kind` below.
KINDS: Mapping[str, tuple[str, Make]] = {
    "name": ("VARCHAR(60)", _name),
    "kana": ("VARCHAR(60)", lambda draw: text(words.kana(words.romaji(draw.rng)))),
    "house": ("VARCHAR(120)", lambda draw: text(words.house(draw.rng))),
    "address": ("VARCHAR(200)", lambda draw: text(words.address(draw.rng))),
    "title": ("VARCHAR(100)", lambda draw: text(draw.rng.choice(words.SENTENCES)[:24])),
    "email": ("VARCHAR(190)", lambda draw: text(words.mail(draw.rng, draw.ordinal))),
    "phone": ("VARCHAR(20)", lambda draw: text(words.phone(draw.rng))),
    "note": ("TEXT", _one_in(12, "''", lambda draw: text(draw.rng.choice(words.SENTENCES)))),
    "body": ("MEDIUMTEXT", lambda draw: text("\n".join(draw.rng.choices(words.SENTENCES, k=4)))),
    "code": ("VARCHAR(24)", lambda draw: text(f"{draw.rng.choice('ABCDEFGH')}-{draw.ordinal:05d}")),
    "ipv4": ("VARCHAR(45)", lambda draw: text(f"192.0.2.{draw.rng.randrange(256)}")),  # RFC 5737: documentation
    "count": ("INT", _whole(0, 40)),
    "small": ("SMALLINT", _whole(-300, 300)),
    "floor": ("TINYINT", _whole(-1, 12)),
    "yen": ("INT", lambda draw: str(draw.rng.randint(0, 1600) * 100)),
    "big": ("BIGINT UNSIGNED", _one_in(9, str(2**64 - 1), lambda draw: str(draw.rng.randrange(2**64)))),
    "money": ("DECIMAL(12,2)", lambda draw: f"{draw.rng.randint(-5_000, 20_000_000) / 100:.2f}"),
    "rate": ("DECIMAL(18,8)", lambda draw: f"{draw.rng.random() * 200:.8f}"),
    "float": ("FLOAT", lambda draw: repr(draw.rng.uniform(-1000, 1000))),
    "double": ("DOUBLE", _one_in(9, "0", lambda draw: repr(draw.rng.uniform(-1e9, 1e9)))),
    "flag": ("TINYINT(1)", _whole(0, 1)),
    "bits": ("BIT(12)", lambda draw: f"b'{draw.rng.randrange(4096):012b}'"),
    "date": ("DATE", lambda draw: f"'{_past(draw):%Y-%m-%d}'"),
    "day_ahead": ("DATE", lambda draw: f"'{draw.moment + timedelta(days=draw.rng.randint(1, 720)):%Y-%m-%d}'"),
    "old_date": ("DATE", _one_in(6, "'0000-00-00'", lambda draw: f"'{_past(draw, 4000):%Y-%m-%d}'")),
    "datetime": ("DATETIME", lambda draw: moment_literal(_past(draw))),
    "datetime6": ("DATETIME(6)", lambda draw: f"'{_past(draw):%Y-%m-%d %H:%M:%S}.{draw.rng.randrange(10**6):06d}'"),
    "timestamp": ("TIMESTAMP", lambda draw: moment_literal(_past(draw))),
    "touched": (
        "TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP",
        lambda draw: moment_literal(draw.moment),
    ),
    "time": ("TIME", lambda draw: f"'{draw.rng.randint(6, 22):02d}:{draw.rng.choice((0, 15, 30, 45)):02d}:00'"),
    "span": ("TIME(3)", lambda draw: f"'{draw.rng.choice(('', '-'))}{draw.rng.randint(0, 120):03d}:07:30.250'"),
    "year": ("YEAR", _whole(1985, 2025)),
    "json": ("JSON", _json),
    "picture": ("MEDIUMBLOB", _picture),
    "blob": ("BLOB", _one_in(10, "X''", lambda draw: octets(draw.rng.randbytes(draw.rng.randint(1, 90))))),
    "uuid": ("BINARY(16)", lambda draw: octets(draw.rng.randbytes(12) + draw.ordinal.to_bytes(4, "big"))),
    "digest": ("BINARY(32)", lambda draw: octets(draw.rng.randbytes(32))),
    "varbytes": ("VARBINARY(64)", lambda draw: octets(draw.rng.randbytes(draw.rng.randint(0, 64)))),
}


def kind(named: str) -> tuple[str, Make]:
    """Return SQL type and maker of a kind, also of `enum(a|b)` and `set(a|b)`."""
    if not named.endswith(")"):
        return KINDS[named]
    family, _, listed = named[:-1].partition("(")
    choices = listed.split("|")
    sql = f"{family.upper()}({','.join(text(choice) for choice in choices)})"
    if family == "enum":
        return sql, lambda draw: text(draw.rng.choice(choices))
    return sql, lambda draw: text(",".join(choice for choice in choices if draw.rng.random() < 0.4))
