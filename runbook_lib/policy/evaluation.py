"""What policies say of one request, in three answers: allowed, denied, or could not judge.

What is understood is listed: the operators of texts, ARNs, truth values and absence, on keys whose value in the request
is known. Everything else, policy variables too, makes the answer depend on it, and that is said. Not looked at:
permission boundaries, session policies, service control policies, policies of the resources.

Source: IAM User Guide, "Policy evaluation logic", "Condition operators", "Multivalued context keys".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

from runbook_lib.policy.reading import Condition, Statement

Context = Mapping[str, Sequence[str]]
Answer = Literal["allowed", "explicitDeny", "implicitDeny", "unknown"]

_TEXTS = {"StringEquals", "StringEqualsIgnoreCase", "StringLike", "ArnEquals", "ArnLike", "Bool"}
_OTHERS = {
    "NumericEquals", "NumericLessThan", "NumericLessThanEquals", "NumericGreaterThan", "NumericGreaterThanEquals",
    "DateEquals", "DateLessThan", "DateLessThanEquals", "DateGreaterThan", "DateGreaterThanEquals", "BinaryEquals",
    "IpAddress",
}  # fmt: skip
_NEGATED = {
    "StringNotEquals": "StringEquals",
    "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    "StringNotLike": "StringLike",
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "NumericNotEquals": "NumericEquals",
    "DateNotEquals": "DateEquals",
    "NotIpAddress": "IpAddress",
}
_QUANTIFIERS = ("", "ForAnyValue", "ForAllValues")
# AWS puts these into every request (IAM User Guide, "AWS global condition context keys").
_ALWAYS_THERE = {
    "aws:currenttime", "aws:epochtime", "aws:principalaccount", "aws:principalarn", "aws:principaltype",
    "aws:requestedregion", "aws:securetransport", "aws:userid",
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """One permission that a request needs: an action on one resource, with the context keys that are known.

    With `*` or `?` in it the resource is any of that pattern: nobody knows yet which. `absent` are beginnings of keys
    that are certainly not in the request. With `is_whole` every key that is not in the context is absent and the
    resource is the one it says, as the stand-in knows of its own requests.
    """

    action: str
    resource: str = "*"
    context: Context = field(default_factory=dict)
    absent: tuple[str, ...] = ()
    is_whole: bool = False


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The answer, and for "unknown" what it depends on. `missing` are condition keys that were not in the context."""

    answer: Answer
    depends_on: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()


def judge(statements: Iterable[Statement], wanted: Wanted) -> Verdict:
    """Decide a request: denied by any statement that says so, allowed by one that allows it and none that may deny."""
    found = [(statement, _applies(statement, wanted)) for statement in statements if _is_about(statement, wanted)]
    missing = tuple(dict.fromkeys(key for statement, _ in found for key in _absent_keys(statement, wanted)))
    denying = [doubts for statement, doubts in found if statement.effect == "Deny" and doubts is not None]
    allowing = [doubts for statement, doubts in found if statement.effect == "Allow" and doubts is not None]
    if () in denying:
        return Verdict(answer="explicitDeny", missing=missing)
    if not allowing:
        return Verdict(answer="implicitDeny", missing=missing)
    if denying or () not in allowing:
        doubts = [*denying, *([] if () in allowing else allowing)]
        depends_on = tuple(dict.fromkeys(reason for reasons in doubts for reason in reasons))
        return Verdict(answer="unknown", depends_on=depends_on, missing=missing)
    return Verdict(answer="allowed", missing=missing)


def is_allowed(statements: Iterable[Statement], wanted: Wanted) -> bool:
    """Tell whether the request is certainly allowed."""
    return judge(statements, wanted).answer == "allowed"


def _is_about(statement: Statement, wanted: Wanted) -> bool:
    return any(like(pattern, wanted.action, folded=True) for pattern in statement.actions) != statement.not_actions


def _applies(statement: Statement, wanted: Wanted) -> tuple[str, ...] | None:
    """Return what it depends on whether the statement applies: nothing at all, or None where it certainly does not."""
    doubts: list[str] = []
    matches = {pattern: _names(pattern, statement, wanted) for pattern in statement.resources}
    named = True if True in matches.values() else None if None in matches.values() else False
    if named is None:
        partly = [pattern for pattern, match in matches.items() if match is None]
        doubts.append(f"which resource it is (it names {', '.join(partly)})")
    elif named is statement.not_resources:
        return None
    for condition in statement.conditions:
        held = _holds(condition, statement, wanted)
        if held is False:
            return None
        if held is None:
            doubts.append(f"{condition.operator} on {condition.key}")
    return tuple(doubts)


def _absent_keys(statement: Statement, wanted: Wanted) -> Iterator[str]:
    given = {name.lower() for name in wanted.context}
    yield from (condition.key for condition in statement.conditions if condition.key.lower() not in given)


def _holds(condition: Condition, statement: Statement, wanted: Wanted) -> bool | None:
    """Tell whether a condition holds, None where that is not known."""
    quantifier, _, operator = condition.operator.rpartition(":")
    optional = operator.endswith("IfExists")
    operator = operator.removesuffix("IfExists")
    negated = operator in _NEGATED
    kind = _NEGATED.get(operator, operator)
    if quantifier not in _QUANTIFIERS or kind not in {*_TEXTS, *_OTHERS, "Null"} or (kind == "Null" and optional):
        return None
    is_there, found = _value(condition.key, wanted)
    if kind == "Null":
        asked = {value.lower() for value in condition.values}
        return (
            None if is_there is None or not asked <= {"true", "false"} else ("false" if is_there else "true") in asked
        )
    if is_there is False:
        if quantifier == "ForAllValues":
            return True
        if quantifier == "ForAnyValue":
            return None if optional else False
        return optional or negated
    if found is None or (not quantifier and len(found) != 1):
        return None  # the value is not known; or several, which only a quantifier compares
    results = [_is_one_of(kind, condition.values, value, statement) for value in found]
    results = [None if result is None else result != negated for result in results]
    if quantifier == "ForAnyValue":
        return True if True in results else None if None in results else False
    return False if False in results else None if None in results else True


def _value(key: str, wanted: Wanted) -> tuple[bool | None, Sequence[str] | None]:
    """Return whether a key is in the request (None: nobody knows), and its values where they are known."""
    folded = key.lower()
    found = next((values for name, values in wanted.context.items() if name.lower() == folded), None)
    if found is not None:
        return True, found
    if wanted.is_whole or any(folded.startswith(part.lower()) for part in wanted.absent):
        return False, None
    return (True if folded in _ALWAYS_THERE else None), None


def _is_one_of(kind: str, patterns: Sequence[str], value: str, statement: Statement) -> bool | None:
    results = [_compare(kind, pattern, value, statement) for pattern in patterns]
    return True if True in results else None if None in results else False


def _compare(kind: str, pattern: str, value: str, statement: Statement) -> bool | None:
    if kind not in _TEXTS:
        return None
    if kind == "Bool":
        return pattern.lower() == value.lower() if pattern.lower() in ("true", "false") else None
    if kind in ("StringLike", "ArnLike", "ArnEquals"):
        if not kind.startswith("Arn"):
            return _matches(pattern, value, statement)
        parts, of_value = pattern.split(":", 5), value.split(":", 5)
        if len(parts) != 6 or len(of_value) != 6:
            return None
        results = [_matches(part, other, statement) for part, other in zip(parts, of_value, strict=True)]
        return False if False in results else None if None in results else True
    if statement.has_variables and "${" in pattern:
        return None
    return pattern.lower() == value.lower() if kind == "StringEqualsIgnoreCase" else pattern == value


def _matches(pattern: str, value: str, statement: Statement) -> bool | None:
    if statement.has_variables and "${" in pattern:
        return None
    return like(pattern, value)


def _names(pattern: str, statement: Statement, wanted: Wanted) -> bool | None:
    """Tell whether a resource is of a pattern, None where that depends on which it is or on how AWS reads the pattern.

    AWS fills the missing parts of an ARN with `*`, and documents wildcards within a part only (IAM User Guide, "IAM
    JSON policy elements: Resource"); whether one goes beyond its part is not guessed.
    """
    if pattern == "*":
        return True
    if statement.has_variables and "${" in pattern:
        return None
    parts, of_value = pattern.split(":", 5), wanted.resource.split(":", 5)
    if len(of_value) != 6:
        return False if wanted.is_whole else None  # a Describe call: AWS decides it on all that there is of a kind
    parts += ["*"] * (6 - len(parts))
    results = [_covers(part, other, wanted) for part, other in zip(parts, of_value, strict=True)]
    if False not in results:
        return None if None in results else True
    return None if like(pattern, wanted.resource) else False


def _covers(pattern: str, value: str, wanted: Wanted) -> bool | None:
    """Tell whether all values of a pattern are of another one, None where only some are."""
    if wanted.is_whole or not {"*", "?"} & {*value}:
        return like(pattern, value)
    if like(pattern, value) and not ("?" in pattern and "*" in value):
        return True
    return None if _meet(pattern, value) else False


@lru_cache(maxsize=4096)
def _meet(one: str, other: str) -> bool:
    """Tell whether any text is of both patterns."""
    if "*" in (one[:1], other[:1]):
        many, rest = (one, other) if one[:1] == "*" else (other, one)
        return _meet(many[1:], rest) or (rest != "" and _meet(many, rest[1:]))
    if not one or not other:
        return one == other
    return (one[0] == other[0] or "?" in (one[0], other[0])) and _meet(one[1:], other[1:])


def is_never_met(condition: Condition, statement: Statement, wanted: Wanted) -> bool:
    """Tell whether a condition certainly does not hold of a request."""
    return _holds(condition, statement, wanted) is False


def like(pattern: str, value: str, *, folded: bool = False) -> bool:
    """Tell whether a value is of a pattern with `*` and `?`, which IAM lets stand for colons and slashes too."""
    return _expression(pattern, folded).fullmatch(value) is not None


@lru_cache(maxsize=4096)
def _expression(pattern: str, folded: bool) -> re.Pattern[str]:
    parts = {"*": ".*", "?": "."}
    text = "".join(parts.get(sign, re.escape(sign)) for sign in pattern)
    return re.compile(text, re.DOTALL | (re.IGNORECASE if folded else 0))
