"""The billing rule, held to AWS's worked examples and to the sums of the 600 GB case."""

from __future__ import annotations

import re
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runbook_lib.costs.copies import copy_usd_a_day
from runbook_lib.costs.rule import (
    CapReading,
    automated_backup,
    automated_used_gib,
    begins_to_cost,
    gib_months,
    snapshot_billed_gib,
)
from runbook_lib.costs.units import Month, cents, days_from, gib_text, midnight, usd_text

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


def days_of_snapshots(days, *, kept_days=None, size=600.0, retention=7):
    """Return each day's billed GiB where a snapshot is taken daily, and deleted at the age of `kept_days`."""
    first = date(2026, 1, 1)
    taken, billed = [], []
    for number in range(days):
        day = first + timedelta(days=number)
        taken = [at for at in [*taken, day] if kept_days is None or (day - at).days < kept_days]
        billed.append(sum(snapshot_billed_gib(size, taken=at, day=day, retention_days=retention) for at in taken))
    return billed


def month_usd(billed, number):
    return gib_months(billed[30 * (number - 1) : 30 * number], days_in_month=30) * TOKYO


def changing_usd(part, *, retention=7, size=600.0):
    used = automated_used_gib(before_window_gib=size, records_gib=[size * part] * retention)
    return automated_backup(used_gib=used, volume_gib=size, retention_days=retention).billed_gib() * TOKYO


def test_every_sum_of_the_worked_example_in_docs_is_what_the_rule_gives_day_by_day():
    never, kept_30 = days_of_snapshots(360), days_of_snapshots(120, kept_days=30)
    sums = [
        month_usd(days_of_snapshots(120, kept_days=7), 4),
        600 * TOKYO,
        month_usd(kept_30, 4),
        month_usd(never, 1),
        month_usd(never, 12),
        sum(month_usd(never, number) for number in range(1, 13)),
        changing_usd(0.01),
        changing_usd(0.05),
        changing_usd(0.10),
        changing_usd(100.0),
        changing_usd(0.05, retention=35),
        month_usd(kept_30, 4) + changing_usd(0.05),
        600 * 0.095,
    ]
    text = (Path(__file__).parents[1] / "docs" / "strategy.md").read_text(encoding="utf-8")
    table = text.partition("## What snapshots cost: a worked example")[2].partition("\n## ")[0]
    written = re.findall(r"^\| .* \| \$([\d,.]+) \|$", table, re.MULTILINE)
    assert [f"{cents(usd):,}" for usd in sums] == written


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
