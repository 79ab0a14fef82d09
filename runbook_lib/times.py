"""Strict moments: every datetime is aware UTC, every text says its zone.

A restore goes to a second, and a second misread by a zone is the wrong database. So what a person writes is taken
only when it can mean one thing: boto3 itself would take `05/11/2026` as 11 May and `1762344000` as an epoch.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import cache
from pathlib import Path
from zoneinfo import ZoneInfo, available_timezones

from runbook_lib.errors import InputRefused

ACCEPTED = (
    'Write it like "2026-02-04T10:00:00Z", "2026-02-04T19:00:00+09:00", "2026-02-04 19:00 Asia/Tokyo", '
    '"45 minutes ago", "1 hour ago", "2 days ago" or "latest".'
)

_CLOCK = r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d(?::\d\d)?)((?<=\d:\d\d:\d\d)[.,]\d+)?"  # parts of seconds only
_WITH_OFFSET = re.compile(_CLOCK + r"\s?([Zz]|[+-]\d\d:?\d\d)", re.ASCII)
_WITH_ZONE = re.compile(_CLOCK + r"\s+([A-Za-z][A-Za-z0-9_+/-]*)", re.ASCII)
_NAIVE = re.compile(_CLOCK, re.ASCII)
_PART_OF_A_MINUTE = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d(:\d\d)?[.,]\d+.*", re.ASCII)
_AGO = re.compile(r"(\d{1,6})\s+(second|minute|hour|day)s?\s+ago", re.IGNORECASE | re.ASCII)
_UTC_BY_OTHER_NAMES = ("Etc/UTC", "Etc/UCT", "Etc/Universal", "Etc/Zulu", "UCT", "Universal", "Zulu")
# What clocks on Earth differ from UTC by in our years: whole hours from -12 to +14, and these (IANA database, 2026).
_BROKEN_OFFSETS = {
    "-0930", "-0330", "-0230", "+0330", "+0430", "+0530", "+0545", "+0630", "+0845", "+0930", "+1030", "+1245", "+1345",
}  # fmt: skip
_OFFSETS = {f"{hours:+03d}00" for hours in range(-12, 15)} | _BROKEN_OFFSETS
_FIRST_YEAR = 1970  # before it there is no backup, and some zones leave the calendar


_TURNED_ROUND = re.compile(r"(?:etc/)?gmt[+-]\d+", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class AskedTime:
    """A moment as somebody asked for it.

    `moment` is aware UTC to the second, or None for "latest", which only a window can resolve.
    `cut` is the sub-second part that was dropped (".75"), or empty; `zone` the one that the moment was written in.
    """

    text: str
    moment: datetime | None
    cut: str = ""
    zone: str = field(default="", compare=False)

    @property
    def note(self) -> str:
        """Say what was changed in reading it, or nothing."""
        return f"The part below a second ({self.cut}) was cut: a restore goes to a whole second." if self.cut else ""


def utc_now() -> datetime:
    """Return the present moment, aware UTC, to the second."""
    return datetime.now(UTC).replace(microsecond=0)


def parse_timestamp(text: str, *, now: datetime) -> AskedTime:
    """Read the moment somebody means, or refuse it with the way to write it.

    Raises:
        InputRefused: naive, ambiguous, skipped, unreadable or future times.
    """
    stripped = text.strip()
    if stripped.lower() == "latest":
        return AskedTime(text=text, moment=None)
    try:
        moment, cut = _moment(stripped, now)
    except OverflowError as error:
        raise _before_all(text) from error
    if moment.year < _FIRST_YEAR:
        raise _before_all(text)
    if moment > now:
        raise InputRefused(
            f'The timestamp "{text}" is {ago(moment, now=now)}: it lies in the future.',
            hint=f'It is {utc_text(now)} now; name a moment before that, or "latest".',
            asked=moment,
            now=now,
        )
    named = _WITH_ZONE.fullmatch(stripped)
    return AskedTime(text=text, moment=moment, cut=cut, zone=zone_named(named[4]).key if named else "")


def _moment(text: str, now: datetime) -> tuple[datetime, str]:
    if found := _AGO.fullmatch(text):
        unit = found[2].lower() + "s"
        return (now - timedelta(**{unit: int(found[1])})).replace(microsecond=0), ""
    if found := _WITH_OFFSET.fullmatch(text):
        local = _wall_clock(text, found[1], found[2])
        return local.replace(tzinfo=_offset(text, found[4])).astimezone(UTC), found[3] or ""
    if found := _WITH_ZONE.fullmatch(text):
        local = _wall_clock(text, found[1], found[2])
        return _in_zone(text, local, zone_named(found[4])), found[3] or ""
    if _NAIVE.fullmatch(text):
        raise InputRefused(
            f'The timestamp "{text}" has no zone, so it could mean any of 38 different moments.',
            hint=f'Write "{text.replace(" ", "T")}Z" if it is UTC, or add the zone: "{text} Asia/Tokyo".',
        )
    if _PART_OF_A_MINUTE.fullmatch(text):
        raise InputRefused(
            f'The timestamp "{text}" has a part of a minute or of an hour, which is easily misread.',
            hint="Write hours, minutes and seconds, for example 10:00:30.",
        )
    if re.fullmatch(r"\d{9,}(\.\d+)?", text):
        raise InputRefused(
            f'The timestamp "{text}" looks like an epoch number, which nobody can check by reading it.',
            hint=ACCEPTED,
        )
    if re.match(r"\d{1,2}[/.]\d{1,2}[/.]\d{2,4}", text):
        raise InputRefused(f'The timestamp "{text}" can be read as day/month or as month/day.', hint=ACCEPTED)
    raise InputRefused(f'The timestamp "{text}" cannot be read.', hint=ACCEPTED)


def _before_all(text: str) -> InputRefused:
    return InputRefused(f'The timestamp "{text}" lies before all calendars of a database or after them.', hint=ACCEPTED)


def _wall_clock(text: str, date: str, clock: str) -> datetime:
    try:
        return datetime.fromisoformat(f"{date}T{clock}")
    except ValueError as error:
        raise InputRefused(
            f'The timestamp "{text}" names a date or time that does not exist ({error}).', hint=ACCEPTED
        ) from error


def _offset(text: str, offset: str) -> tzinfo:
    if offset in "Zz":
        return UTC
    if offset.replace(":", "") not in _OFFSETS:  # -00:00 is "some zone or other" (RFC 3339)
        raise InputRefused(f'The timestamp "{text}" has an offset that no zone has ({offset}).', hint=ACCEPTED)
    size = timedelta(hours=int(offset[1:3]), minutes=int(offset[-2:]))
    return timezone(-size if offset[0] == "-" else size)


def _in_zone(text: str, local: datetime, zone: ZoneInfo) -> datetime:
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first
    early, late = sorted((first, second))
    skipped = first.astimezone(zone).replace(tzinfo=None) != local
    what = (
        f"does not exist: the clocks of {zone.key} skipped it"
        if skipped
        else f"happened twice: the clocks of {zone.key} were put back"
    )
    raise InputRefused(
        f'The timestamp "{text}" {what}.',
        hint=f'Write the moment in UTC: "{iso(early)}" or "{iso(late)}".',
        candidates=(early, late),
    )


def zone_named(name: str) -> ZoneInfo:
    """Return the IANA zone of that name ("Asia/Tokyo", "UTC").

    Raises:
        InputRefused: an abbreviation ("JST", "EST" mean different things in different places) or an unknown name.
    """
    if _TURNED_ROUND.fullmatch(name):
        raise InputRefused(
            f'The zone "{name}" has its sign the other way round: Etc/GMT+9 is nine hours behind UTC.',
            hint='Write the offset itself, such as "+09:00", or a place, such as "Asia/Tokyo".',
        )
    if found := _zones().get(name.lower()):
        return ZoneInfo(found)
    raise InputRefused(
        f'"{name}" is not a zone name of the IANA database.',
        hint='Write "UTC" or a name such as "Asia/Tokyo" or "Europe/Berlin"; abbreviations are ambiguous.',
    )


@cache
def _zones() -> dict[str, str]:
    """Return the names of all zones by their small letters: the machine's files are looked through once."""
    return {zone.lower(): zone for zone in available_timezones() if "/" in zone} | {"utc": "UTC"}


def reader_zone(name: str = "") -> ZoneInfo:
    """Return the zone to show times in: the one named, else $TZ, else the machine's, else UTC."""
    if name:
        return zone_named(name)
    link = Path("/etc/localtime")
    machine = str(link.resolve()).partition("zoneinfo/")[2] if link.is_symlink() else ""
    for candidate in (os.environ.get("TZ", "").lstrip(":"), machine):
        if candidate in _UTC_BY_OTHER_NAMES:
            return ZoneInfo("UTC")  # its own name tells everybody else that every time needs to be shown only once
        if candidate:
            try:
                return zone_named(candidate)
            except InputRefused:
                continue  # "Etc/localtime" and POSIX rules have no name a reader would know; UTC is always right
    return ZoneInfo("UTC")


@dataclass(frozen=True, kw_only=True)
class TimeWindow:
    """The seconds a cluster can be restored to, both ends included. Aware UTC."""

    earliest: datetime
    latest: datetime

    def __contains__(self, moment: object) -> bool:
        return isinstance(moment, datetime) and self.earliest <= moment <= self.latest

    def nearest(self, moment: datetime) -> datetime:
        """Return the reachable second closest to `moment`."""
        first = _whole_second_at_or_after(self.earliest)
        return min(max(moment, first), self.latest.replace(microsecond=0))

    def resolve(self, asked: AskedTime, *, now: datetime) -> datetime:
        """Return the exact second to restore to.

        Raises:
            InputRefused: the moment lies outside; names the moment, the limit and the nearest reachable second.
        """
        if asked.moment is None:
            return self.latest.replace(microsecond=0)
        if asked.moment in self:
            return asked.moment
        before = asked.moment < self.earliest
        limit = self.earliest if before else self.latest
        nearest = self.nearest(asked.moment)
        raise InputRefused(
            f"{utc_text(asked.moment)} is {duration_text(abs(limit - asked.moment))} "
            f"{'before the earliest' if before else 'after the latest'} restorable time, {utc_text(limit)}.",
            hint=f'The nearest reachable second is "{iso(nearest)}" ({ago(nearest, now=now)}).',
            asked=asked.moment,
            limit=limit,
            nearest=nearest,
        )


def _whole_second_at_or_after(moment: datetime) -> datetime:
    cut = moment.replace(microsecond=0)
    return cut if cut == moment else cut + timedelta(seconds=1)


def iso(moment: datetime) -> str:
    """Write a moment the way it can be pasted back as a `timestamp`: `2026-02-04T10:00:00Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def utc_text(moment: datetime) -> str:
    """Write a moment for reading, in UTC: `2026-02-04 10:00:00 UTC`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def full_text(moment: datetime, *, zone: ZoneInfo, now: datetime) -> str:
    """Write a moment in UTC, in the reader's zone (where that is another), and as how long ago."""
    local = "" if zone.key == "UTC" else f" · {moment.astimezone(zone).strftime('%Y-%m-%d %H:%M:%S')} {zone.key}"
    return f"{utc_text(moment)}{local} · {ago(moment, now=now)}"


def ago(moment: datetime, *, now: datetime) -> str:
    """Say how far a moment is from now: "17 minutes ago", "in 3 hours", "now"."""
    if abs(now - moment) < timedelta(seconds=1):
        return "now"
    text = duration_text(abs(now - moment))
    return f"{text} ago" if moment < now else f"in {text}"


def duration_text(duration: timedelta) -> str:
    """Write a duration in its two largest units: "2 days 3 hours", "17 minutes", "40 seconds"."""
    seconds = round(duration.total_seconds())
    parts = []
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60), ("second", 1)):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count} {name}{'' if count == 1 else 's'}")
        elif parts:
            break
    if len(parts) == 2 and parts[1].endswith(("second", "seconds")) and not parts[0].startswith(("1 ", "2 ", "3 ")):
        parts.pop()  # "17 minutes 3 seconds" is read as 17 minutes
    return " ".join(parts[:2]) or "0 seconds"


def seconds_text(seconds: float) -> str:
    """Write a duration to a tenth of a second while it is short: "0.8 s", "17 minutes"."""
    return f"{seconds:.1f} s" if seconds < 60 else duration_text(timedelta(seconds=seconds))
