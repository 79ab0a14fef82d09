"""An AWS that answers from botocore's output shapes: only what a shape requires, or all of it, lists in any order.

In this process (`ShapedAws`), or over HTTP so that a notebook's kernel reaches it (`ShapeServer`).
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from random import Random
from threading import Lock, Thread
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from botocore.awsrequest import AWSResponse
from moto.core.request import determine_request_protocol
from moto.core.serialize import get_serializer_class
from moto.core.utils import get_service_model
from werkzeug.serving import WSGIRequestHandler, make_server

from runbook_lib.aws import AwsSession, connect
from runbook_lib.rehearsal.control.front import read_request

NOW = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
# Members that are the identity of what is described: AWS leaves them out of no answer.
_ALWAYS = {
    "DBClusterIdentifier", "DBClusterArn", "DBInstanceIdentifier", "DBClusterSnapshotIdentifier", "EvalActionName",
    "EvalDecision", "Id", "Timestamps", "Values", "AccountQuotaName", "Used", "Max", "ParameterName", "GroupId", "Arn",
    "KeyId", "KeyMetadata", "Name", "Key", "VpcSecurityGroupId", "Engine", "DBInstanceClass", "Account",
    "DBInstanceArn",
}  # fmt: skip


class Shapes:
    """Answers made of shapes. `share` is how many of the members that may be absent are there.

    `known` are values by member name, which come before what is drawn.
    """

    def __init__(self, dice: Random, *, share: float, known: dict[str, Any] | None = None) -> None:
        self._dice, self._share, self._known = dice, share, {"Engine": "aurora-mysql", **(known or {})}

    def answer(self, shape: Any, *, asked: Sequence[str] = ()) -> dict[str, Any]:
        """Return an answer of an operation's output shape. `asked` are the ids of the metrics that are asked for."""
        body = self._value(shape, depth=0) if shape else {}
        for name in ("Marker", "NextToken", "nextToken", "NextPageToken"):  # the last page
            body.pop(name, None)
        body |= {"IsTruncated": False} if "IsTruncated" in body else {}
        if "MetricDataResults" in body:  # answers name their questions, and some say nothing
            results = [self._value(shape.members["MetricDataResults"].member, depth=1) for _ in asked]
            for name, result in zip(asked, results, strict=True):
                result["Id"] = name
                result["Values"] = [1.0] * len(result["Timestamps"])
            body["MetricDataResults"] = results
        return dict(body)

    def value(self, shape: Any) -> Any:
        """Return a value of a shape."""
        return self._value(shape, depth=1)

    def _value(self, shape: Any, *, depth: int, name: str = "") -> Any:
        if name in self._known and shape.type_name != "structure":
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


class ShapedAws:
    """A session whose every answer is made of shapes, as `Shapes` takes them. Its clients are made once."""

    def __init__(self) -> None:
        self.session = connect(region="ap-northeast-1")
        self._make = lru_cache(maxsize=None)(self.session._make_client)
        self.session._client = self._client  # type: ignore[assignment]  # answers without a network
        self._asked: set[str] = set()

    def drawn(self, dice: Random, *, share: float, known: dict[str, Any] | None = None) -> AwsSession:
        """Return the session, with other answers."""
        self._shapes = Shapes(dice, share=share, known=known)
        return self.session

    def _client(self, service: str, region: str) -> Any:
        made = self._make(service, region)
        if service not in self._asked:
            self._asked.add(service)
            made.meta.events.register("before-call", self._answer)
        return made

    def _answer(self, model: Any, params: dict[str, Any], **_: Any) -> tuple[AWSResponse, dict[str, Any]]:
        body = params.get("body")
        asked = ids_of(json.loads(body) if body and isinstance(body, str | bytes) else params)
        return AWSResponse("http://x", 200, {}, None), self._shapes.answer(model.output_shape, asked=asked)


def ids_of(asked: Any) -> list[str]:
    """Return the ids of the metrics that a request asks for, in whatever way it is written down."""
    if isinstance(asked, dict):
        mine = [str(asked["Id"])] if "MetricStat" in asked else []
        return mine + [name for value in asked.values() for name in ids_of(value)]
    return [name for value in asked for name in ids_of(value)] if isinstance(asked, list) else []


class ShapeServer:
    """The same over HTTP, for whoever has its `environment`. What would change anything is refused and noted."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.asked: list[str] = []
        self.changing: list[str] = []
        self._server = make_server("127.0.0.1", 0, self._serve, threaded=True, request_handler=_Quiet)
        self._lock = Lock()  # the dice are one

    def __enter__(self) -> ShapeServer:
        Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """The variables that send every AWS client here."""
        return {
            "AWS_ENDPOINT_URL": f"http://127.0.0.1:{self._server.server_port}",
            "AWS_ACCESS_KEY_ID": "AKIAEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "of-this-test",
            "AWS_DEFAULT_REGION": "ap-northeast-1",
            "AWS_REGION": "ap-northeast-1",
            "AWS_CONFIG_FILE": os.devnull,
            "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def _serve(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        request = read_request(environ, body)
        if request is None:  # a knock at the door: any answer will do
            start_response("403 Forbidden", [])
            return [b""]
        self.asked.append(str(request))
        if request.mutating:
            self.changing.append(str(request))
        service = get_service_model(request.service)
        operation = service.operation_model(request.operation)
        protocol = determine_request_protocol(service, environ.get("CONTENT_TYPE", ""))
        with self._lock:
            answer = self.shapes.answer(operation.output_shape, asked=ids_of(request.parameters))
        sent = get_serializer_class(request.service, protocol)(operation_model=operation).serialize(answer)
        content = sent["body"].encode() if isinstance(sent["body"], str) else sent["body"]
        start_response(f"{sent['status_code']} Answered", [(str(k), str(v)) for k, v in sent["headers"].items()])
        return [content]


class _Quiet(WSGIRequestHandler):
    def log(self, type: str, message: str, *args: Any) -> None:
        """Write no line."""
