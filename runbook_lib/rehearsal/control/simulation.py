"""SimulatePrincipalPolicy: each action on each resource, in the context that the request gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from runbook_lib.policy.evaluation import Statement, Wanted, is_allowed


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the policies say of one action on one resource."""

    action: str
    resource: str
    allowed: bool


def simulate(statements: Iterable[Statement], asked: Mapping[str, Any]) -> Iterator[Decision]:
    """Decide each combination. Source: IAM API Reference, SimulatePrincipalPolicy."""
    held = list(statements)
    context = {
        str(entry["ContextKeyName"]): _texts(entry.get("ContextKeyValues"))
        for entry in asked.get("ContextEntries") or ()
    }
    for action in _texts(asked.get("ActionNames")):
        for resource in _texts(asked.get("ResourceArns")) or ["*"]:
            wanted = Wanted(action=action, resource=resource, context=context)
            yield Decision(action=action, resource=resource, allowed=is_allowed(held, wanted))


def _texts(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else [str(value)] if value else []


def written(decisions: Iterable[Decision]) -> str:
    """Write the answer as IAM does."""
    members = "".join(
        f"<member><EvalActionName>{escape(decision.action)}</EvalActionName>"
        f"<EvalResourceName>{escape(decision.resource)}</EvalResourceName>"
        f"<EvalDecision>{'allowed' if decision.allowed else 'implicitDeny'}</EvalDecision></member>"
        for decision in decisions
    )
    result = f"<IsTruncated>false</IsTruncated><EvaluationResults>{members}</EvaluationResults>"
    return (
        '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        f"<SimulatePrincipalPolicyResult>{result}</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )
