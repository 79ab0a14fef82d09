"""IAM policies read as AWS reads them, as far as a recovery's permissions need: resources and tag conditions too.

Known: Action and NotAction, Resource and NotResource with wildcards, StringEquals, StringLike, their negations,
IgnoreCase, IfExists and ForAnyValue/ForAllValues forms, Null, Bool. Not known: policy variables, principals,
permission boundaries, service control policies.
"""

from __future__ import annotations

import fnmatch
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from runbook_lib.errors import InputRefused

Statement = Mapping[str, Any]
Context = Mapping[str, Sequence[str]]


class UnknownOperator(InputRefused):
    """A policy's condition uses an operator that this evaluator does not know: better no answer than a wrong one."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One permission that a request needs: an action on one resource, with the context keys that are there."""

    action: str
    resource: str = "*"
    context: Context = field(default_factory=dict)


def is_allowed(statements: Iterable[Statement], wanted: Wanted) -> bool:
    """Say whether some statement allows it and none denies it."""
    allowed = False
    for statement in statements:
        if _applies(statement, wanted):
            if statement["Effect"] == "Deny":
                return False
            allowed = True
    return allowed


def _applies(statement: Statement, wanted: Wanted) -> bool:
    return (
        _named(statement, "Action", wanted.action)
        and _named(statement, "Resource", wanted.resource)
        and all(
            _holds(operator, key, _several(values), wanted.context)
            for operator, keys in statement.get("Condition", {}).items()
            for key, values in keys.items()
        )
    )


def _named(statement: Statement, element: str, value: str) -> bool:
    folded = element == "Action"
    if f"Not{element}" in statement:
        return not any(_like(pattern, value, folded=folded) for pattern in _several(statement[f"Not{element}"]))
    return any(_like(pattern, value, folded=folded) for pattern in _several(statement.get(element, ())))


def _holds(operator: str, key: str, patterns: Sequence[str], context: Context) -> bool:
    found = next((values for name, values in context.items() if name.lower() == key.lower()), None)
    quantifier, _, bare = operator.rpartition(":")
    if bare == "Null":
        return (found is None) == (patterns[0].lower() == "true")
    optional = bare.endswith("IfExists")
    bare = bare.removesuffix("IfExists")
    negated = "Not" in bare
    if found is None:
        return optional or negated or quantifier == "ForAllValues"
    matches = [any(_matches(bare, pattern, value) for pattern in patterns) for value in found]
    if quantifier == "ForAllValues":
        return all(match != negated for match in matches)
    return not any(matches) if negated else any(matches)


def _matches(operator: str, pattern: str, value: str) -> bool:
    kind = operator.replace("Not", "")
    if kind in ("StringLike", "ArnLike", "ArnEquals"):
        return _like(pattern, value)
    if kind in ("StringEquals", "Bool", "StringEqualsIgnoreCase"):
        return pattern.lower() == value.lower() if kind != "StringEquals" else pattern == value
    raise UnknownOperator(f"The condition operator {operator} is not known here.", hint="Check that statement by hand.")


def _like(pattern: str, value: str, *, folded: bool = False) -> bool:
    # fnmatch reads [ ] as a set of letters, which IAM does not
    expression = fnmatch.translate(pattern.replace("[", "[[]"))
    return re.match(expression, value, re.IGNORECASE if folded else 0) is not None


def _several(value: Any) -> Sequence[str]:
    return [str(part) for part in value] if isinstance(value, (list, tuple)) else [str(value)]
