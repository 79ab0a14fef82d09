"""The policy as Terraform's data source `aws_iam_policy_document`."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any


def terraform(document: Mapping[str, Any], *, name: str = "recovery_runbooks") -> str:
    """Write a policy document as HCL; a `${` in it would be an expression there and is escaped."""
    lines = [f'data "aws_iam_policy_document" "{name}" {{']
    for number, statement in enumerate(document["Statement"]):
        lines += ([""] if number else []) + [f"  {line}".rstrip() for line in _block(statement)]
    return "\n".join([*lines, "}"])


def _block(statement: Mapping[str, Any]) -> Iterator[str]:
    yield "statement {"
    yield f"  sid       = {_text(statement['Sid'])}"
    yield f"  effect    = {_text(statement['Effect'])}"
    yield from _list("actions  ", statement["Action"])
    yield from _list("resources", statement["Resource"])
    for operator, keys in statement.get("Condition", {}).items():
        for key, values in keys.items():
            yield ""
            yield "  condition {"
            yield f"    test     = {_text(operator)}"
            yield f"    variable = {_text(key)}"
            yield f"    values   = [{_text(values)}]"
            yield "  }"
    yield "}"


def _list(name: str, values: Any) -> Iterator[str]:
    several = values if isinstance(values, list) else [values]
    if len(several) == 1:
        yield f"  {name} = [{_text(several[0])}]"
        return
    yield f"  {name} = ["
    yield from (f"    {_text(value)}," for value in several)
    yield "  ]"


def _text(value: str) -> str:
    return json.dumps(value).replace("${", "$${")
