"""Prices: exactly the product that was asked for, or an error that says so."""

from __future__ import annotations

import os
from datetime import date

import pytest

from runbook_lib.aws import connect
from runbook_lib.costs.pricelist import (
    AURORA_BACKUP,
    RDS_BACKUP,
    PriceNotFound,
    aurora_instance,
    aurora_storage,
    endpoint_region,
    plain_usage,
)
from runbook_lib.costs.prices import LIVE, SHIPPED, prices, shipped_price, shipped_prices
from runbook_lib.errors import RunbookError, exit_code_of
from runbook_lib.rehearsal.pricelist import PriceList, product, products_of

TOKYO = "ap-northeast-1"


@pytest.fixture(scope="module")
def endpoint():
    """One stand-in for the whole module: its products are set anew for each test."""
    with PriceList(products_of(TOKYO)) as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def session(endpoint):
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        for name, value in {
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            **endpoint.environment,
        }.items():
            patch.setenv(name, value)
        yield connect(region=TOKYO)


@pytest.fixture
def price_list(endpoint):
    endpoint.products, endpoint.page_size, endpoint.denied = products_of(TOKYO), 100, False
    endpoint.requests.clear()
    return endpoint


def backup(sku="SKU1", *, usd=0.023, unit="GB-Mo", usage="APN1-Aurora:BackupUsage", engine="Aurora MySQL"):
    attributes = {"regionCode": TOKYO, "usagetype": usage, "databaseEngine": engine}
    return product(sku, attributes, usd=usd, unit=unit, family="Storage Snapshot")


def test_the_live_price_of_aurora_backup_in_tokyo_is_auroras_and_carries_its_source_and_date(session, price_list):
    book = prices(session, (AURORA_BACKUP, RDS_BACKUP))
    assert (book.of(AURORA_BACKUP).usd, book.of(RDS_BACKUP).usd) == (0.023, 0.095)
    assert book.of(AURORA_BACKUP).source == LIVE
    assert book.of(AURORA_BACKUP).as_of == date(2026, 10, 15)
    assert book.note == ""


def test_an_instance_hour_and_storage_are_found_where_aws_lists_them_for_any_engine(session, price_list):
    book = prices(session, (AURORA_BACKUP,), optional=(aurora_instance("db.r6g.large"), aurora_storage()))
    assert book.usd(aurora_instance("db.r6g.large")) == 0.313
    assert book.usd(aurora_storage()) == 0.12


def test_two_matching_products_are_refused_by_their_names(session, price_list):
    price_list.products = [backup("SKU1"), backup("SKU2", usd=0.095)]
    with pytest.raises(PriceNotFound, match=r"2 such products \(SKU1, SKU2\)"):
        prices(session, (AURORA_BACKUP,))


def test_no_matching_product_is_an_error_with_what_was_asked_and_never_another_price(session, price_list):
    price_list.products = [backup(usage="APN1-RDS:ChargedBackupUsage", usd=0.095)]
    with pytest.raises(PriceNotFound, match=r"Aurora backup storage in ap-northeast-1.*Storage Snapshot.*0 such"):
        prices(session, (AURORA_BACKUP,))


@pytest.mark.parametrize(("unit", "said"), [("GB-Hours", "per GB-Hours, not per GB-Mo"), ("Hrs", "not per GB-Mo")])
def test_a_wrong_unit_is_refused(session, price_list, unit, said):
    price_list.products = [backup(unit=unit)]
    with pytest.raises(PriceNotFound, match=said):
        prices(session, (AURORA_BACKUP,))


def test_another_currency_is_refused(session, price_list):
    entry = backup()
    for term in entry["terms"]["OnDemand"].values():
        for dimension in term["priceDimensions"].values():
            dimension["pricePerUnit"] = {"CNY": "0.15"}
    price_list.products = [entry]
    with pytest.raises(PriceNotFound, match="CNY, not in USD"):
        prices(session, (AURORA_BACKUP,))


def test_the_product_is_found_on_a_later_page(session, price_list):
    decoys = [backup(f"DECOY{n}", usage=f"APN1-Other{n}:BackupUsage") for n in range(5)]
    price_list.products, price_list.page_size = [*decoys, backup()], 2
    assert prices(session, (AURORA_BACKUP,)).usd(AURORA_BACKUP) == 0.023
    assert len(price_list.requests) == 3


def test_a_second_match_on_a_later_page_is_seen(session, price_list):
    decoys = [backup(f"DECOY{n}", usage=f"APN1-Other{n}:BackupUsage") for n in range(5)]
    price_list.products, price_list.page_size = [backup("SKU1"), *decoys, backup("SKU2")], 2
    with pytest.raises(PriceNotFound, match="2 such products"):
        prices(session, (AURORA_BACKUP,))


def test_a_denied_call_falls_back_to_the_dated_list_and_says_so_after_one_call(session, price_list):
    price_list.denied = True
    book = prices(session, (AURORA_BACKUP, RDS_BACKUP))
    assert book.of(AURORA_BACKUP).source == SHIPPED
    assert book.of(AURORA_BACKUP).as_of == date(2026, 10, 15)
    assert "does not allow pricing:GetProducts" in book.note
    assert len(price_list.requests) == 1


def test_no_credentials_fall_back_to_the_dated_list(monkeypatch, price_list, tmp_path):
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    book = prices(connect(region=TOKYO), (AURORA_BACKUP,))
    assert book.of(AURORA_BACKUP).usd == 0.023
    assert "No AWS credentials" in book.note


@pytest.mark.parametrize(
    ("region", "endpoint"),
    [
        ("ap-northeast-1", "ap-south-1"),
        ("eu-west-3", "eu-central-1"),
        ("il-central-1", "eu-central-1"),
        ("us-west-2", "us-east-1"),
        ("sa-east-1", "us-east-1"),
        ("cn-north-1", "cn-northwest-1"),
    ],
)
def test_regions_without_a_price_list_endpoint_ask_the_nearest_that_has_one(region, endpoint):
    assert endpoint_region(region) == endpoint


def test_the_request_of_a_tokyo_session_is_signed_for_mumbai_and_asks_for_tokyo(session, price_list):
    prices(session, (AURORA_BACKUP,))
    assert "/ap-south-1/pricing/" in price_list.requests[0]["signed for"]
    assert {"Type": "TERM_MATCH", "Field": "regionCode", "Value": TOKYO} in price_list.requests[0]["Filters"]


def test_a_product_that_the_dated_list_lacks_is_an_error_unless_optional():
    with pytest.raises(PriceNotFound, match=r"no price of Aurora storage \(Standard\) in eu-west-3"):
        shipped_price("eu-west-3", aurora_storage())
    book = shipped_prices("eu-west-3", (AURORA_BACKUP,), optional=(aurora_storage(),))
    assert book.usd(aurora_storage()) is None
    assert len(book.missing) == 1
    with pytest.raises(PriceNotFound, match="known to this review"):
        book.of(aurora_storage())


def test_an_io_optimized_instance_never_gets_the_standard_price_of_the_dated_list():
    assert shipped_price(TOKYO, aurora_instance("db.r6g.large")).usd == 0.313
    with pytest.raises(PriceNotFound):
        shipped_price(TOKYO, aurora_instance("db.r6g.large", io_optimized=True))


def test_prices_that_are_older_than_the_list_keep_their_own_date():
    assert shipped_price(TOKYO, AURORA_BACKUP).as_of == date(2026, 10, 15)
    assert shipped_price(TOKYO, aurora_storage()).as_of == date(2026, 8, 31)


def test_usage_types_lose_only_their_regions_prefix():
    assert [plain_usage(text) for text in ("APN1-Aurora:BackupUsage", "Aurora:IO-OptimizedStorageUsage")] == [
        "Aurora:BackupUsage",
        "Aurora:IO-OptimizedStorageUsage",
    ]


def test_a_missing_price_ends_a_run_as_a_failed_step():
    assert issubclass(PriceNotFound, RunbookError)
    assert exit_code_of("PriceNotFound") == 5
