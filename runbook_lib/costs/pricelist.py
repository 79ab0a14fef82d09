"""AWS's Price List API: one product asked, exactly one answer taken.

The API lives in a few regions only, its answers are JSON inside strings, and a filter that matches nothing is an
empty list, not an error. Source: AWS Billing guide, "Using the AWS Price List Query API".
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, datetime
from typing import Any

from runbook_lib.aws import AwsSession, declare
from runbook_lib.errors import StepFailed

_GET_PRODUCTS = declare("pricing", "GetProducts", items="PriceList")

# Where the API answers, by the part of the world a session is in. Source: botocore's endpoints, partition aws.
_NEAREST = {"ap": "ap-south-1", "me": "eu-central-1", "eu": "eu-central-1", "il": "eu-central-1", "af": "eu-central-1"}
_CHINA = "cn-northwest-1"
GB_MONTH, HOUR = "GB-Mo", "Hrs"
_UNIT_TEXT = {GB_MONTH: "GB-month", HOUR: "hour"}


class PriceNotFound(StepFailed):
    """AWS has not exactly one such product at such a unit: no price is better than another product's."""

    headline = "No price"


@dataclass(frozen=True, kw_only=True)
class Product:
    """A thing AWS sells. `usage` is the usage type without its region prefix ("Aurora:BackupUsage").

    A `usage` that ends with a colon is met by what begins with it: AWS shortens classes there ("db.r7g.4xl").
    """

    name: str
    usage: str
    unit: str
    engine: str  # AWS lists some products once for each engine, in other regions once for "Any"
    filters: tuple[tuple[str, str], ...]  # attributes AWS is asked to match, beside the region
    shipped_path: tuple[str, ...]  # where the dated list has it

    @property
    def unit_text(self) -> str:
        """The unit in words."""
        return _UNIT_TEXT.get(self.unit, self.unit)


AURORA_BACKUP = Product(
    name="Aurora backup storage",
    usage="Aurora:BackupUsage",
    unit=GB_MONTH,
    engine="Aurora MySQL",
    filters=(("productFamily", "Storage Snapshot"),),
    shipped_path=("backup",),
)
RDS_BACKUP = Product(
    name="RDS backup storage outside Aurora",
    usage="RDS:ChargedBackupUsage",
    unit=GB_MONTH,
    engine="MySQL",
    filters=(("productFamily", "Storage Snapshot"),),
    shipped_path=("rds_backup",),
)


def aurora_storage(*, io_optimized: bool = False) -> Product:
    """Describe an Aurora volume's storage, by its storage configuration."""
    return Product(
        name=f"Aurora storage ({'I/O-Optimized' if io_optimized else 'Standard'})",
        usage="Aurora:IO-OptimizedStorageUsage" if io_optimized else "Aurora:StorageUsage",
        unit=GB_MONTH,
        engine="Aurora MySQL",
        filters=(("productFamily", "Database Storage"),),
        shipped_path=("storage_gb_month", "io_optimized" if io_optimized else "standard"),
    )


def aurora_instance(instance_class: str, *, io_optimized: bool = False) -> Product:
    """Describe an hour of an Aurora MySQL instance of a class ("db.r6g.large")."""
    usage = "InstanceUsageIOOptimized" if io_optimized else "InstanceUsage"
    return Product(
        name=f"{instance_class} for Aurora MySQL{' (I/O-Optimized)' if io_optimized else ''}",
        usage=f"{usage}:",
        unit=HOUR,
        engine="Aurora MySQL",
        filters=(("productFamily", "Database Instance"), ("instanceType", instance_class)),
        # the dated list has Aurora Standard only, so an I/O-Optimized instance is not to be found there
        shipped_path=("aurora_mysql_instance_hour" if not io_optimized else "none", instance_class),
    )


def endpoint_region(region: str) -> str:
    """Return the region whose Price List endpoint a session should ask: only a few have one."""
    part = region.partition("-")[0]
    return _CHINA if part == "cn" else _NEAREST.get(part, "us-east-1")


def live_price(session: AwsSession, product: Product) -> tuple[float, date]:
    """Ask AWS for a product's on-demand price in the session's region: USD for one unit, and its date.

    Raises:
        PriceNotFound: no such product, several, another unit or currency, no on-demand price, or an answer in another
            form than the price list's.
        AccessDenied: the caller may not use pricing:GetProducts.
    """
    try:
        return _price_of(session, product)
    except (ValueError, TypeError, AttributeError, LookupError) as error:
        raise _not_found(session, product, "an answer that cannot be read") from error


def _price_of(session: AwsSession, product: Product) -> tuple[float, date]:
    usable = [entry for entry in _products(session, product) if _is_usage(entry, product.usage)]
    matching = _of_engine(usable, product.engine) or _of_engine(usable, "Any")
    if len(matching) != 1:
        skus = ", ".join(sorted(str(entry.get("product", {}).get("sku")) for entry in matching))
        raise _not_found(session, product, f"{len(matching)} such products{f' ({skus})' if skus else ''}")
    return _on_demand(session, product, matching[0])


def _products(session: AwsSession, product: Product) -> list[dict[str, Any]]:
    asked = {"regionCode": session.region, **dict(product.filters)}
    call = replace(_GET_PRODUCTS, region=endpoint_region(session.region))
    texts = call.pages(
        session,
        ServiceCode="AmazonRDS",
        FormatVersion="aws_v1",
        Filters=[{"Type": "TERM_MATCH", "Field": field, "Value": value} for field, value in asked.items()],
    )
    return [json.loads(text) if isinstance(text, str) else text for text in texts]


def _on_demand(session: AwsSession, product: Product, entry: Mapping[str, Any]) -> tuple[float, date]:
    terms = list(entry.get("terms", {}).get("OnDemand", {}).values())
    dimensions = [dimension for term in terms for dimension in term.get("priceDimensions", {}).values()]
    if len(dimensions) != 1:
        raise _not_found(session, product, f"{len(dimensions)} on-demand prices for that product")
    unit, per_unit = dimensions[0].get("unit"), dimensions[0].get("pricePerUnit", {})
    if unit != product.unit:
        raise _not_found(session, product, f"a price per {unit}, not per {product.unit}")
    if "USD" not in per_unit:
        raise _not_found(session, product, f"a price in {', '.join(per_unit) or 'no currency'}, not in USD")
    published = entry.get("publicationDate") or terms[0]["effectiveDate"]
    return float(per_unit["USD"]), datetime.fromisoformat(published).date()


def _not_found(session: AwsSession, product: Product, answer: str) -> PriceNotFound:
    asked = ", ".join(f"{field} {value}" for field, value in (*product.filters, ("databaseEngine", product.engine)))
    return PriceNotFound(
        f"AWS's price list was asked for {product.name} in {session.region} "
        f"(usage type {product.usage}; {asked}) and has {answer}.",
        hint='Leave "prices" out of `ask` to use the dated list, and look the product up in AWS\'s price list.',
        region=session.region,
        product=product.name,
    )


def _of_engine(entries: list[dict[str, Any]], engine: str) -> list[dict[str, Any]]:
    return [entry for entry in entries if _attribute(entry, "databaseEngine") == engine]


def _is_usage(entry: Mapping[str, Any], usage: str) -> bool:
    plain = plain_usage(_attribute(entry, "usagetype"))
    return plain.startswith(usage) if usage.endswith(":") else plain == usage


def _attribute(entry: Mapping[str, Any], name: str) -> str:
    return str(entry.get("product", {}).get("attributes", {}).get(name, ""))


def plain_usage(usage_type: str) -> str:
    """Cut the region's prefix: `APN1-Aurora:BackupUsage`, in us-east-1 `Aurora:BackupUsage`."""
    return re.sub(r"^[A-Z]{2,4}\d{0,2}-(?=[A-Z])", "", usage_type)
