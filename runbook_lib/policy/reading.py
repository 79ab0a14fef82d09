"""Read an IAM policy strictly: what IAM itself would refuse is refused here, and nothing is guessed.

Source: IAM User Guide, "Grammar of the IAM JSON policy language". Elements and effects are written in one way only.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import unquote

from runbook_lib.errors import InputRefused

_DOCUMENT = {"Version", "Id", "Statement"}
_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_VERSIONS = ("2012-10-17", "2008-10-17")
_ACTION = re.compile(r"\*|[A-Za-z0-9*?-]+:[A-Za-z0-9*?]+")
_INSIDE = ("PolicyVersion", "PolicyDocument", "Document")
"""Where the commands of `aws iam` keep the document: get-role-policy and its like, get-policy-version."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One key of a condition: the operator as it is written, and the values it is compared with."""

    operator: str
    key: str
    values: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement. With `not_actions` or `not_resources` it is about everything else.

    `has_variables` tells whether `${…}` in it is a policy variable, which it is since the version of 2012.
    """

    effect: Literal["Allow", "Deny"]
    actions: tuple[str, ...]
    resources: tuple[str, ...]
    conditions: tuple[Condition, ...] = ()
    not_actions: bool = False
    not_resources: bool = False
    has_variables: bool = True


def read_policy(text: str | bytes) -> tuple[Statement, ...]:
    """Read one policy document, as it is or inside what `aws iam` prints, or a list of several.

    Raises:
        InputRefused: it is no JSON, or not a policy that IAM would take for an identity.
    """
    try:
        decoded = text.decode("utf-8-sig") if isinstance(text, bytes) else text
        found = json.loads(decoded, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise _refused("it is not JSON") from error
    documents = found if isinstance(found, list) else [found]
    if not documents:
        raise _refused("the list is empty")
    return tuple(statement for document in documents for statement in read_document(document))


def read_document(found: Any) -> tuple[Statement, ...]:
    """Read a policy document that is parsed already.

    Raises:
        InputRefused: it is not a policy that IAM would take for an identity.
    """
    for name in _INSIDE:
        if isinstance(found, Mapping) and name in found and "Statement" not in found:
            if found.get("IsDefaultVersion") is False:
                raise _refused("this version of it is not the one in force")
            found = found[name]
            if isinstance(found, str):  # as the API itself answers
                return read_policy(unquote(found))
    if not isinstance(found, Mapping):
        raise _refused("it is not an object")
    if found.get("IsDefaultVersion") is False:
        raise _refused("this version of it is not the one in force")
    if unknown := sorted(set(found) - _DOCUMENT):
        raise _refused(f"it has no element {', '.join(unknown)}")
    version = found.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise _refused(f"there is no version {version!r}; {_VERSIONS[0]} is the present one")
    statements = found.get("Statement")
    listed = statements if isinstance(statements, list) else [statements]
    if not listed:
        raise _refused("it has no statement")
    return tuple(_statement(entry, has_variables=version == _VERSIONS[0]) for entry in listed)


def _statement(entry: Any, *, has_variables: bool) -> Statement:
    if not isinstance(entry, Mapping):
        raise _refused("a statement is not an object")
    if {"Principal", "NotPrincipal"} & set(entry):
        raise _refused("it names a principal, so it is the policy of a resource and not of a caller")
    if unknown := sorted(set(entry) - _ELEMENTS):
        raise _refused(f"a statement has no element {', '.join(unknown)}")
    if not isinstance(entry.get("Sid", ""), str):
        raise _refused("a Sid is not a text")
    effect = entry.get("Effect")
    if effect not in ("Allow", "Deny"):
        raise _refused(f"an Effect is Allow or Deny, written so, and not {effect!r}")
    actions, not_actions = _either(entry, "Action")
    resources, not_resources = _either(entry, "Resource")
    for action in actions:
        if not _ACTION.fullmatch(action):
            raise _refused(f'"{action}" is not an action')
    for resource in resources:
        if resource != "*" and not resource.startswith("arn:"):
            raise _refused(f'"{resource}" is not a resource: * or an ARN')
    return Statement(
        effect=effect,
        actions=actions,
        resources=resources,
        conditions=tuple(_conditions(entry.get("Condition", {}))),
        not_actions=not_actions,
        not_resources=not_resources,
        has_variables=has_variables,
    )


def _either(entry: Mapping[str, Any], name: str) -> tuple[tuple[str, ...], bool]:
    held = [element for element in (name, f"Not{name}") if element in entry]
    if len(held) != 1:
        raise _refused(f"a statement needs {name} or Not{name}, and not both")
    value = entry[held[0]]
    listed = value if isinstance(value, list) else [value]
    if not listed or not all(isinstance(part, str) and part for part in listed):
        raise _refused(f"{held[0]} is a text or a list of texts")
    return tuple(listed), held[0] != name


def _conditions(found: Any) -> list[Condition]:
    if not isinstance(found, Mapping) or not all(isinstance(keys, Mapping) for keys in found.values()):
        raise _refused("a Condition holds operators, and each operator holds keys")
    made = []
    for operator, keys in found.items():
        for key, value in keys.items():
            values = value if isinstance(value, list) else [value]
            if not values or not all(isinstance(part, (str, int, float)) for part in values):
                raise _refused(f"the values of {key} are not texts, numbers or truth values")
            made.append(Condition(operator=operator, key=key, values=tuple(_text(part) for part in values)))
    return made


def _text(value: str | float | bool) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _once(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a name that is there twice: which of the two counts is anybody's guess."""
    found = dict(pairs)
    if len(found) != len(pairs):
        names = [name for name, _ in pairs]
        raise _refused(f"{', '.join(sorted({name for name in names if names.count(name) > 1}))} is there twice")
    return found


def _refused(why: str) -> InputRefused:
    return InputRefused(
        f"The file holds no IAM policy that can be judged: {why}.",
        hint="`terraform show -json`, `aws iam get-role-policy` or `aws iam get-policy-version` print one; Access "
        "Analyzer (`aws accessanalyzer validate-policy`) says what is wrong with it.",
    )
