"""The stages of a dump run side by side, and neither an error nor an early end is lost between them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from runbook_lib.schemas.dump.pipeline import WriteBehind, ahead, worked_ahead


def test_everything_arrives_in_order() -> None:
    assert list(ahead(iter(range(1000)), depth=3)) == list(range(1000))


def test_an_error_is_raised_after_what_came_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise OSError("the disk is gone")

    found: list[int] = []
    with pytest.raises(OSError, match="the disk is gone"):
        found.extend(ahead(items(), depth=3))
    assert found == [1]


def test_a_reader_that_stops_early_ends_the_thread() -> None:
    before = threading.active_count()
    reading = ahead(iter(range(1000)), depth=2)
    assert next(reading) == 0
    assert threading.active_count() == before + 1
    reading.close()
    assert threading.active_count() == before


def test_each_item_comes_in_order_with_the_result_of_the_work_on_it() -> None:
    assert list(worked_ahead(iter(range(1000)), lambda number: number * 2, depth=3)) == [
        (n, n * 2) for n in range(1000)
    ]


def test_work_goes_ahead_as_far_as_it_may_and_no_further() -> None:
    taken: list[int] = []
    worked = threading.Semaphore(0)

    def items() -> Iterator[int]:
        for number in range(1000):
            taken.append(number)
            yield number

    working = worked_ahead(items(), lambda number: worked.release(), depth=2)
    assert next(working) == (0, None)
    assert [worked.acquire(timeout=10) for _ in range(3)] == [True] * 3, "two more than the one that was given"
    assert taken == [0, 1, 2]
    working.close()


def test_an_error_of_the_work_is_raised_after_the_results_before_it() -> None:
    def work(number: int) -> int:
        if number == 2:
            raise ValueError("not this one")
        return number

    found: list[tuple[int, int]] = []
    with pytest.raises(ValueError, match="not this one"):
        found.extend(worked_ahead(iter(range(9)), work, depth=3))
    assert found == [(0, 0), (1, 1)]


@pytest.mark.parametrize("ends", ["early", "with an error of the items"])
def test_no_thread_is_left_when_the_work_ends_before_its_end(ends: str) -> None:
    def items() -> Iterator[int]:
        yield from range(3)
        raise OSError("the disk is gone")

    before = threading.active_count()
    working = worked_ahead(items(), lambda number: number, depth=1)
    assert next(working) == (0, 0)
    assert threading.active_count() == before + 1
    if ends == "early":
        working.close()
    else:
        with pytest.raises(OSError, match="the disk is gone"):
            list(working)
    assert threading.active_count() == before


def test_what_is_handed_over_is_written_in_order_before_it_is_left() -> None:
    written: list[bytes] = []
    with WriteBehind(lambda data: written.append(bytes(data)), depth=2) as behind:
        for number in range(100):
            behind.write(b"%d" % number)
    assert written == [b"%d" % number for number in range(100)]


def test_a_full_disk_is_told_and_nothing_is_written_after_it() -> None:
    written: list[bytes] = []

    def write(data: bytes | memoryview) -> None:
        if data == b"3":
            raise OSError(28, "No space left on device")
        written.append(bytes(data))

    def write_all() -> None:
        with WriteBehind(write, depth=1) as behind:
            for number in range(1000):
                behind.write(b"%d" % number)

    with pytest.raises(OSError, match="No space left"):
        write_all()
    assert written == [b"0", b"1", b"2"]


def test_who_writes_much_is_told_of_a_full_disk_while_writing() -> None:
    """Pieces are handed over many at once; the one who writes must not go on to the end for nothing."""

    def write(data: bytes | memoryview) -> None:
        raise OSError(28, "No space left on device")

    def write_without_end() -> None:
        with WriteBehind(write, depth=1) as behind:
            while True:
                behind.write(bytes(1 << 16))

    with pytest.raises(OSError, match="No space left"):
        write_without_end()


def test_an_error_of_the_one_who_writes_is_not_hidden() -> None:
    with pytest.raises(ValueError, match="mine"), WriteBehind(lambda data: None, depth=1):
        raise ValueError("mine")
