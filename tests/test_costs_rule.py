"""The billing rule, held to AWS's worked examples and to the sums of the 600 GB case."""

from __future__ import annotations

from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.costs.claim import CASE, findings, sums
from runbook_lib.costs.money import cents, gib_text, usd_text
from runbook_lib.costs.months import Month, days_from, midnight
from runbook_lib.costs.rule import (
    CapReading,
    automated_backup,
    automated_used_gib,
    begins_to_cost,
    gib_months,
    snapshot_billed_gib,
)
from runbook_lib.costs.scenarios import (
    Database,
    automated_usd,
    copy_usd_a_day,
    snapshot_usd_of_month,
    snapshots_billed,
    snapshots_kept_usd,
)

TOKYO = 0.023
RECORDS = [10, 15, 25, 20, 10, 25, 30]


def test_aws_worked_example_of_a_seven_day_window_uses_235_and_bills_35():
    used = automated_used_gib(before_window_gib=100, records_gib=RECORDS)
    assert used == 235
    assert automated_backup(used_gib=used, volume_gib=200, retention_days=7).billed_gib() == 35


@pytest.mark.parametrize(
    ("daily", "expected"),
    [([100] * 30, 100), ([100] * 15 + [0] * 15, 50), ([50] * 10 + [100] * 10 + [150] * 10, 100)],
)
def test_aws_worked_examples_of_a_month_are_weighted_by_days(daily, expected):
    assert gib_months(daily, days_in_month=30) == pytest.approx(expected)


def test_aws_cap_example_is_700_billed_in_one_reading_and_600_in_the_other():
    charge = automated_backup(used_gib=10_000, volume_gib=100, retention_days=7, window_volumes_gib=[100] * 7)
    assert charge.billed_gib(CapReading.BILLED) == 700
    assert charge.billed_gib(CapReading.USED) == 600
    assert charge.readings_differ_by_gib == 100


def test_the_readings_of_the_cap_agree_while_the_cap_is_out_of_reach():
    assert automated_backup(used_gib=235, volume_gib=200, retention_days=7).readings_differ_by_gib == 0


def test_a_retention_of_one_day_costs_nothing_however_much_changes():
    charge = automated_backup(used_gib=9_999, volume_gib=100, retention_days=1)
    assert [charge.billed_gib(reading) for reading in CapReading] == [0, 0]


def test_a_volume_that_shrank_is_free_only_up_to_its_present_size():
    assert automated_backup(used_gib=600, volume_gib=200, retention_days=7).billed_gib() == 400


def test_a_snapshot_is_free_inside_the_window_and_costs_its_full_size_from_the_day_it_leaves_it():
    taken = date(2026, 2, 1)
    assert begins_to_cost(taken, retention_days=7) == date(2026, 2, 8)
    billed = [snapshot_billed_gib(600, taken=taken, day=date(2026, 2, day), retention_days=7) for day in (1, 7, 8, 28)]
    assert billed == [0, 0, 600, 600]


def test_every_snapshot_of_a_deleted_cluster_is_billed_from_the_first_day():
    today = date(2026, 2, 1)
    assert snapshot_billed_gib(600, taken=today, day=today, retention_days=None) == 600


@settings(deadline=None)  # a busy machine is not a fault of the rule
@given(
    used=st.floats(0, 1e6),
    volume=st.floats(0, 1e5),
    retention=st.integers(1, 35),
    reading=st.sampled_from(CapReading),
)
def test_no_day_is_billed_below_nothing_or_above_the_cap(used, volume, retention, reading):
    charge = automated_backup(used_gib=used, volume_gib=volume, retention_days=retention)
    assert 0 <= charge.billed_gib(reading) <= charge.cap_gib
    assert charge.readings_differ_by_gib >= 0


SUMS = {
    "Snapshots, each deleted after 7 days": "0.00",
    "One snapshot older than the window": "13.80",
    "Snapshots, each kept 30 days": "317.40",
    "Snapshots never deleted: first month": "126.96",
    "Snapshots never deleted: twelfth month": "4671.30",
    "Snapshots never deleted: first year in all (not a month)": "28741.26",
    "Automated backup, 1 % of the data changed a day": "0.97",
    "Automated backup, 5 % changed a day": "4.83",
    "Automated backup, 10 % changed a day": "9.66",
    "Automated backup at the most (the cap)": "82.80",
    "5 % a day, retention of 35 days, no snapshots": "24.15",
    "5 % a day, retention of 7 days, snapshots kept 30 days": "322.23",
}


def test_every_sum_of_the_600_gb_case_comes_out_to_the_cent():
    assert {entry.way: str(cents(entry.usd_month)) for entry in sums(usd_gib_month=TOKYO)} == SUMS


def test_the_claim_of_57_dollars_is_one_snapshot_at_the_price_of_another_product():
    found = {finding.subject: finding for finding in findings(usd_gib_month=TOKYO, rds_usd_gib_month=0.095)}
    assert "$57.00" in found["model"].claimed
    assert "$13.80" in found["rule"].truth
    assert "$4,671.30" in found["model"].truth
    assert "$0.97 to $82.80" in found["automated backup"].truth


def test_the_closed_sums_equal_a_simulation_day_by_day():
    """Snapshots kept 30 days: once the first has been deleted, each month costs what the closed sum says."""
    alive: list[int] = []
    billed = []
    for day in range(1, 121):
        alive = [taken for taken in [*alive, day] if day - taken < 30]
        billed.append(sum(600 for taken in alive if day - taken >= 7))
    assert [billed[day - 1] for day in range(1, 121)] == [
        600 * snapshots_billed(day, retention_days=7, kept_days=30) for day in range(1, 121)
    ]
    assert gib_months(billed[-30:], days_in_month=30) * TOKYO == pytest.approx(
        snapshots_kept_usd(CASE, kept_days=30, usd_gib_month=TOKYO)
    )
    assert gib_months(billed[:30], days_in_month=30) * TOKYO == pytest.approx(
        snapshot_usd_of_month(CASE, kept_days=30, month=1, usd_gib_month=TOKYO)
    )


def test_lengthening_the_retention_can_cost_less_than_the_snapshots_it_covers():
    short = Database(volume_gib=600, retention_days=7, change_a_day=0.05)
    long = Database(volume_gib=600, retention_days=30, change_a_day=0.05)

    def both(database):
        return automated_usd(database, usd_gib_month=TOKYO) + snapshots_kept_usd(
            database, kept_days=30, usd_gib_month=TOKYO
        )

    assert both(long) < both(short)


def test_a_restored_copy_of_the_case_costs_about_9_88_a_day_in_tokyo():
    usd = copy_usd_a_day(instance_usd_hour=0.313, instances=1, volume_gib=600, storage_usd_gib_month=0.12)
    assert cents(usd) == Decimal("9.88")


def test_months_know_their_days_and_neighbours():
    assert [month.days for month in Month(2024, 3).back_to(3)] == [31, 29, 31]
    assert str(Month(2026, 1).plus(-1)) == "2025-12"
    assert Month.holding(midnight(date(2026, 12, 31))).plus(1) == Month(2027, 1)
    assert days_from(date(2026, 2, 27), 3)[-1] == Month(2026, 3).first


def test_money_is_rounded_half_up_once_and_never_hides_a_little_behind_zero():
    assert [usd_text(amount) for amount in (4.825, 0, 0.001, -0.4, 4671.3)] == [
        "$4.83", "$0.00", "< $0.01", "-$0.40", "$4,671.30",
    ]  # fmt: skip
    assert [gib_text(size) for size in (600, 0.42, 1457.2)] == ["600 GiB", "0.4 GiB", "1,457 GiB"]
