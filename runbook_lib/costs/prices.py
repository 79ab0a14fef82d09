"""Prices, each with where it is from and how old it is: live from AWS, else the dated list that ships with this.

Falling back is for a door that is shut (no permission, no network, no credentials), and is said. A question that AWS
answers wrongly (nothing, two things, another unit) is an error: another product's price is how the claim behind this
review went wrong.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import cache
from importlib.resources import files
from typing import Any

from runbook_lib.aws import AwsSession
from runbook_lib.costs.pricelist import PriceNotFound, Product, live_price
from runbook_lib.errors import AccessDenied, CredentialsRefused, TryLater, Unreachable

log = logging.getLogger(__name__)

SHIPPED = "the list that ships with this version"
LIVE = "AWS's Price List API"
_SHUT_DOORS = (AccessDenied, CredentialsRefused, Unreachable, TryLater)


@dataclass(frozen=True, kw_only=True)
class Price:
    """A price in USD for one unit of a product in a region. `as_of` is when AWS published it."""

    product: Product
    region: str
    usd: float
    source: str
    as_of: date

    @property
    def text(self) -> str:
        """Say the price with its unit, its source and its date."""
        return f"${self.usd:g} per {self.product.unit_text} ({self.source}, {self.as_of})"


@dataclass(frozen=True, kw_only=True)
class PriceBook:
    """The prices a review is based on.

    `note` says why they are not live, or nothing. `missing` says what has no price, so that no sum was made of it.
    """

    region: str
    prices: tuple[Price, ...]
    note: str = ""
    missing: tuple[str, ...] = ()

    def of(self, product: Product) -> Price:
        """Return a product's price.

        Raises:
            PriceNotFound: it was never asked for.
        """
        for price in self.prices:
            if price.product == product:
                return price
        raise PriceNotFound(
            f"No price of {product.name} in {self.region} is known to this review.",
            hint="Ask for it when the prices are read, or let this caller use pricing:GetProducts.",
        )

    def usd(self, product: Product) -> float | None:
        """Return a product's price in USD, or None where it could not be had: then there is no sum either."""
        return next((price.usd for price in self.prices if price.product == product), None)


def prices(session: AwsSession, products: tuple[Product, ...], *, optional: tuple[Product, ...] = ()) -> PriceBook:
    """Read the prices of a region, live if AWS lets us, else from the dated list.

    What is `optional` and has no price is left out and named in `missing`.

    Raises:
        PriceNotFound: AWS has not exactly one of `products`, or the dated list has none.
    """

    def live(product: Product) -> Price:
        usd, published = live_price(session, product)
        return Price(product=product, region=session.region, usd=usd, source=LIVE, as_of=published)

    try:
        return _book(session.region, products, optional, live)
    except _SHUT_DOORS as error:
        log.warning("prices are taken from %s: %s", SHIPPED, error)
        return shipped_prices(session.region, products, optional=optional, note=error.message)


def shipped_prices(
    region: str, products: tuple[Product, ...], *, optional: tuple[Product, ...] = (), note: str = ""
) -> PriceBook:
    """Take the prices from the dated list that ships with this.

    Raises:
        PriceNotFound: the list has none for one of `products` in this region.
    """
    return replace(_book(region, products, optional, lambda product: shipped_price(region, product)), note=note)


def _book(
    region: str, products: tuple[Product, ...], optional: tuple[Product, ...], find: Callable[[Product], Price]
) -> PriceBook:
    found = [find(product) for product in products]
    missing = []
    for product in optional:
        try:
            found.append(find(product))
        except PriceNotFound as error:
            missing.append(error.message)
    return PriceBook(region=region, prices=tuple(found), missing=tuple(missing))


def shipped_price(region: str, product: Product) -> Price:
    """Take one price from the dated list.

    Raises:
        PriceNotFound: the list has none; says what was asked.
    """
    usd = _shipped_usd(region, product)
    if usd is None:
        known = region in _shipped()["regions"]
        raise PriceNotFound(
            f"{SHIPPED.capitalize()} has no price of {product.name} in {region}"
            + ("." if known else ", nor any other price of that region."),
            hint="Let this caller use pricing:GetProducts, so that it is read from AWS.",
            region=region,
            product=product.name,
        )
    return Price(product=product, region=region, usd=usd, source=SHIPPED, as_of=_shipped_date(region, product))


def region_name(region: str) -> str | None:
    """Return AWS's name of a region ("Asia Pacific (Tokyo)"), None where the dated list does not know the region."""
    name = _shipped()["regions"].get(region, {}).get("name")
    return str(name) if name else None


def _shipped_usd(region: str, product: Product) -> float | None:
    listed: Any = _shipped()["regions"].get(region, {})
    for step in product.shipped_path:
        listed = listed.get(step) if isinstance(listed, dict) else None
    return float(listed) if isinstance(listed, int | float) else None


def _shipped_date(region: str, product: Product) -> date:
    listed: dict[str, Any] = _shipped()
    other = listed["regions"][region].get("other_prices_as_of")
    if other and product.shipped_path[0] in ("storage_gb_month", "serverless_v2_acu_hour"):
        return date.fromisoformat(other)
    return datetime.fromisoformat(listed["publication_date"]).date()


@cache
def _shipped() -> dict[str, Any]:
    text = files("runbook_lib.costs").joinpath("data", "aurora_prices.json").read_text(encoding="utf-8")
    listed: dict[str, Any] = json.loads(text)
    return listed
