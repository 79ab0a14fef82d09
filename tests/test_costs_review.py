"""The review against a stand-in whose meters and bill come from a simulation of AWS's rule, day by day."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest

from runbook_lib import costs
from runbook_lib.aws import connect
from runbook_lib.costs.anomalies import anomalies, thresholds
from runbook_lib.costs.bill import moves_until
from runbook_lib.costs.holdings import holdings
from runbook_lib.costs.prices import LIVE, SHIPPED
from runbook_lib.costs.reconcile import compare, listed_against_metric
from runbook_lib.costs.units import Month
from runbook_lib.costs.usage import QUERIES_A_REQUEST, read_usage
from runbook_lib.costs.whatif import RETENTIONS, cheaper_retention
from runbook_lib.display import costs as show
from runbook_lib.errors import AccessDenied, InputRefused, NotFound
from tests.costs_world import Sim, World, billed, world

TODAY = date(2026, 11, 22)
SIMS = [
    Sim(name="staging-db", volume=600, changes=30, tags={"team": "data"}, one_day_load=(9, 900)),
    Sim(name="steady", volume=200, grows=0, changes=10, retention=35, every=7, keep=90, tags={"Team": "web"}),
    Sim(name="one-day", volume=900, changes=80, retention=1, every=0),
    Sim(name="rewritten", volume=50, grows=0, changes=600, every=0),
    Sim(name="left-behind", volume=300, deleted_days_ago=45, keep=None, every=25),
    Sim(name="reports-pg", volume=80, changes=20, engine="aurora-postgresql", keep=14),
]


@pytest.fixture(scope="module")
def made():
    with world(SIMS, today=TODAY) as built, built.plane.in_environment():
        yield built


@pytest.fixture
def fresh(made: World):
    """Return the world as it was made: the bill whole, nothing denied."""
    made.plane.faults.clear()
    made.metering.denied.clear()
    made.write_bill()
    made.metering.requests.clear()
    return made


@pytest.fixture(scope="module")
def session(made):
    return connect(region="ap-northeast-1")


@pytest.fixture(scope="module")
def facts(made, session):
    """Return everything as it is read from the untouched world, once."""
    return read(session, made)


@pytest.fixture(scope="module")
def review(facts):
    return costs.review(facts)


@pytest.fixture(scope="module")
def outlook(session, review):
    return costs.look_ahead(session, review, keep_days=35)


def read(session, made, **asked):
    return costs.read(session, **{"moment": None, "now": made.now, "ask": "prices, bill", **asked})


def compared(review):
    months = tuple(entry.month for entry in review.months)
    today = review.facts.now.date()
    return compare(review.every, review.facts.bill, months, usd_gib_month=review.usd_gib_month, today=today)


def test_rule_metrics_and_bill_agree_with_the_simulation_in_all_thirteen_months(review, made):
    months = compared(review)
    assert len(months) == 13
    for entry in months:
        simulated = made.gib_months(entry.month.year, entry.month.number)
        assert entry.model_gib_months == pytest.approx(simulated)
        assert entry.metrics_gib_months == pytest.approx(simulated)
        assert entry.billed_gib_months == pytest.approx(simulated, rel=1e-6)
        assert not entry.model_is_off
        assert not entry.bill_is_off


def test_a_snapshot_left_out_of_the_bill_turns_its_months_red_and_is_named_by_its_amount(fresh, session):
    ledger = next(entry for entry in fresh.ledgers if entry.sim.name == "left-behind")
    name, (_, size) = next(iter(ledger.alive.items()))
    fresh.write_bill(without=name)
    review = costs.review(read(session, fresh))
    october = next(entry for entry in compared(review) if entry.month == Month(2026, 10))
    assert october.unexplained_gib_months == pytest.approx(-size, rel=1e-6)
    assert october.unexplained_usd == pytest.approx(-size * 0.023, rel=1e-6)
    # one snapshot of many is below 5 %: it is shown, and not yet red
    assert not october.bill_is_off


def test_credits_and_tax_are_left_out_and_estimated_days_are_carried(fresh, session):
    fresh.write_bill(credit_usd=50)
    months = compared(costs.review(read(session, fresh)))
    assert not any(entry.bill_is_off for entry in months)
    assert [entry.estimated for entry in months] == [False] * 12 + [True]
    assert [entry.still_moves for entry in months][-2:] == [False, True]
    assert moves_until(Month(2026, 10)) == date(2026, 11, 10)


def test_the_bill_is_one_request_a_view_and_each_page_is_counted(fresh, session):
    assert read(session, fresh).bill.requests == 2
    fresh.metering.page_size = 7
    try:
        facts = read(session, fresh)
    finally:
        fresh.metering.page_size = 5000
    asked = [request for request in fresh.metering.requests if request["operation"] == "GetCostAndUsage"]
    assert facts.bill.requests == len(asked) - 2 > 2
    assert facts.bill.asked_usd == pytest.approx(0.01 * facts.bill.requests)
    assert not any(entry.bill_is_off for entry in compared(costs.review(facts)))


def test_backup_outside_aurora_stands_apart_and_is_in_no_aurora_sum(review, made):
    october = review.before
    assert october.other_usd == pytest.approx(3 * 0.095, rel=1e-6)
    assert october.backup.usd == pytest.approx(
        sum(
            billed(ledger, (day - made.first).days) / 31 * 0.023
            for ledger in made.ledgers
            if ledger.sim.name != "reports-pg"
            for day in (date(2026, 10, 1) + timedelta(days=offset) for offset in range(31))
        )
    )


def test_clusters_of_another_engine_are_in_the_bill_but_not_in_the_review(review):
    assert "reports-pg" not in {entry.cluster for entry in review.clusters}
    assert "reports-pg" in review.every.usage.clusters


def test_no_credentials_for_bill_and_prices_still_gives_the_review_and_says_what_it_is_based_on(fresh, session):
    fresh.plane.faults.deny("ce:GetCostAndUsage", "pricing:GetProducts")
    review = costs.review(read(session, fresh))
    assert review.month.backup.usd > 0
    assert review.facts.prices.prices[0].source == SHIPPED
    outlook = costs.look_ahead(session, review, keep_days=10_000)
    said = str(show.first_screen(review, outlook))
    assert "does not allow pricing:GetProducts" in said
    assert "No bill: AWS does not allow ce:GetCostAndUsage" in said
    assert "Rule and metrics agree" in show.bill_sheet(review, outlook).headline


def test_denied_metrics_are_an_error_and_never_nothing_found(fresh, session):
    fresh.plane.faults.deny("cloudwatch:GetMetricData")
    with pytest.raises(AccessDenied, match="GetMetricData"):
        read(session, fresh)


def test_metrics_that_are_forbidden_one_by_one_are_an_error_too(fresh, session):
    fresh.metering.denied.add("GetMetricData")
    with pytest.raises(AccessDenied, match="AWS/RDS"):
        read(session, fresh)


def test_without_asking_for_it_cost_explorer_is_not_called_and_prices_are_live(fresh, session):
    facts = read(session, fresh, ask="prices")
    assert facts.bill.months == ()
    assert facts.prices.prices[0].source == LIVE
    assert not [request for request in fresh.metering.requests if request["operation"] == "GetCostAndUsage"]


def test_reading_changes_nothing(fresh, session):
    before = len(list(fresh.plane.requests))
    costs.look_ahead(session, costs.review(read(session, fresh)), keep_days=10)
    assert not [request for request in list(fresh.plane.requests)[before:] if request.mutating]


def test_todays_and_yesterdays_points_are_left_out_and_missing_days_are_marked_not_filled(facts, review):
    assert review.month.days_settled == 20
    assert facts.usage.settled == date(2026, 11, 20)
    grid = facts.usage.billed_gib.copy()
    grid[facts.usage.row("steady"), facts.usage.column(date(2026, 11, 5))] = np.nan
    holed = costs.review(replace(facts, usage=replace(facts.usage, billed_gib=grid)))
    assert holed.month.days_missing == 1
    assert holed.month.backup.usd < review.month.backup.usd
    assert holed.month.backup.at_least
    assert "at least" in show.headline(holed)
    assert review.month.backup.at_least is False


def test_an_average_of_the_daily_points_would_be_wrong_and_is_not_what_is_read(facts, made):
    row, column = facts.usage.row("staging-db"), facts.usage.column(date(2026, 11, 20))
    ledger = made.ledgers[0]
    index = (date(2026, 11, 20) - made.first).days
    sizes = [size for _, size in ledger.charged[index]]
    assert len(sizes) > 20
    assert facts.usage.snapshot_gib[row, column] == pytest.approx(sum(sizes))
    assert facts.usage.volume_gib[row, column] == pytest.approx(ledger.volume[index])


def test_metrics_are_asked_in_requests_of_500_and_pages_of_100_800_points(fresh, session):
    names = [f"unknown-{number}" for number in range(300)] + [sim.name for sim in SIMS]
    usage = read_usage(session, names, first=date(2026, 11, 1), last=TODAY, now=fresh.now)
    asked = [request for request in fresh.metering.requests if request["operation"] == "GetMetricData"]
    assert sorted(len(request["MetricDataQueries"]) for request in asked) == [224, 500, 500]
    assert QUERIES_A_REQUEST == 500
    assert usage.metrics_asked == 1224
    assert np.isnan(usage.volume_gib[0]).all()
    assert not np.isnan(usage.volume_gib[usage.row("steady"), 0])


def test_points_that_come_on_several_pages_are_put_together(fresh, session, monkeypatch):
    whole = read(session, fresh, ask="prices").usage
    monkeypatch.setattr("runbook_lib.rehearsal.metering._POINTS", 1000)
    fresh.metering.requests.clear()
    paged = read(session, fresh, ask="prices").usage
    assert len(fresh.metering.requests) > 5
    for grid in ("volume_gib", "used_gib", "snapshot_gib", "billed_gib"):
        np.testing.assert_array_equal(getattr(paged, grid), getattr(whole, grid))


def test_every_snapshot_has_the_size_of_its_day_and_the_day_it_begins_to_cost(facts, made):
    held = {holding.name: holding for holding in holdings(facts.estate, facts.usage, facts.who)}
    for ledger in made.ledgers:
        for name, (taken, size) in ledger.alive.items():
            window = 0 if ledger.sim.deleted_days_ago is not None else ledger.sim.retention
            assert held[name].costs_from == taken + timedelta(days=window)
            if taken >= facts.usage.first:
                assert held[name].size_gib == pytest.approx(size)


def test_snapshots_older_than_the_metrics_share_what_the_metric_leaves_over(facts, review):
    listed, metric = listed_against_metric(review.every)
    held = holdings(facts.estate, facts.usage, facts.who)
    assert any(holding.sized_by.startswith("share") for holding in held)
    # two snapshots a day of rotation have been deleted since the last settled day
    assert 0 <= metric - listed < 0.1 * metric


def test_the_forecast_of_a_rotation_goes_on_as_it_was_and_ignores_one_great_clean_up(fresh, session):
    facts = read(session, fresh, cluster="staging-db")
    review = costs.review(facts)
    pace = sum(cluster.automated_pace_usd + cluster.snapshots_pace_usd for cluster in review.clusters)
    rest = 10 / 30
    assert review.forecast_usd.usd == pytest.approx(review.month.backup.usd + pace * rest, rel=0.03)
    low, high = review.forecast_range_usd
    assert low <= review.forecast_usd.usd <= high


def test_a_finished_month_is_its_own_forecast_and_needs_no_guess(fresh, session):
    review = costs.review(read(session, fresh, moment=datetime(2026, 10, 5, tzinfo=UTC)))
    assert review.month.month == Month(2026, 10)
    assert review.month.is_complete
    assert review.forecast_usd.usd == pytest.approx(review.month.backup.usd)
    assert "in 2026-10" in show.headline(review)
    assert "foreseen" not in show.headline(review)


def test_the_measured_change_rate_is_the_simulated_one(outlook):
    rates = {rate.cluster: rate for rate in outlook.rates}
    assert rates["steady"].gib_a_day == pytest.approx(10, rel=0.1)
    assert "left-behind" not in rates


def test_the_what_if_at_todays_retention_is_what_the_cluster_costs_today(review, outlook):
    costing = outlook.costs["steady"]
    cluster = next(entry for entry in review.clusters if entry.cluster == "steady")
    assert len(costing) == len(RETENTIONS)
    assert costing[34].snapshots_usd == pytest.approx(cluster.snapshots_pace_usd, rel=0.02)
    assert costing[34].automated_usd == pytest.approx(cluster.automated_pace_usd, rel=0.1)


def test_a_longer_retention_that_frees_snapshots_is_proposed_and_a_shorter_one_never(outlook):
    better = cheaper_retention(outlook.costs["staging-db"], today=7)
    assert better is not None
    assert better.retention_days > 7
    assert cheaper_retention(outlook.costs["staging-db"], today=35) is None
    assert any(entry.kind == "retention" and entry.cluster == "staging-db" for entry in outlook.advice)


def test_a_load_is_told_on_its_first_day_only_and_only_above_both_thresholds(review):

    def hits(text):
        found = anomalies(review.amounts, review.month.month, usd_gib_month=0.023, at_least=thresholds(text))
        return [(hit.cluster, hit.day, hit.part) for hit in found]

    assert ("staging-db", date(2026, 11, 13), "automated") in hits("$5 and 20%")
    assert [hit for hit in hits("$5 and 20%") if hit[0] == "staging-db"] == [
        ("staging-db", date(2026, 11, 13), "automated")
    ]
    assert not [hit for hit in hits("1000 USD and 20 %") if hit[0] == "staging-db"]
    assert not [hit for hit in hits("$5 and 5000%") if hit[0] == "staging-db"]


@pytest.mark.parametrize("text", ["", "5", "$5", "20%", "$5 or 20%", "much"])
def test_thresholds_that_do_not_say_both_are_refused(text):
    with pytest.raises(InputRefused, match="does not say"):
        thresholds(text)


def test_one_cluster_or_several_can_be_asked_for_and_an_unknown_one_is_refused(fresh, session):
    both = costs.review(read(session, fresh, cluster="steady, Staging-DB"))
    assert [entry.cluster for entry in both.clusters] == ["steady", "staging-db"]
    gone = costs.review(read(session, fresh, cluster="left-behind"))
    assert gone.clusters[0].exists is False
    with pytest.raises(NotFound, match='no Aurora cluster "nobody"'):
        read(session, fresh, cluster="nobody")


def test_a_month_that_cloudwatch_has_forgotten_is_refused(fresh, session):
    with pytest.raises(InputRefused, match="455 days"):
        read(session, fresh, moment=datetime(2025, 5, 5, tzinfo=UTC))


def test_the_owner_is_read_from_the_tag_in_any_case(review):
    owners = {entry.cluster: entry.owner for entry in review.clusters}
    assert (owners["staging-db"], owners["steady"], owners["one-day"]) == ("data", "web", "")


def test_where_the_cap_is_reached_the_other_reading_is_said(review, outlook):
    october = next(entry for entry in compared(review) if entry.month == Month(2026, 10))
    assert october.other_reading_gib_months == pytest.approx(50, rel=0.05)  # one volume a day: what stays free
    assert "cap can be read in two ways" in str(show.bill_sheet(review, outlook))
