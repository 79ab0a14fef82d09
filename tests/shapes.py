"""An AWS that answers from botocore's output shapes: only what a shape requires, or all of it, lists in any order."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from typing import Any

from botocore.awsrequest import AWSResponse

from runbook_lib.aws import AwsSession, connect

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# Members that are the identity of what is described: AWS leaves them out of no answer.
_ALWAYS = {
    "DBClusterIdentifier", "DBClusterArn", "DBInstanceIdentifier", "DBClusterSnapshotIdentifier", "EvalActionName",
    "EvalDecision", "Id", "Timestamps", "Values", "AccountQuotaName", "Used", "Max", "ParameterName", "GroupId", "Arn",
    "KeyId", "KeyMetadata", "Name", "Key", "VpcSecurityGroupId", "Engine", "DBInstanceClass", "Account",
}  # fmt: skip


class ShapedAws:
    """A session whose every answer is made of shapes. `share` is how many of the members that may be absent are there.

    `known` are values by member name, which come before what is drawn. Its clients are made once.
    """

    def __init__(self) -> None:
        self.session = connect(region="ap-northeast-1")
        self._make = lru_cache(maxsize=None)(self.session._make_client)
        self.session._client = self._client  # type: ignore[assignment]  # answers without a network
        self._asked: set[str] = set()

    def drawn(self, dice: Random, *, share: float, known: dict[str, Any] | None = None) -> AwsSession:
        """Return the session, with other answers."""
        self._dice, self._share, self._known = dice, share, {"Engine": "aurora-mysql", **(known or {})}
        return self.session

    def _client(self, service: str, region: str) -> Any:
        made = self._make(service, region)
        if service not in self._asked:
            self._asked.add(service)
            made.meta.events.register("before-call", self._answer)
        return made

    def _answer(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        body = self._value(model.output_shape, depth=0) if model.output_shape else {}
        for name in ("Marker", "NextToken", "nextToken"):  # the last page
            body.pop(name, None)
        body |= {"IsTruncated": False} if "IsTruncated" in body else {}
        for number, result in enumerate(body.get("MetricDataResults") or ()):  # answers name their questions
            result["Id"] = f"m{number}"
            result["Values"] = [1.0] * len(result["Timestamps"])
        return AWSResponse("http://x", 200, {}, None), body

    def _value(self, shape: Any, *, depth: int, name: str = "") -> Any:
        if name in self._known:
            return self._known[name]
        if shape.type_name == "structure":
            wanted = [
                member
                for member in shape.members
                if depth == 0
                or member in shape.required_members
                or member in _ALWAYS
                or member in self._known
                or self._dice.random() < self._share
            ]
            self._dice.shuffle(wanted)
            return {member: self._value(shape.members[member], depth=depth + 1, name=member) for member in wanted}
        if shape.type_name == "list":
            if depth > 6:
                return []
            return [self._value(shape.member, depth=depth + 1) for _ in range(self._dice.randint(0, 3))]
        if shape.type_name == "map":
            return {}
        if shape.type_name == "timestamp":
            return NOW - timedelta(seconds=self._dice.randint(0, 10**6))
        if shape.type_name in ("integer", "long"):
            return self._dice.choice([0, 1, 7, 3306])
        if shape.type_name in ("double", "float"):
            return self._dice.choice([0.0, 0.5, 1e9])
        if shape.type_name == "boolean":
            return self._dice.random() < 0.5
        if shape.type_name == "blob":
            return b""
        return self._text(shape, name)

    def _text(self, shape: Any, name: str) -> str:
        if shape.enum:
            return str(self._dice.choice(shape.enum))
        if name.endswith("Arn"):
            return f"arn:aws:rds:ap-northeast-1:123456789012:cluster:c-{self._dice.randint(0, 99)}"
        named = f"n-{self._dice.randint(0, 99)}"
        return named if name.endswith(("Identifier", "Name")) else self._dice.choice(["", "available", "x", named])
