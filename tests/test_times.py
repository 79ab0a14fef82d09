"""Timestamps are taken only when they can mean one thing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import product
from zoneinfo import ZoneInfo, available_timezones

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runbook_lib.errors import InputRefused
from runbook_lib.times import (
    TimeWindow,
    ago,
    duration_text,
    full_text,
    iso,
    parse_timestamp,
    reader_zone,
    zone_named,
)

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-02-04T10:00:00Z", "2026-02-04T10:00:00Z"),
        ("2026-02-04 10:00:00Z", "2026-02-04T10:00:00Z"),
        ("2026-02-04T10:00Z", "2026-02-04T10:00:00Z"),
        ("2026-02-04T19:00:00+09:00", "2026-02-04T10:00:00Z"),
        ("2026-02-04T19:00:00+0900", "2026-02-04T10:00:00Z"),
        ("2026-02-04T06:30:00-03:30", "2026-02-04T10:00:00Z"),
        ("2026-02-04 19:00 Asia/Tokyo", "2026-02-04T10:00:00Z"),
        ("2026-02-04 19:00:01 asia/tokyo", "2026-02-04T10:00:01Z"),
        ("2026-02-04 10:00 UTC", "2026-02-04T10:00:00Z"),
        ("  45 minutes ago ", "2026-11-22T11:15:00Z"),
        ("1 hour ago", "2026-11-22T11:00:00Z"),
        ("2 days ago", "2026-11-20T12:00:00Z"),
        ("2024-02-29T00:00:00Z", "2024-02-29T00:00:00Z"),
        ("2026-02-04T15:45:00+05:45", "2026-02-04T10:00:00Z"),
        ("2026-02-04T10:00:00+00:00", "2026-02-04T10:00:00Z"),
        ("2026-02-03T22:00:00-1200", "2026-02-04T10:00:00Z"),
        ("2026-02-04T10:00:30,25Z", "2026-02-04T10:00:30Z"),
    ],
)
def test_a_clear_moment_is_read(text: str, expected: str) -> None:
    moment = parse_timestamp(text, now=NOW).moment
    assert moment is not None
    assert iso(moment) == expected
    assert moment.utcoffset() == timedelta()


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("2026-02-04 10:00", "no zone"),
        ("2026-02-04T10:00:00", "no zone"),
        ("05/11/2026", "day/month"),
        ("5.11.2026 10:00", "day/month"),
        ("1762344000", "epoch"),
        ("1762344000.5", "epoch"),
        ("2026-03-29 02:30 Europe/Berlin", "skipped"),
        ("2026-10-25 02:30 Europe/Berlin", "twice"),
        ("2026-11-22T12:00:01Z", "future"),
        ("2026-02-30T00:00:00Z", "does not exist"),
        ("2026-02-04T23:59:60Z", "does not exist"),
        ("2026-02-04T24:00:00Z", "does not exist"),
        ("2026-02-04T10:00:00+15:00", "offset"),
        ("2026-02-04T10:00:00+09:75", "offset"),
        ("2026-02-04 19:00 JST", "not a zone"),
        ("2026-02-04 19:00 EST", "not a zone"),
        ("2026-02-04 19:00 Asia/Tokio", "not a zone"),
        ("999999 days ago", "before all calendars"),
        ("in 5 minutes", "cannot be read"),
        ("yesterday", "cannot be read"),
        ("20260204T100000Z", "cannot be read"),
        ("2026-02-04T10:00.5Z", "part of a minute"),
        ("2026-02-04 10:00,25 Asia/Tokyo", "part of a minute"),
        ("2026-02-04T10.5Z", "part of a minute"),
        ("2026-02-04T10:00:00-13:00", "offset"),
        ("2026-02-04T10:00:00-14:00", "offset"),
        ("2026-02-04T10:00:00+05:37", "offset"),
        ("2026-02-04T10:00:00-00:00", "offset"),
        ("2026-02-04T10:00:00-0000", "offset"),
        ("2026-02-04T10:00:00+00:30", "offset"),
        ("2026-02-04 10:00 Etc/GMT+9", "other way round"),
        ("2026-02-04 10:00 etc/gmt-14", "other way round"),
        ("2026-02-04 10:00 GMT+9", "other way round"),
        ("0001-01-01T00:00:00+14:00", "before all calendars"),
        ("0001-01-01T00:00:00Z", "before all calendars"),
        ("0001-01-01 00:00 Asia/Tokyo", "before all calendars"),
        ("9999-12-31T23:59:59-05:00", "after them"),
        ("9999-12-31 23:59 America/New_York", "after them"),
        ("1969-12-31T23:59:59Z", "before all calendars"),
        ("21000 days ago", "before all calendars"),
        ("２０２６-02-04T10:00:00Z", "cannot be read"),
        ("٢ days ago", "cannot be read"),
        ("2026-02-04", "cannot be read"),
        ("", "cannot be read"),
    ],
)
def test_an_unclear_moment_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(InputRefused) as refusal:
        parse_timestamp(text, now=NOW)
    assert says in refusal.value.message
    assert refusal.value.hint
    assert refusal.value.exit_code == 2


def test_every_offset_that_a_zone_has_is_taken() -> None:
    for zone, days in product(available_timezones(), (0, 180)):
        at = NOW - timedelta(days=days)
        local = at.astimezone(ZoneInfo(zone))
        assert parse_timestamp(local.isoformat(timespec="seconds"), now=NOW).moment == at


def test_a_time_that_happened_twice_names_both_moments() -> None:
    with pytest.raises(InputRefused) as refusal:
        parse_timestamp("2026-10-25 02:30 Europe/Berlin", now=NOW)
    assert '"2026-10-25T00:30:00Z" or "2026-10-25T01:30:00Z"' in refusal.value.hint


def test_the_part_below_a_second_is_cut_and_it_says_so() -> None:
    asked = parse_timestamp("2026-02-04T10:00:00.999Z", now=NOW)
    assert asked.moment == datetime(2026, 2, 4, 10, 0, tzinfo=UTC)
    assert ".999" in asked.note


def test_latest_is_left_to_the_window() -> None:
    assert parse_timestamp(" Latest", now=NOW).moment is None


WINDOW = TimeWindow(earliest=NOW - timedelta(days=7, microseconds=-400_000), latest=NOW - timedelta(minutes=3))


def test_a_moment_in_the_window_is_taken_as_it_is() -> None:
    asked = parse_timestamp("2 days ago", now=NOW)
    assert WINDOW.resolve(asked, now=NOW) == asked.moment


def test_latest_is_the_last_whole_second_of_the_window() -> None:
    window = TimeWindow(earliest=WINDOW.earliest, latest=WINDOW.latest + timedelta(milliseconds=300))
    assert window.resolve(parse_timestamp("latest", now=NOW), now=NOW) == WINDOW.latest


@pytest.mark.parametrize(
    ("text", "limit", "nearest"),
    [
        ("8 days ago", "2026-11-15 12:00:00 UTC", "2026-11-15T12:00:01Z"),
        ("1 minute ago", "2026-11-22 11:57:00 UTC", "2026-11-22T11:57:00Z"),
    ],
)
def test_outside_the_window_names_the_moment_the_limit_and_the_nearest(text: str, limit: str, nearest: str) -> None:
    asked = parse_timestamp(text, now=NOW)
    assert asked.moment is not None
    with pytest.raises(InputRefused) as refusal:
        WINDOW.resolve(asked, now=NOW)
    assert asked.moment.strftime("%Y-%m-%d %H:%M:%S UTC") in refusal.value.message
    assert limit in refusal.value.message
    assert nearest in refusal.value.hint


def test_the_nearest_second_named_can_itself_be_reached() -> None:
    with pytest.raises(InputRefused) as refusal:
        WINDOW.resolve(parse_timestamp("30 days ago", now=NOW), now=NOW)
    assert refusal.value.facts["nearest"] in WINDOW


@given(st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2026, 11, 22, 12)))  # noqa: DTZ001  # wall clocks
def test_what_is_written_as_iso_is_read_back_the_same(wall: datetime) -> None:
    moment = wall.replace(microsecond=0, tzinfo=UTC)
    assert parse_timestamp(iso(moment), now=NOW).moment == moment


@given(
    st.datetimes(min_value=datetime(1980, 1, 1), max_value=datetime(2026, 11, 21)),  # noqa: DTZ001  # wall clocks
    st.sampled_from(["Asia/Tokyo", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Pacific/Apia"]),
)
def test_a_wall_clock_in_a_zone_is_read_or_refused_never_guessed(wall: datetime, zone: str) -> None:
    wall = wall.replace(microsecond=0)
    try:
        moment = parse_timestamp(f"{wall:%Y-%m-%d %H:%M:%S} {zone}", now=NOW).moment
    except InputRefused:
        readings = {wall.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)}
        assert len(readings) == 2
    else:
        assert moment is not None
        assert moment.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == wall


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 seconds"),
        (1, "1 second"),
        (59, "59 seconds"),
        (61, "1 minute 1 second"),
        (17 * 60 + 3, "17 minutes"),
        (3600, "1 hour"),
        (2 * 86400 + 3 * 3600 + 59, "2 days 3 hours"),
        (86400 + 59, "1 day"),
    ],
)
def test_durations_are_written_in_their_two_largest_units(seconds: int, text: str) -> None:
    assert duration_text(timedelta(seconds=seconds)) == text


def test_a_moment_is_shown_in_utc_in_the_readers_zone_and_as_how_long_ago() -> None:
    shown = full_text(NOW - timedelta(minutes=17), zone=zone_named("Asia/Tokyo"), now=NOW)
    assert shown == "2026-11-22 11:43:00 UTC · 2026-11-22 20:43:00 Asia/Tokyo · 17 minutes ago"
    assert ago(NOW, now=NOW) == "now"


def test_the_readers_zone_is_the_named_one_then_the_environments(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert reader_zone("Asia/Tokyo").key == "Asia/Tokyo"
    assert reader_zone().key == "Europe/Berlin"
    with pytest.raises(InputRefused):
        reader_zone("Tokyo")
