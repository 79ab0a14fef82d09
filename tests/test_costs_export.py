"""What is taken along, and what restored copies cost."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pandas as pd
import pytest

from runbook_lib import costs
from runbook_lib.aws import connect
from runbook_lib.costs import focus
from runbook_lib.costs.copies import Copy, copies, products_of
from runbook_lib.costs.estate import Estate
from runbook_lib.costs.pricelist import AURORA_BACKUP
from runbook_lib.costs.prices import shipped_prices
from runbook_lib.costs.units import Month
from runbook_lib.display import costs as show
from runbook_lib.errors import InputRefused
from tests import builders
from tests import costs_days as days
from tests.costs_world import Sim, facts_of

TODAY = date(2026, 11, 22)
SIMS = [Sim(name="staging-db", tags={"team": "データ"}), Sim(name="steady", changes=0, every=0, grows=0)]


@pytest.fixture(scope="module")
def review():
    return costs.review(facts_of(SIMS, today=TODAY))


@pytest.fixture(scope="module")
def taken(review, tmp_path_factory):
    outlook = costs.look_ahead(connect(region="ap-northeast-1"), review, keep_days=10_000)
    folder = tmp_path_factory.mktemp("tables") / "new"
    return costs.take_along(review, outlook, output=str(folder), account="012345678901")


def file(taken, name):
    return next(path for path in taken.files if path.endswith(name))


def test_the_focus_rows_add_up_to_what_the_review_says_and_keep_the_accounts_zero(review, taken):
    frame = pd.read_csv(file(taken, "focus-1.0-costs.csv"), dtype={"BillingAccountId": str})
    assert frame["BilledCost"].sum() == pytest.approx(review.month.backup.usd)
    assert set(frame["BillingAccountId"]) == {"012345678901"}
    assert set(frame["x_Part"]) == {"automated", "snapshots"}
    assert set(frame["x_Basis"]) == {focus.BASIS}
    assert "steady" not in set(frame["ResourceName"])  # it cost nothing


def test_the_focus_rows_have_the_specifications_columns_and_ours_begin_with_x(taken):
    frame = pd.read_csv(file(taken, "focus-1.0-costs.csv"))
    assert list(frame.columns) == list(focus.COLUMNS)
    assert set(frame["x_FocusVersion"]) == {1.0}
    assert set(frame["RegionName"]) == {"Asia Pacific (Tokyo)"}
    ours = [column for column in frame.columns if column.startswith("x_")]
    assert ours == ["x_Basis", "x_FocusVersion", "x_Part", "x_PricePublished"]
    assert json.loads(frame["Tags"].iloc[0]) == {"team": "データ"}
    for name in ("BillingPeriodStart", "BillingPeriodEnd", "ChargePeriodStart", "ChargePeriodEnd"):
        assert frame[name].map(lambda text: re.fullmatch(r"\d{4}-\d\d-\d\dT00:00:00Z", text) is not None).all()
    assert (frame["ListUnitPrice"] * frame["PricingQuantity"]).sum() == pytest.approx(frame["ListCost"].sum())


def test_parquet_says_the_same_as_csv(taken):
    for path in taken.files:
        if path.endswith(".parquet"):
            csv = pd.read_csv(path.removesuffix("parquet") + "csv")
            parquet = pd.read_parquet(path)
            assert list(parquet.columns) == list(csv.columns)
            assert len(parquet) == len(csv)
    parquet, csv = (file(taken, f"focus-1.0-costs.{kind}") for kind in ("parquet", "csv"))
    assert pd.read_parquet(parquet)["BilledCost"].sum() == pytest.approx(pd.read_csv(csv)["BilledCost"].sum())


def test_duckdb_reads_every_file_and_finds_the_same_columns_and_sum(taken):
    for path in taken.files:
        read = duckdb.sql(f"SELECT * FROM '{path}'")
        pandas = pd.read_parquet(path) if path.endswith(".parquet") else pd.read_csv(path)
        assert read.columns == list(pandas.columns)
        assert len(read.fetchall()) == len(pandas)
    files = [file(taken, f"focus-1.0-costs.{kind}") for kind in ("parquet", "csv")]
    sums = [duckdb.sql(f"SELECT SUM(BilledCost), MIN(ChargePeriodStart) FROM '{path}'").fetchall()[0] for path in files]
    assert sums[0][0] == pytest.approx(sums[1][0])
    assert sums[0][1].date() == sums[1][1].date()


def test_every_table_is_written(taken):
    stems = {Path(path).name.rpartition(".")[0].removeprefix("2026-11-") for path in taken.files}
    assert stems == {
        "focus-1.0-costs", "months", "clusters", "owners", "snapshots", "savings", "anomalies", "what-if", "protection",
        "drivers", "agreement", "clean-up",
    }  # fmt: skip


@pytest.mark.skipif(not os.environ.get("FOCUS_VALIDATOR"), reason="set FOCUS_VALIDATOR to the focus-validator command")
def test_the_public_focus_validator_accepts_the_rows(taken, tmp_path):
    """It needs pandas 2, so it lives in an environment of its own; its version 1.0.0 spells four names its own way.

    It looks its list of currencies up in the folder it is run in, and asks one check of a column of an older version.
    """
    command = shutil.which(os.environ["FOCUS_VALIDATOR"])
    assert command, "FOCUS_VALIDATOR names no command"
    (tmp_path / "focus_validator" / "utils").mkdir(parents=True)
    (tmp_path / "focus_validator" / "utils" / "currency_codes.csv").write_text("currency_codes\nUSD\nEUR\n")
    own = {"InvoiceIssuerName": "InvoiceIssuer", "ProviderName": "Provider", "PublisherName": "Publisher"}
    frame = pd.read_parquet(file(taken, "focus-1.0-costs.parquet"))
    frame = frame.rename(columns={**own, "ResourceId": "ResourceID"}).assign(ChargeType="Usage")
    frame.to_parquet(tmp_path / "focus.parquet", index=False)
    ran = subprocess.run(
        [command, "--data-file", "focus.parquet", "--validate-version", "1.0"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert "Validation succeeded." in ran.stdout, ran.stdout + ran.stderr


def test_without_a_folder_nothing_is_written_and_a_file_in_its_place_is_refused(review, tmp_path):
    outlook = costs.look_ahead(connect(region="ap-northeast-1"), review, keep_days=10_000)
    assert costs.take_along(review, outlook, output="", account="1").files == ()
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputRefused, match="cannot be written"):
        costs.take_along(review, outlook, output=str(tmp_path / "taken" / "x"), account="1")


def test_a_number_of_days_that_keeps_nothing_is_refused(review):
    with pytest.raises(InputRefused, match="keep_days is 0"):
        costs.look_ahead(connect(region="ap-northeast-1"), review, keep_days=0)


NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def restored(**members):
    tags = {"recovery:source": "staging-db", "recovery:expires": "2026-11-20T00:00:00Z", "recovery:incident": "INC-7"}
    listed = [{"Key": key, "Value": value} for key, value in {**tags, **members.pop("tags", {})}.items()]
    return builders.cluster(
        DBClusterIdentifier="staging-db-copy",
        ClusterCreateTime=NOW - timedelta(days=10),
        TagList=listed,
        **members,
    )


def copies_of(cluster, classes=("db.r6g.large",)):
    facts = facts_of([Sim(name="staging-db", volume=600 - 99 * 0.5)], today=TODAY)
    estate = Estate(
        clusters=(*facts.estate.clusters, cluster), snapshots=(), retained=(),
        instance_classes={cluster.identifier: tuple(classes)},
    )  # fmt: skip
    usage = facts.usage
    names = (*usage.clusters, cluster.identifier)
    nothing = usage.volume_gib * float("nan")
    import numpy as np

    grids = {
        name: np.concatenate([getattr(usage, name), nothing])
        for name in ("volume_gib", "used_gib", "snapshot_gib", "billed_gib")
    }
    from dataclasses import replace

    prices = shipped_prices("ap-northeast-1", (AURORA_BACKUP,), optional=products_of(estate))
    return copies(estate, replace(usage, clusters=names, **grids), prices)[0]


def test_a_restored_copy_shows_what_it_costs_a_day_and_has_cost_so_far():
    copy = copies_of(restored())
    assert copy.volume_gib == pytest.approx(600)  # too young for metrics: as large as its source
    assert copy.usd_a_day == pytest.approx(9.88, abs=0.005)
    assert copy.usd_so_far(NOW) == pytest.approx(98.79, abs=0.05)
    assert copy.is_expired(NOW)
    assert copy.incident == "INC-7"


def test_a_copys_cost_is_split_between_the_months_it_lived_in():
    copy = Copy(
        cluster="c", source="s", made=datetime(2026, 10, 30, tzinfo=UTC), expires=None, instance_classes=(),
        volume_gib=1.0, usd_a_day=10.0, incident="",
    )  # fmt: skip
    assert copy.usd_of_month(Month(2026, 10), NOW) == pytest.approx(20)
    assert copy.usd_of_month(Month(2026, 11), NOW) == pytest.approx(215)
    assert copy.usd_of_month(Month(2026, 9), NOW) == 0


def test_a_copy_whose_price_is_not_known_has_no_sum_rather_than_a_wrong_one():
    assert copies_of(restored(), classes=("db.serverless",)).usd_a_day is None
    assert copies_of(restored(StorageType="aurora-iopt1")).usd_a_day is None


def test_an_expiry_somebody_wrote_by_hand_is_shown_as_none():
    assert copies_of(restored(tags={"recovery:expires": "next week"})).expires is None


def test_the_result_is_planned_while_something_waits_for_approval_and_failed_when_the_bill_is_off(review):
    outlook = costs.look_ahead(connect(region="ap-northeast-1"), review, keep_days=10_000)
    done = costs.apply_cleanup(connect(region="ap-northeast-1"), outlook.plan, approve="")
    result = show.cost_result(review, outlook, done, costs.Taken())
    assert result.outcome == "succeeded"
    assert result.facts["month"] == "2026-11"


@pytest.mark.thorough
def test_tables_without_a_row_have_their_columns_and_types_and_what_is_not_known_is_empty(tmp_path):
    nothing = costs.review(days.facts_of(days.lived([], today=TODAY)))
    dark = {(metric, day) for metric in days.METRICS for day in range(430)}
    unknown = costs.review(
        days.facts_of(days.lived([days.Life(key="cluster-d", names=[(-999, "dark")], lost=dark)], today=TODAY))
    )
    session = connect(region="ap-northeast-1")
    for review, rows in ((nothing, 0), (unknown, 1)):
        outlook = costs.look_ahead(session, review, keep_days=10_000)
        folder = tmp_path / str(rows)
        files = costs.take_along(review, outlook, output=str(folder), account="1").files
        read = {Path(path).stem.removeprefix("2026-11-"): pd.read_parquet(path) for path in files if path.endswith("t")}
        focused = read["focus-1.0-costs"].dtypes.astype(str)
        assert focused["ChargePeriodStart"].startswith("datetime64[")
        assert focused["AvailabilityZone"].startswith("str")
        assert focused["BilledCost"] == "float64"
        assert len(read["clusters"]) == rows
        assert list(read["clusters"].columns)[:2] == ["cluster", "owner"]
        assert len(read["anomalies"].columns) == 7
        for sheet in (show.first_screen(review, outlook), show.months_sheet(review), show.protection_sheet(outlook),
                      show.retention_sheet(review, outlook), show.bill_sheet(review, outlook),
                      show.clusters_sheet(review, outlook), show.held_sheet(review)):  # fmt: skip
            assert sheet.headline
    row = read["clusters"].iloc[0]
    assert row[["backup_usd", "automated_usd", "forecast_usd", "month_before_usd"]].isna().all()
    assert row["days_missing"] == 20
    done = costs.apply_cleanup(session, outlook.plan, approve="")
    result = show.cost_result(unknown, outlook, done, costs.Taken())
    assert result.outcome == "check-failed"
    assert "not known" in result.headline
    assert "cannot be compared" in result.facts["agreement"]
