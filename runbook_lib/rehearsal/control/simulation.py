"""SimulatePrincipalPolicy: each action on each resource, in the context that the request gives."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from xml.sax.saxutils import escape

from runbook_lib.policy.evaluation import Wanted, judge
from runbook_lib.policy.reading import Statement


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What the policies say of one action on one resource."""

    action: str
    resource: str
    answer: str
    missing: tuple[str, ...] = ()


def simulate(statements: Iterable[Statement], asked: Mapping[str, Any]) -> Iterator[Decision]:
    """Decide each combination. Source: IAM API Reference, SimulatePrincipalPolicy."""
    held = list(statements)
    context = {
        str(entry["ContextKeyName"]): _texts(entry.get("ContextKeyValues"))
        for entry in asked.get("ContextEntries") or ()
    }
    for action in _texts(asked.get("ActionNames")):
        for resource in _texts(asked.get("ResourceArns")) or ["*"]:
            verdict = judge(held, Wanted(action=action, resource=resource, context=context, is_whole=True))
            # what AWS cannot compare it does not allow
            answer = "implicitDeny" if verdict.answer == "unknown" else verdict.answer
            yield Decision(action=action, resource=resource, answer=answer, missing=verdict.missing)


def _texts(value: Any) -> list[str]:
    return [str(part) for part in value] if isinstance(value, list) else [str(value)] if value else []


def _members(values: Iterable[str]) -> str:
    return "".join(f"<member>{escape(value)}</member>" for value in values)


def written(decisions: Iterable[Decision]) -> str:
    """Write the answer as IAM does."""
    members = "".join(
        f"<member><EvalActionName>{escape(decision.action)}</EvalActionName>"
        f"<EvalResourceName>{escape(decision.resource)}</EvalResourceName>"
        f"<EvalDecision>{decision.answer}</EvalDecision>"
        f"<MissingContextValues>{_members(decision.missing)}</MissingContextValues></member>"
        for decision in decisions
    )
    result = f"<IsTruncated>false</IsTruncated><EvaluationResults>{members}</EvaluationResults>"
    return (
        '<SimulatePrincipalPolicyResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/">'
        f"<SimulatePrincipalPolicyResult>{result}</SimulatePrincipalPolicyResult></SimulatePrincipalPolicyResponse>"
    )
