"""The Price List service, which moto has not: products that were entered, found by their attributes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from runbook_lib.rehearsal.control.faults import Refusal
from runbook_lib.rehearsal.control.request_log import Request


class PriceList:
    """Products as AWS writes them: {"product": {"attributes": {...}}, "terms": {...}, "serviceCode": "AmazonRDS"}."""

    def __init__(self) -> None:
        self.products: list[dict[str, Any]] = []

    def enter(self, *products: Mapping[str, Any]) -> None:
        """Add products."""
        self.products.extend(dict(product) for product in products)

    def answer(self, request: Request) -> dict[str, Any] | Refusal:
        """Answer a request; a filter that matches nothing gives an empty list, as AWS does."""
        asked = request.parameters
        if request.operation == "GetProducts":
            wanted = [(each["Field"], each["Value"]) for each in asked.get("Filters") or []]
            found = [
                json.dumps(product)  # AWS sends each product as text, JSON within JSON
                for product in self.products
                if product.get("serviceCode") == asked.get("ServiceCode")
                and all(_attributes(product).get(field) == value for field, value in wanted)
            ]
            return {"FormatVersion": "aws_v1", "PriceList": found}
        if request.operation == "DescribeServices":
            codes = sorted({str(product.get("serviceCode")) for product in self.products})
            return {
                "FormatVersion": "aws_v1",
                "Services": [{"ServiceCode": code, "AttributeNames": []} for code in codes],
            }
        return Refusal(code="InvalidAction", message=f"The rehearsal's AWS does not know {request}.")


def _attributes(product: Mapping[str, Any]) -> dict[str, Any]:
    return {"serviceCode": product.get("serviceCode"), **product.get("product", {}).get("attributes", {})}
