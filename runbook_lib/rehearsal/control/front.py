"""What is before moto: it reads each request, logs it, and lets faults happen to it."""

from __future__ import annotations

import io
import json
import logging
import re
import socket
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Protocol
from urllib.parse import parse_qsl
from wsgiref.types import StartResponse, WSGIEnvironment
from xml.sax.saxutils import escape

from moto.core.request import Request as MotoRequest
from moto.core.routing import get_service_router
from werkzeug.exceptions import HTTPException

from runbook_lib.rehearsal.control.faults import Faults, Refusal
from runbook_lib.rehearsal.control.request_log import Request, RequestLog
from runbook_lib.rehearsal.control.simulation import Decision, written

log = logging.getLogger(__name__)

App = Callable[[WSGIEnvironment, StartResponse], Iterable[bytes]]
Answer = Callable[[Mapping[str, Any]], tuple[int, dict[str, Any]]]


class Iam(Protocol):
    """Who may do what."""

    def refusal_of(self, request: Request) -> Refusal | None:
        """Return why a request is not allowed, if it is not."""

    def simulated(self, request: Request) -> Iterable[Decision]:
        """Answer SimulatePrincipalPolicy; KeyError where there is no such principal."""


# Signing names that are not boto3's names of the services.
_BOTO_NAMES = {"monitoring": "cloudwatch", "servicequotas": "service-quotas"}
_CREDENTIAL = re.compile(r"Credential=([^/]+)/\d+/([^/]*)/([^/]+)/aws4_request")
_JSON, _XML = "application/x-amz-json-1.1", "text/xml"
_JSON_SERVICES = {"glue", "kms", "secretsmanager", "ce", "pricing", "service-quotas", "logs", "cloudwatch", "backup"}
_REST_SERVICES = {"s3", "backup"}
# What the JSON services call the errors that RDS, IAM and STS name otherwise.
_JSON_CODES = {
    "AccessDenied": "AccessDeniedException",
    "ExpiredToken": "ExpiredTokenException",
    "InvalidClientTokenId": "UnrecognizedClientException",
    "Throttling": "ThrottlingException",
}
_SECRET = re.compile(r"password|secretstring|secretbinary", re.IGNORECASE)


class ConnectionCut(ConnectionError):
    """Ends the connection in the middle of an answer; werkzeug takes it for a client that has left."""


class Front:
    """A WSGI application around moto's. `answers` are the operations that moto lacks, as `service:Operation`, and
    `before` what is done before moto answers one."""

    def __init__(
        self,
        inner: App,
        *,
        log: RequestLog,
        faults: Faults,
        permissions: Iam,
        answers: Mapping[str, Answer],
        before: Mapping[str, Callable[[], None]],
    ) -> None:
        self._inner = inner
        self._before = before
        self._log = log
        self._faults = faults
        self._permissions = permissions
        self._answers = answers

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        body = _whole_body(environ)
        request = read_request(environ, body)
        if request is None:
            return self._inner(environ, start_response)
        self._log.add(request)
        refusal = self._faults.refusal_of(request) or self._permissions.refusal_of(request)
        if refusal is not None and not refusal.cut:
            return _answer(start_response, request, refusal)
        if request.mutating and self._faults.before:
            self._faults.before(request)
        answer = self._served(environ, start_response, request)
        if request.mutating and self._faults.after:
            self._faults.after(request)
        if refusal is not None:
            return _cut_off(answer, environ, share=refusal.sent)
        return answer

    def _served(self, environ: WSGIEnvironment, start_response: StartResponse, request: Request) -> Iterable[bytes]:
        if answering := self._answers.get(str(request)):
            status, answer = answering(request.parameters)
            return _send(start_response, f"{status} Answered", json.dumps(answer), kind=_JSON)
        if str(request) == "iam:SimulatePrincipalPolicy":  # moto's knows neither resources nor conditions
            try:
                return _send(start_response, "200 OK", written(self._permissions.simulated(request)), kind=_XML)
            except KeyError as error:
                unknown = Refusal(code="NoSuchEntity", message=f"There is no principal {error}.", status=404)
                return _answer(start_response, request, unknown)
        try:
            if preparing := self._before.get(str(request)):
                preparing()
            return list(self._inner(environ, start_response))
        except NotImplementedError:  # what moto raises for an operation that it does not have
            log.error("The stand-in does not know %s", request)
            unknown = Refusal(code="InvalidAction", message=f"The rehearsal's AWS does not know {request}.")
            return _answer(start_response, request, unknown)
        except Exception:  # whatever it was, the client must get an answer in its protocol
            log.exception("The stand-in failed at %s", request)
            failure = Refusal(code="InternalFailure", message="The rehearsal's AWS failed; see its log.", status=500)
            return _answer(start_response, request, failure)


def _cut_off(answer: Iterable[bytes], environ: WSGIEnvironment, *, share: float) -> Iterable[bytes]:
    whole = b"".join(answer)
    if share:
        yield whole[: round(len(whole) * share)]
    connection = environ.get("werkzeug.socket")
    if connection is not None:
        connection.shutdown(socket.SHUT_RDWR)
    raise ConnectionCut


def _whole_body(environ: WSGIEnvironment) -> bytes:
    """Read the body, and put it back for the one who reads it next."""
    if environ.get("HTTP_TRANSFER_ENCODING", "").lower() == "chunked" or "CONTENT_LENGTH" not in environ:
        return b""
    body: bytes = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"] or 0))
    environ["wsgi.input"] = io.BytesIO(body)
    return body


def read_request(environ: WSGIEnvironment, body: bytes) -> Request | None:
    """Say what is asked, or None for what no AWS client sends (moto's own pages)."""
    found = _CREDENTIAL.search(environ.get("HTTP_AUTHORIZATION", ""))
    if not found or environ.get("PATH_INFO", "").startswith("/moto-api"):
        return None
    access_key, _region, signing_name = found.groups()
    service = _BOTO_NAMES.get(signing_name, signing_name)
    operation, parameters = _operation(environ, body, service)
    return Request(
        service=service,
        operation=operation,
        parameters=_without_secrets(parameters),
        at=datetime.now(UTC),
        access_key=access_key,
    )


def _operation(environ: WSGIEnvironment, body: bytes, service: str) -> tuple[str, dict[str, Any]]:
    content_type = environ.get("CONTENT_TYPE", "")
    if target := environ.get("HTTP_X_AMZ_TARGET"):
        return target.rpartition(".")[2], _json(body)
    if content_type.startswith("application/x-www-form-urlencoded"):
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True))
        operation = fields.pop("Action", "")
        fields.pop("Version", None)
        return operation, _nested(fields)
    operation, parameters = _rest_operation(environ, service)
    return operation, parameters | (_json(body) if service == "backup" else {})


def _rest_operation(environ: WSGIEnvironment, service: str) -> tuple[str, dict[str, Any]]:
    path = environ.get("PATH_INFO", "")
    where = {"Path": path} | dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
    unread = f"{environ.get('REQUEST_METHOD', '')} {path}", where
    if service not in _REST_SERVICES:
        return unread
    try:
        operation, named = get_service_router(service).match(MotoRequest(environ.copy()))
    except HTTPException:
        return unread  # no operation has this address: moto will answer what is wrong with it
    return str(operation.name), where | dict(named)


def _json(body: bytes) -> dict[str, Any]:
    try:
        read = json.loads(body or b"{}")
    except ValueError:
        return {}  # not JSON: moto will answer what is wrong with it
    return read if isinstance(read, dict) else {"": read}


def _nested(fields: dict[str, str]) -> dict[str, Any]:
    """Read `Tags.Tag.1.Key=a` as {"Tags": [{"Key": "a"}]}: the names between a list and its numbers are left out."""
    tree: dict[str, Any] = {}
    for name, value in fields.items():
        at = tree
        *path, last = name.split(".")
        for part in path:
            at = at.setdefault(part, {})
        at[last] = value
    return {name: _lists(value) for name, value in tree.items()}


def _lists(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value and all(key.isdigit() for key in value):
        return [_lists(value[key]) for key in sorted(value, key=int)]
    if len(value) == 1:
        inner = next(iter(value.values()))
        if isinstance(inner, dict) and inner and all(key.isdigit() for key in inner):
            return _lists(inner)
    return {key: _lists(inner) for key, inner in value.items()}


def _without_secrets(value: Any, name: str = "") -> Any:
    if isinstance(value, dict):
        return {key: _without_secrets(inner, key) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_secrets(inner, name) for inner in value]
    if isinstance(value, str) and _SECRET.search(name) and value.lower() not in ("true", "false"):
        return "…"
    return value


def _answer(start_response: StartResponse, request: Request, refusal: Refusal) -> Iterable[bytes]:
    """Write an error in the service's own protocol, so that boto3 reads its code."""
    code, message = refusal.code, escape(refusal.message)
    if request.service in _JSON_SERVICES:
        kind = _JSON
        body = json.dumps({"__type": _JSON_CODES.get(code, code), "message": refusal.message})
    elif request.service == "s3":
        kind, body = _XML, f"<Error><Code>{code}</Code><Message>{message}</Message></Error>"
    elif request.service == "ec2":
        kind = _XML
        body = f"<Response><Errors><Error><Code>{code}</Code><Message>{message}</Message></Error></Errors></Response>"
    else:
        kind = _XML
        body = f"<ErrorResponse><Error><Code>{code}</Code><Message>{message}</Message></Error></ErrorResponse>"
    return _send(start_response, f"{refusal.status} Refused", body, kind=kind)


def _send(start_response: StartResponse, status: str, body: str, *, kind: str) -> Iterable[bytes]:
    encoded = body.encode()
    start_response(status, [("Content-Type", kind), ("Content-Length", str(len(encoded)))])
    return [encoded]
