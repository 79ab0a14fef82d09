"""A stand-in for AWS's Price List API on loopback: GetProducts, filled from the dated prices that ship with this.

moto has no such service. Answers have AWS's shape: JSON inside strings, pages by token, an empty list where nothing
matches. `denied` and `page_size` are switched by tests.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from typing import Any

# How AWS prefixes usage types in a region; us-east-1 has none. Source: AWS's bulk price list.
_PREFIX = {
    "us-east-1": "",
    "ap-northeast-1": "APN1-",
    "eu-west-1": "EU-",
    "eu-central-1": "EUC1-",
    "us-west-2": "USW2-",
}


def product(
    sku: str, attributes: Mapping[str, str], *, usd: float, unit: str, family: str, published: str = "2026-10-15"
) -> dict[str, Any]:
    """Write one entry of a price list as AWS does."""
    dimension = {"unit": unit, "beginRange": "0", "endRange": "Inf", "pricePerUnit": {"USD": f"{usd:.10f}"}}
    term = {"effectiveDate": f"{published}T00:00:00Z", "priceDimensions": {f"{sku}.JRTCKXETXF.6YS6EN2CT7": dimension}}
    return {
        "product": {"productFamily": family, "sku": sku, "attributes": dict(attributes)},
        "serviceCode": "AmazonRDS",
        "terms": {"OnDemand": {f"{sku}.JRTCKXETXF": term}},
        "publicationDate": f"{published}T00:00:00Z",
    }


def products_of(region: str) -> list[dict[str, Any]]:
    """Write a region's products from the dated prices, a decoy of another product beside each kind."""
    shipped = json.loads(files("runbook_lib.costs").joinpath("data", "aurora_prices.json").read_text(encoding="utf-8"))
    prices, prefix = shipped["regions"].get(region, {}), _PREFIX.get(region, f"{region}-")
    published = shipped["publication_date"][:10]

    def entry(usage: str, usd: float, unit: str, family: str, engine: str, **more: str) -> dict[str, Any]:
        attributes = {"regionCode": region, "usagetype": prefix + usage, "databaseEngine": engine, **more}
        sku = f"{region}-{usage}-{engine}".upper().translate(str.maketrans("", "", "-:. "))
        return product(sku, attributes, usd=usd, unit=unit, family=family, published=published)

    found = []
    if prices:
        for engine in ("Aurora MySQL", "Aurora PostgreSQL"):
            found.append(entry("Aurora:BackupUsage", prices["backup"], "GB-Mo", "Storage Snapshot", engine))
        for engine in ("MySQL", "PostgreSQL"):
            found.append(entry("RDS:ChargedBackupUsage", prices["rds_backup"], "GB-Mo", "Storage Snapshot", engine))
    for kind, usage in (("standard", "Aurora:StorageUsage"), ("io_optimized", "Aurora:IO-OptimizedStorageUsage")):
        if usd := prices.get("storage_gb_month", {}).get(kind):
            found.append(entry(usage, usd, "GB-Mo", "Database Storage", "Any"))
    for name, usd in prices.get("aurora_mysql_instance_hour", {}).items():
        family = "Database Instance"
        found.append(entry(f"InstanceUsage:{name}", usd, "Hrs", family, "Aurora MySQL", instanceType=name))
    return found


class Products:
    """What a Price List endpoint knows, and how it answers. `denied` and `page_size` are switched by tests."""

    def __init__(self, products: Sequence[Mapping[str, Any]], *, page_size: int = 100, denied: bool = False) -> None:
        self.products = list(products)
        self.page_size = page_size
        self.denied = denied
        self.requests: list[dict[str, Any]] = []

    def answer(self, request: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Answer GetProducts: TERM_MATCH on attributes and on the product family, one page at a time."""
        self.requests.append(dict(request))
        if self.denied:
            message = "User is not authorized to perform: pricing:GetProducts because no policy allows it"
            return 400, {"__type": "AccessDeniedException", "message": message}
        wanted = {entry["Field"]: entry["Value"] for entry in request.get("Filters", ())}
        matching = [entry for entry in self.products if wanted.items() <= _fields(entry).items()]
        begin = int(request.get("NextToken") or 0)
        page = matching[begin : begin + self.page_size]
        answer: dict[str, Any] = {"FormatVersion": "aws_v1", "PriceList": [json.dumps(entry) for entry in page]}
        if begin + self.page_size < len(matching):
            answer["NextToken"] = str(begin + self.page_size)
        return 200, answer


class PriceList(Products):
    """A Price List endpoint on loopback. Use as a context manager; `environment` points boto3 at it."""

    def __init__(self, products: Sequence[Mapping[str, Any]], *, page_size: int = 100, denied: bool = False) -> None:
        super().__init__(products, page_size=page_size, denied=denied)
        stand_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                request = json.loads(body or b"{}") | {"signed for": self.headers.get("Authorization", "")}
                status, answer = stand_in.answer(request)
                text = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/x-amz-json-1.1")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            def log_message(self, format: str, *args: Any) -> None:
                """Keep the terminal quiet."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        """The variable that points boto3's pricing client here."""
        return {"AWS_ENDPOINT_URL_PRICING": f"http://127.0.0.1:{self._server.server_address[1]}"}

    def __enter__(self) -> PriceList:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


def _fields(entry: Mapping[str, Any]) -> dict[str, str]:
    described = entry["product"]
    return {"productFamily": described["productFamily"], **described["attributes"]}
