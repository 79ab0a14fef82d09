"""Hold a given policy against what the notebooks need: what is missing, what is too wide, what denies everything."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from runbook_lib.errors import InputRefused
from runbook_lib.policy.evaluation import Context, Statement, Wanted, is_allowed

Kind = Literal["missing", "too wide", "never true"]
_FOREIGN = "arn:aws:rds:ap-northeast-1:123456789012"
_READS = ("Describe", "List", "Get")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that is not as it should be, in a sentence."""

    kind: Kind
    sentence: str


def read_policy(text: str) -> tuple[Statement, ...]:
    """Read a policy document, as it stands or inside what `aws iam get-role-policy` or `get-policy-version` print.

    Raises:
        InputRefused: it is no JSON policy.
    """
    try:
        found = json.loads(text)
        found = found.get("PolicyVersion", found)
        found = found.get("PolicyDocument", found.get("Document", found))
        statements = found["Statement"]
    except (ValueError, KeyError, AttributeError) as error:
        raise InputRefused(
            "The file holds no IAM policy in JSON.",
            hint="`terraform show -json` or `aws iam get-role-policy` print one from Terraform or AWS.",
        ) from error
    return tuple(statements if isinstance(statements, list) else [statements])


def review(given: Sequence[Statement], wanted: Mapping[str, Any]) -> tuple[Finding, ...]:
    """Compare a given policy with the one that `policy_for` makes for the same notebooks and sources."""
    needed = {
        action for statement in wanted["Statement"] if statement["Effect"] == "Allow" for action in statement["Action"]
    }
    return (*_never_true(given), *_missing(given, wanted["Statement"]), *_too_wide(given, needed, wanted["Statement"]))


def _never_true(given: Iterable[Statement]) -> Iterator[Finding]:
    for statement in given:
        keys = [
            key
            for operator, found in statement.get("Condition", {}).items()
            for key in found
            if key.lower().startswith("rds:cluster-tag/") and not operator.endswith("IfExists") and operator != "Null"
        ]
        on = _several(statement.get("Resource", "*"))
        if keys and statement["Effect"] == "Allow" and not all(":cluster:" in resource for resource in on):
            actions = ", ".join(_several(statement.get("Action", ())))
            yield Finding(
                kind="never true",
                sentence=f"The condition on {keys[0]} is there on the cluster resource only: a Describe call names no "
                "resource, and a restore is decided on cluster-pg, og and subgrp too. With it this statement denies "
                f"what it means to allow: {actions}.",
            )


def _missing(given: Sequence[Statement], wanted: Iterable[Statement]) -> Iterator[Finding]:
    lacking: dict[str, list[str]] = {}
    for statement in wanted:
        if statement["Effect"] != "Allow":
            continue
        context = _satisfying(statement)
        for action in statement["Action"]:
            for resource in _several(statement["Resource"]):
                sample = resource if resource == "*" else resource.replace("*", "x")
                if not is_allowed(given, Wanted(action=action, resource=sample, context=context)):
                    lacking.setdefault(action, []).append(resource)
    for action, resources in lacking.items():
        on = "" if resources == ["*"] else f" on {', '.join(resources)}"
        yield Finding(kind="missing", sentence=f"{action}{on}.")


def _satisfying(statement: Statement) -> Context:
    context: dict[str, list[str]] = {}
    for operator, keys in statement.get("Condition", {}).items():
        for key, value in keys.items():
            context[key] = ["x"] if operator == "Null" else [str(value).replace("*", "x")]
    return context


def _too_wide(given: Sequence[Statement], needed: set[str], wanted: Sequence[Statement]) -> Iterator[Finding]:
    for pattern in dict.fromkeys(
        action
        for statement in given
        if statement["Effect"] == "Allow"
        for action in _several(statement.get("Action", ()))
    ):
        matched = [action for action in needed if fnmatch.fnmatchcase(action.lower(), pattern.lower())]
        operation = pattern.partition(":")[2]
        reads = operation.startswith(_READS) and not pattern.startswith(("secretsmanager:", "s3:"))
        if "*" in pattern and not reads:
            yield Finding(kind="too wide", sentence=f"{pattern} covers more than the notebooks call.")
        elif not matched and not reads:
            yield Finding(kind="too wide", sentence=f"{pattern} is needed by no notebook.")
    if any("NotAction" in statement and statement["Effect"] == "Allow" for statement in given):
        yield Finding(kind="too wide", sentence="NotAction allows whatever it does not name.")
    for action, resource in _probes(needed):
        probe = Wanted(action=action, resource=resource)
        if is_allowed(given, probe) and not is_allowed(wanted, probe):
            what = resource.rpartition(":")[2]
            yield Finding(kind="too wide", sentence=f"{action} is allowed on others' resources too (tried: {what}).")


def _probes(needed: set[str]) -> Iterator[tuple[str, str]]:
    """Name what a recovery must never do: change what is not its own."""
    kinds = {"DBInstance": "db", "Snapshot": "cluster-snapshot"}
    deletions = {"rds:DeleteDBCluster", "rds:DeleteDBInstance", "rds:ModifyDBCluster"}
    changing = {action for action in needed if action.startswith("rds:") and not action[4:].startswith(_READS)}
    for action in sorted(changing | deletions):
        kind = next((kind for part, kind in kinds.items() if part in action), "cluster")
        yield action, f"{_FOREIGN}:{kind}:somebody-elses"


def _several(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, (list, tuple)) else [str(value)]
