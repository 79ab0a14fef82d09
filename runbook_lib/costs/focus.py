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

from runbook_lib.costs.amounts import Amounts
from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.prices import region_name
from runbook_lib.costs.review import Review
from runbook_lib.costs.units import midnight
from runbook_lib.costs.usage import Grid

BASIS = "CloudWatch metrics at list price"
VERSION = "1.0"
_NUMBERS = (
    "BilledCost", "ConsumedQuantity", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "ListCost",
    "ListUnitPrice", "PricingQuantity",
)  # fmt: skip
_MOMENTS = ("BillingPeriodEnd", "BillingPeriodStart", "ChargePeriodEnd", "ChargePeriodStart")
_NAMES = (
    "AvailabilityZone", "BilledCost", "BillingAccountId", "BillingAccountName", "BillingCurrency",
    "BillingPeriodEnd", "BillingPeriodStart", "ChargeCategory", "ChargeClass", "ChargeDescription",
    "ChargeFrequency", "ChargePeriodEnd", "ChargePeriodStart", "CommitmentDiscountCategory", "CommitmentDiscountId",
    "CommitmentDiscountName", "CommitmentDiscountStatus", "CommitmentDiscountType", "ConsumedQuantity",
    "ConsumedUnit", "ContractedCost", "ContractedUnitPrice", "EffectiveCost", "InvoiceIssuerName", "ListCost",
    "ListUnitPrice", "PricingCategory", "PricingQuantity", "PricingUnit", "ProviderName", "PublisherName",
    "RegionId", "RegionName", "ResourceId", "ResourceName", "ResourceType", "ServiceCategory", "ServiceName",
    "SkuId", "SkuPriceId", "SubAccountId", "SubAccountName", "Tags", "x_Basis", "x_FocusVersion", "x_Part",
    "x_PricePublished",
)  # fmt: skip
COLUMNS = {name: "number" if name in _NUMBERS else "moment" if name in _MOMENTS else "text" for name in _NAMES}
_SAID = {
    "automated": "Aurora automated backup over the free amount",
    "snapshots": "Aurora snapshots outside the retention window",
    "not told apart": "Aurora backup storage, automated backups and snapshots together",
}


def rows(review: Review, *, account: str) -> Iterator[dict[str, Any]]:
    """Return the rows of the month reviewed, those of no cost and those nobody measured left out.

    `account` is the AWS account's id. Where days are missing the rows are no whole month: the table `months` counts
    them.
    """
    found, month = review.amounts, review.month.month
    price = review.facts.prices.of(AURORA_BACKUP)
    fixed = {
        "BillingAccountId": account,
        "BillingCurrency": "USD",
        "BillingPeriodStart": midnight(month.first),
        "BillingPeriodEnd": midnight(month.plus(1).first),
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
        "RegionName": region_name(price.region),
        "ResourceType": "Aurora DB cluster",
        "ServiceCategory": "Databases",
        "ServiceName": "Amazon Relational Database Service",
        "SkuId": AURORA_BACKUP.usage,
        "SkuPriceId": AURORA_BACKUP.usage,
        "SubAccountId": account,
        "x_Basis": BASIS,
        "x_FocusVersion": VERSION,
        "x_PricePublished": str(price.as_of),
    }
    settled = min(month.last, found.usage.settled)
    for row, lineage in enumerate(found.who):
        cluster = lineage.cluster
        own = {
            "ResourceId": cluster.arn if cluster else lineage.resource_id,
            "ResourceName": lineage.label,
            "Tags": json.dumps(dict(cluster.tags) if cluster else {}, sort_keys=True, ensure_ascii=False),
        }
        for part, grid in _parts(found):
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
                    "ChargePeriodStart": midnight(day),
                    "ChargePeriodEnd": midnight(day + timedelta(days=1)),
                    "ChargeDescription": _SAID[part],
                    "ConsumedQuantity": quantity,
                    "PricingQuantity": quantity,
                    "x_Part": part,
                }


def _parts(found: Amounts) -> tuple[tuple[str, Grid], ...]:
    whole = np.where(np.isnan(found.automated_gib), found.billed_gib, np.nan)
    return (("automated", found.automated_gib), ("snapshots", found.snapshot_gib), ("not told apart", whole))


def _days(first: date, last: date) -> Iterator[date]:
    for offset in range((last - first).days + 1):
        yield first + timedelta(days=offset)
