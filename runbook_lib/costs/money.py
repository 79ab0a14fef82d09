"""Dollars as they are written: rounded once, where they are shown, half up as on a bill."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

_CENT = Decimal("0.01")


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
