"""The hashes of many rows become the same number on every server, whatever it computes with and however it is cut."""

from __future__ import annotations

from functools import reduce
from hashlib import sha224
from operator import xor

import pytest

from runbook_lib.proof import facts, hold
from runbook_lib.proof.folding import SUM, XOR, arithmetic_of, folded, joined, number
from tests.proving import TwoServers, counts, numbers

KEYED = "CREATE TABLE t (id INT PRIMARY KEY, name VARCHAR(20))"
ROWS = numbers("t", "", range(1, 9001), "{n}, CONCAT('name ', {n})")


def last_eight(text: str) -> int:
    """Return the last eight bytes of a text's hash as a number, without any server."""
    return int.from_bytes(sha224(text.encode()).digest()[-8:], "big")


def with_byte(place: int, byte: int) -> str:
    """Return a text of which the hash has this byte at this place."""
    return next(text for text in map(str, range(100_000)) if sha224(text.encode()).digest()[place] == byte)


@pytest.mark.parametrize(
    "texts", [[], ["a"], [with_byte(-8, 0)], [with_byte(-1, 0)], [with_byte(-8, 255)], list("abcde")]
)
def test_every_arithmetic_folds_to_what_the_hashes_themselves_give(two_servers: TwoServers, texts: list[str]) -> None:
    two_servers.begin("CREATE TABLE t (v VARCHAR(20))", *(f"INSERT INTO t VALUES ('{text}')" for text in texts))
    database = two_servers.expected
    hashes = [last_eight(text) for text in texts]
    assert arithmetic_of(database) != "numbers", "each of these servers has something faster"
    for arithmetic in {arithmetic_of(database), "numbers"}:
        for fold, total in ((XOR, reduce(xor, hashes, 0)), (SUM, sum(hashes))):
            value = database.value(f"SELECT {folded('SHA2(v, 224)', fold, arithmetic)} FROM t")
            assert number(value, fold, arithmetic) == total


def test_a_proof_keeps_the_same_numbers_whatever_its_servers_compute_with(
    two_servers: TwoServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    two_servers.begin(KEYED, ROWS)
    fast = two_servers.table()
    monkeypatch.setattr(facts, "arithmetic_of", lambda _database: "numbers")
    plain = two_servers.table()
    assert fast.digest == plain.digest
    assert fast.digest is not None
    assert fast.digest.total.bit_length() > 48


def test_what_a_table_folds_to_does_not_depend_on_where_it_was_cut(two_servers: TwoServers) -> None:
    two_servers.begin(KEYED, ROWS)
    whole = two_servers.table().digest
    two_servers.change("DELETE FROM t WHERE id % 9 = 0")
    cut = two_servers.table()
    assert counts(cut) == (1000, 0, 0)
    assert cut.expected_digest == whole
    assert (joined(5, 3, XOR), joined(5, 3, SUM)) == (6, 8)


@pytest.mark.parametrize("first", ["with a key", "without a key"])
def test_a_table_that_got_or_lost_its_key_is_held_against_its_earlier_digest(
    two_servers: TwoServers, first: str
) -> None:
    bare = KEYED.replace("INT PRIMARY KEY", "INT NOT NULL")
    two_servers.begin(KEYED if first == "with a key" else bare, ROWS)
    earlier = two_servers.prove()
    two_servers.change(f"ALTER TABLE t {'DROP' if first == 'with a key' else 'ADD'} PRIMARY KEY"
                       f"{' (id)' if first != 'with a key' else ''}")  # fmt: skip
    assert hold(two_servers.side("found"), earlier).verdict == "same"
    two_servers.change("UPDATE t SET name = 'name 2' WHERE id = 1", "UPDATE t SET name = 'name 1' WHERE id = 2")
    assert [table.verdict for table in hold(two_servers.side("found"), earlier).tables] == ["damaged"]


def test_a_row_there_twice_in_place_of_another_is_not_cancelled_out(two_servers: TwoServers) -> None:
    two_servers.begin(KEYED, ROWS)
    earlier = two_servers.prove()
    two_servers.change("ALTER TABLE t DROP PRIMARY KEY", "UPDATE t SET id = 1, name = 'name 1' WHERE id = 2")
    assert [table.verdict for table in hold(two_servers.side("found"), earlier).tables] == ["damaged"]
