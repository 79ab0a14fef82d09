"""Read everything a review is based on, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from runbook_lib.aws import AwsSession
from runbook_lib.clusters import ENGINE
from runbook_lib.costs.bill import Bill, read_bill
from runbook_lib.costs.copies import products_of
from runbook_lib.costs.estate import Estate, read_estate
from runbook_lib.costs.lineage import Lineage, attributed, key_of, lineages
from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.prices import PriceBook, prices, shipped_prices
from runbook_lib.costs.units import Month
from runbook_lib.costs.usage import Usage, read_usage
from runbook_lib.errors import InputRefused, NotFound

MONTHS = 13  # a year back and the same month again; CloudWatch keeps days for 455
PRICES, BILL = "prices", "bill"


@dataclass(frozen=True, kw_only=True)
class Facts:
    """Everything a review is based on, as it was read: `who` are all clusters, `scope` those asked for."""

    month: Month
    now: datetime
    scope: tuple[str, ...]
    who: tuple[Lineage, ...] = field(repr=False)
    estate: Estate = field(repr=False)
    usage: Usage = field(repr=False)
    prices: PriceBook
    bill: Bill = field(repr=False)


def read(
    session: AwsSession,
    *,
    moment: datetime | None,
    now: datetime,
    cluster: str = "",
    ask: str = PRICES,
) -> Facts:
    """Read everything a review needs for the month that holds `moment`, None for the one that runs. Changes nothing.

    `cluster` is one name, several separated by commas, or empty for every Aurora MySQL cluster of the region. `ask`
    says what AWS is asked beside what it measured: "prices", "bill" or both, separated by a comma. Prices that it is
    not asked for are those of the dated list.

    Raises:
        InputRefused: a month CloudWatch no longer has, or something in `ask` that cannot be asked.
        NotFound: a cluster that neither exists nor left a snapshot.
        PriceNotFound: AWS has not exactly one price of Aurora's backup storage here.
    """
    month = Month.holding(moment or now)
    asks = {part.strip().lower() for part in ask.split(",")} - {""}
    if unknown := sorted(asks - {PRICES, BILL}):
        raise InputRefused(
            f'AWS cannot be asked for "{unknown[0]}".', hint='Set `ask` to "prices", "prices, bill", "bill" or nothing.'
        )
    if month.back_to(2)[0].first < now.date() - timedelta(days=455):
        raise InputRefused(
            f"CloudWatch keeps daily metrics for 455 days, and {month} with the month before it is older.",
            hint="Choose a later month; AWS's bill of that month is in Cost Explorer or in the cost and usage report.",
        )
    estate = read_estate(session)
    found = lineages(estate)
    asked = _asked(found, cluster)
    months = month.back_to(MONTHS)
    names = tuple(dict.fromkeys(name for lineage in found for name in lineage.names))
    by_name = read_usage(session, names, first=months[0].first, last=min(month.last, now.date()), now=now)
    usage, who = attributed(by_name, found)
    products, more = (AURORA_BACKUP,), products_of(estate)
    return Facts(
        month=month,
        now=now,
        scope=_scope(estate, who, asked),
        who=who,
        estate=estate,
        usage=usage,
        prices=prices(session, products, optional=more)
        if PRICES in asks
        else shipped_prices(session.region, products, optional=more, note="asked for by the parameters"),
        bill=read_bill(session, months, month=month, now=now)
        if BILL in asks
        else Bill(note="No bill: Cost Explorer was not asked."),
    )


def _asked(who: Sequence[Lineage], asked: str) -> tuple[str, ...]:
    """Return the names asked for, each of which must be one that a cluster has or had."""
    known = {name for lineage in who for name in (*lineage.names, lineage.label)}
    wanted = [name.strip().lower() for name in asked.split(",") if name.strip()]
    unknown = [name for name in wanted if name not in known]
    if unknown:
        some = ", ".join(sorted(known)[:20]) or "none"
        raise NotFound(
            f'There is no Aurora cluster "{unknown[0]}" in this account and region, and no snapshot of one.',
            hint=f"Set `cluster` to names of: {some}; or leave it empty for all Aurora MySQL clusters.",
        )
    return tuple(dict.fromkeys(wanted))


def _scope(estate: Estate, who: Sequence[Lineage], asked: tuple[str, ...]) -> tuple[str, ...]:
    """Return the labels of the clusters reviewed; without names those of Aurora MySQL."""
    if asked:
        labels: dict[str, None] = {}
        for name in asked:
            own = [lineage.label for lineage in who if name in (lineage.names[-1], lineage.label)]
            # a name that nothing has any more means the cluster that had it
            labels |= dict.fromkeys(own or [lineage.label for lineage in who if name in lineage.names])
        return tuple(labels)
    others = {key_of(snapshot, estate) for snapshot in estate.snapshots if snapshot.raw.get("Engine") != ENGINE}
    return tuple(
        lineage.label
        for lineage in who
        if (lineage.cluster.engine == ENGINE if lineage.cluster else lineage.resource_id not in others)
    )
