"""A dump is cut into its statements as the client that loads it would, whatever its strings contain."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.schemas.dump import marks, rowscan
from runbook_lib.schemas.dump.lexer import Delimiter, End, Gap, Noise, Piece, Rows, Statement, pieces
from runbook_lib.schemas.dump.rowscan import RowScanner


def cut(text: bytes, size: int = 1 << 20) -> list[Piece]:
    return list(pieces(text[place : place + size] for place in range(0, len(text), size)))


def together(found: list[Piece]) -> bytes:
    parts: list[bytes] = []
    for piece in found:
        match piece:
            case Gap() | Delimiter() | Noise():
                parts.append(piece.data)
            case Statement():
                parts.append(piece.text + piece.ending)
            case Rows():
                parts.append(bytes(piece.data))
            case End():
                parts.append(piece.ending)
    return b"".join(parts)


def statements(found: list[Piece]) -> list[bytes]:
    """Return each statement whole, streamed or not, without its delimiter."""
    out: list[bytes] = []
    for piece in found:
        if isinstance(piece, Statement):
            out.append(piece.text)
        elif isinstance(piece, Rows):
            out[-1] += bytes(piece.data)
    return out


def naive(text: bytes) -> list[bytes]:
    """Cut at each `;` outside strings, names and comments, looking at one byte after the other."""
    out, place, start, real = [], 0, 0, False
    while place < len(text):
        rest = text[place:]
        if rest[:1] in (b"'", b'"', b"`"):
            end = place + 1
            while end < len(text) and text[end : end + 1] != rest[:1]:
                end += 2 if text[end : end + 1] == b"\\" and rest[:1] != b"`" else 1
            place, real = end + 1, True
        elif rest[:1] == b"#" or (rest[:2] == b"--" and (len(rest) == 2 or rest[2] <= 32)):
            found = text.find(b"\n", place)
            place = len(text) if found < 0 else found + 1
        elif rest[:2] == b"/*" and rest[2:3] != b"!" and rest[2:4] != b"M!":
            found = text.find(b"*/", place + 2)
            place = len(text) if found < 0 else found + 2
        elif rest[:1] == b";":
            out.append(text[start:place])
            place, real = place + 1, False
            start = place
        else:
            real = real or rest[0] > 32
            place += 1
    return out + ([text[start:]] if real else [])


def without_gap(statement: bytes) -> bytes:
    """Take comments and blanks off a statement's beginning, as the lexer hands them over before it."""
    found = cut(statement + b";")
    return statements(found)[0] if statements(found) else b""


FRAGMENTS = [
    b"'plain'", b"'it''s'", b"'it\\'s'", b"'\\\\'", b"'; DROP TABLE x; '", b"'\nUSE basis;\n'", b'"say \'x\'; y"',
    b"`odd;name`", b"-- it's; not\n", b"# ; '\n", b"/* ; ' */", b"/*!40101 SET x='a;b' */", b"--5", b"- 5", b"4/2*3",
    b"(1,'a'),(2,NULL)", b"INSERT INTO `t` VALUES (1,'a;b',0x3B27)",
    b"REPLACE INTO `a`.`b` (`c`,`d`) VALUES\n(-1,'\\'')",
    b"INSERT INTO t VALUES ('x') /* '; */,('y') -- ';\n,(\"it's;\")", b";", b";\n", b"\n", b" ", b"_binary 'a\\0;\\Z'",
    b"'\xe8\xa1\xa8\\\\'", b"CREATE TABLE `x` (`a` int)", b",", b"(",
    b"'" + b"\\\\" * 40 + b"'", b"'" + b"a" * 70 + b"'",
]  # fmt: skip


@settings(max_examples=300, deadline=None)
@given(chosen=st.lists(st.sampled_from(FRAGMENTS), max_size=30), size=st.sampled_from([1, 2, 3, 7, 64, 65, 1000]))
def test_statements_end_where_a_byte_by_byte_reading_ends_them(chosen: list[bytes], size: int) -> None:
    text = b"".join(chosen)
    found = cut(text, size)
    assert together(found) == text
    assert [s for s in statements(found) if s] == [s for s in map(without_gap, naive(text)) if s]


@pytest.mark.parametrize("seed", range(8))
def test_row_data_is_scanned_as_a_byte_by_byte_reading_would(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs of backslashes and quotes lie across every boundary of the scan: words, turns and blocks."""
    for module in (marks, rowscan):
        monkeypatch.setattr(module, "STEP", 4096)
    chance = random.Random(seed)
    weights = [(30, 2, 2), (3, 1, 30), (60, 1, 0), (90_000, 1, 9)][seed % 4]
    text = b"".join(chance.choices([b"ab;", b"\\", b"'x'"], weights=weights, k=120_000))
    # Inside one string: every quote that is not escaped is doubled, so that the string goes on to the end.
    body, escaped = bytearray(), False
    for byte in text:
        body.append(byte)
        if byte == 0x27 and not escaped:
            body.append(byte)
        escaped = byte == 0x5C and not escaped
    data = b"'" + bytes(body) + (b"\\" if escaped else b"") + b"',1);DROP"
    expected = len(data) - len(b";DROP")
    scanner = RowScanner()
    assert scanner.stop(data, 0, inside=False, escaped=False) == (expected, False, False)
    place, inside, was_escaped = 0, False, False
    while place < len(data):  # the same in blocks of odd sizes
        block = data[place : place + chance.randrange(1, 70_000)]
        stop, inside, was_escaped = scanner.stop(block, 0, inside=inside, escaped=was_escaped)
        place += stop
        if stop < len(block):
            break
    assert place == expected


def test_a_run_of_backslashes_longer_than_a_word_keeps_its_parity() -> None:
    for length in range(120, 140):
        data = b"'" + b"\\" * length + b"';x';"
        even = length % 2 == 0
        expected = data.index(b"';") + 1 if even else len(data) - 1
        assert RowScanner().stop(data, 0, inside=False, escaped=False)[0] == expected


def test_a_delimiter_line_holds_until_the_next() -> None:
    text = b"DELIMITER ;;\nCREATE PROCEDURE p() BEGIN SELECT ';;'; SELECT 2; END ;;\ndelimiter ;\nSELECT 1;\n"
    assert statements(cut(text)) == [b"CREATE PROCEDURE p() BEGIN SELECT ';;'; SELECT 2; END ", b"SELECT 1"]


def test_without_backslash_escapes_a_backslash_ends_no_string() -> None:
    text = (
        b"/*!40101 SET @OLD_SQL_MODE=@@SQL_MODE, SQL_MODE='NO_BACKSLASH_ESCAPES' */;\n"
        b"INSERT INTO t VALUES ('C:\\');\nDROP TABLE seen;\nSET SQL_MODE=@OLD_SQL_MODE;\n"
        b"INSERT INTO t VALUES ('it\\'s; DROP TABLE hidden;');\n"
    )
    found = statements(cut(text))
    assert b"DROP TABLE seen" in found
    assert found[-1] == b"INSERT INTO t VALUES ('it\\'s; DROP TABLE hidden;')"


def test_in_cp932_a_letter_may_end_in_the_byte_of_a_backslash() -> None:
    text = "SET NAMES cp932;\nINSERT INTO t VALUES ('表');\nDROP TABLE seen;\n".encode("cp932")
    assert statements(cut(text))[-1] == b"DROP TABLE seen"


@pytest.mark.parametrize(
    ("text", "inside"),
    [
        (b"INSERT INTO t VALUES (1,'a'),(2,'b", True),
        (b"INSERT INTO t VALUES (1,'a'),(2", False),
    ],
)
def test_a_dump_that_stops_within_row_data_says_where(text: bytes, inside: bool) -> None:
    for size in (3, 1000):
        end = cut(text, size)[-1]
        assert isinstance(end, End)
        assert (end.ending, end.inside) == (b"", inside)


def test_messages_of_the_dump_tool_are_not_taken_for_sql() -> None:
    text = b"mysqldump: [Warning] Using a password on the command line; it's bad\n-- MySQL dump\nUSE x;\n"
    found = cut(text)
    assert isinstance(found[0], Noise)
    assert statements(found) == [b"USE x"]


def test_a_statement_of_many_megabytes_is_streamed() -> None:
    def blocks() -> Iterator[bytes]:
        yield b"INSERT INTO `t` SELECT "
        for _ in range(8):
            yield b"'" + b"x;" * 500_000 + b"',"
        yield b"1;USE y;"

    longest = 0
    found = []
    for piece in pieces(blocks()):
        longest = max(longest, len(getattr(piece, "data", b"")), len(getattr(piece, "text", b"")))
        found.append(piece)
    assert statements(found)[1] == b"USE y"
    assert longest < 8 << 20  # a window grows by doubling up to the largest statement held whole


def test_what_ends_half_way_is_not_taken_for_whole() -> None:
    """It should hold on Debian 12's Python 3.11.2 too, whose possessive groups keep what a failed turn had taken."""
    plain, single = cut(b"SELECT 'never ended; /* nor this * one; "), cut(b"/* a * b */ SELECT 'a' - 1 /2; SELECT 3;")
    assert statements(plain) == [b"SELECT 'never ended; /* nor this * one; "]
    assert statements(single) == [b"SELECT 'a' - 1 /2", b"SELECT 3"]


@pytest.mark.parametrize(
    "between", [b"-", b"--5", b"---", b"--- x;'\n", b"---- y'\n", b"-- z;\n", b"/-- ';\n", b"--/*;'*/"]
)
def test_dashes_are_told_wherever_a_block_ends(between: bytes) -> None:
    """Two and a blank begin a comment, also behind a third, also where a block ends among them."""
    text = b"INSERT INTO `t` VALUES (1,'a')" + between + b"'a;b',('c');\nSELECT 2;\n"
    for size in (*range(1, len(text) + 1), 1000):
        found = cut(text, size)
        assert together(found) == text
        assert [s for s in statements(found) if s] == [s for s in map(without_gap, naive(text)) if s]
