"""Cost rows under the names of the FinOps Foundation's FOCUS specification, version 1.0.

One row is one cluster's automated backup, or its snapshots, on one settled day. Amounts are AWS's metrics at list
price, not an invoice's: `x_Basis` says so in every row. Columns of our own begin with `x_`, as the specification asks.
Source: FOCUS specification 1.0, columns.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import numpy as np

from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.review import Review
from runbook_lib.costs.units import midnight
from runbook_lib.times import iso

BASIS = "CloudWatch metrics at list price"
COLUMNS = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency", "BillingPeriodEnd",
    "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription", "ChargeFrequency", "ChargePeriodEnd",
    "ChargePeriodStart", "CommitmentDiscountCategory", "CommitmentDiscountId", "CommitmentDiscountName",
    "CommitmentDiscountStatus", "CommitmentDiscountType", "ConsumedQuantity", "ConsumedUnit", "ContractedCost",
    "ContractedUnitPrice", "EffectiveCost", "InvoiceIssuerName", "ListCost", "ListUnitPrice", "PricingCategory",
    "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName", "RegionId", "RegionName", "ResourceId",
    "ResourceName", "ResourceType", "ServiceCategory", "ServiceName", "SkuId", "SkuPriceId", "SubAccountId",
    "SubAccountName", "Tags", "x_Basis", "x_Part", "x_PricePublished",
)  # fmt: skip
_SAID = {
    "automated": "Aurora automated backup over the free amount",
    "snapshots": "Aurora snapshots outside the retention window",
}


def rows(review: Review, *, account: str) -> Iterator[dict[str, Any]]:
    """Return the rows of the month reviewed, those of no cost left out. `account` is the AWS account's id."""
    found, month = review.amounts, review.month.month
    price = review.facts.prices.of(AURORA_BACKUP)
    living = review.facts.estate.by_name
    fixed = {
        "BillingAccountId": account,
        "BillingCurrency": "USD",
        "BillingPeriodStart": iso(midnight(month.first)),
        "BillingPeriodEnd": iso(midnight(month.plus(1).first)),
        "ChargeCategory": "Usage",
        "ChargeFrequency": "Usage-Based",
        "ConsumedUnit": "GB-Months",
        "ContractedUnitPrice": price.usd,
        "InvoiceIssuerName": "Amazon Web Services, Inc.",
        "ListUnitPrice": price.usd,
        "PricingCategory": "Standard",
        "PricingUnit": "GB-Months",
        "ProviderName": "AWS",
        "PublisherName": "Amazon Web Services, Inc.",
        "RegionId": price.region,
        "RegionName": price.region,
        "ResourceType": "Aurora DB cluster",
        "ServiceCategory": "Databases",
        "ServiceName": "Amazon Relational Database Service",
        "SkuId": AURORA_BACKUP.usage,
        "SkuPriceId": AURORA_BACKUP.usage,
        "SubAccountId": account,
        "x_Basis": BASIS,
        "x_PricePublished": str(price.as_of),
    }
    settled = min(month.last, found.usage.settled)
    for row, name in enumerate(found.usage.clusters):
        cluster = living.get(name)
        own = {
            "ResourceId": cluster.arn if cluster else name,
            "ResourceName": name,
            "Tags": json.dumps(dict(cluster.tags) if cluster else {}, sort_keys=True, ensure_ascii=False),
        }
        for part, grid in (("automated", found.automated_gib), ("snapshots", found.snapshot_gib)):
            for day in _days(month.first, settled):
                gib = grid[row, found.usage.column(day)]
                if np.isnan(gib) or gib <= 0:
                    continue
                quantity = float(gib) / month.days
                usd = quantity * price.usd
                costs = dict.fromkeys(("BilledCost", "EffectiveCost", "ListCost", "ContractedCost"), usd)
                yield {
                    **dict.fromkeys(COLUMNS),
                    **fixed,
                    **own,
                    **costs,
                    "ChargePeriodStart": iso(midnight(day)),
                    "ChargePeriodEnd": iso(midnight(day + timedelta(days=1))),
                    "ChargeDescription": _SAID[part],
                    "ConsumedQuantity": quantity,
                    "PricingQuantity": quantity,
                    "x_Part": part,
                }


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
