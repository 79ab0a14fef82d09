"""Months and days in UTC as AWS bills them; dollars and sizes as they are written.

An amount is rounded once, where it is shown, half up as on a bill.
"""

from __future__ import annotations

import calendar
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


@dataclass(frozen=True, order=True)
class Month:
    """A calendar month in UTC: AWS's billing period."""

    year: int
    number: int  # 1 to 12

    @classmethod
    def holding(cls, moment: datetime | date) -> Month:
        """Return the month that holds a moment (aware) or a day."""
        day = moment.astimezone(UTC).date() if isinstance(moment, datetime) else moment
        return cls(day.year, day.month)

    @property
    def days(self) -> int:
        """How many days the month has: what daily amounts are divided by to give GB-months."""
        return calendar.monthrange(self.year, self.number)[1]

    @property
    def first(self) -> date:
        """The month's first day."""
        return date(self.year, self.number, 1)

    @property
    def last(self) -> date:
        """The month's last day."""
        return date(self.year, self.number, self.days)

    def plus(self, months: int) -> Month:
        """Return the month that many later (negative: earlier)."""
        years, index = divmod(self.year * 12 + self.number - 1 + months, 12)
        return Month(years, index + 1)

    def back_to(self, months: int) -> tuple[Month, ...]:
        """Return that many months, oldest first, ending with this one."""
        return tuple(self.plus(-back) for back in reversed(range(months)))

    def __str__(self) -> str:
        return f"{self.year}-{self.number:02d}"


def midnight(day: date) -> datetime:
    """Return the first moment of a day, aware UTC."""
    return datetime.combine(day, time(), UTC)


def days_from(first: date, count: int) -> tuple[date, ...]:
    """Return `count` days in a row."""
    return tuple(first + timedelta(days=offset) for offset in range(count))


def cents(amount_usd: float) -> Decimal:
    """Round an amount to the cent. The last binary digits of a float are cut first, so that 4.825 is 4.83."""
    return Decimal(f"{amount_usd:.9f}").quantize(_CENT, ROUND_HALF_UP)


def usd_text(amount_usd: float) -> str:
    """Write an amount for reading: `$4,671.30`, `-$0.40`; what is more than nothing but under a cent is `< $0.01`."""
    rounded = cents(amount_usd)
    if rounded == 0:
        return "$0.00" if abs(amount_usd) < 1e-9 else "< $0.01"
    return f"{'-' if rounded < 0 else ''}${abs(rounded):,}"


def gib_text(amount_gib: float) -> str:
    """Write a size: `600 GiB`, `0.4 GiB`, `1,457 GiB`."""
    digits = 0 if abs(amount_gib) >= 100 or amount_gib == int(amount_gib) else 1
    return f"{amount_gib:,.{digits}f} GiB"
