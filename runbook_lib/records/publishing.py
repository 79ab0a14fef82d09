"""Publish a finished record to S3, once, after the work: its failure can neither abort nor fail the work.

Every object carries its checksum and content type and is never overwritten; the manifest goes last, so that a
record without one in the bucket is known to be in part.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import threading
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from runbook_lib.aws import AwsSession, connect, declare
from runbook_lib.errors import CheckFailed, InputRefused, NotPublished, RunbookError, StepFailed
from runbook_lib.events import content_of
from runbook_lib.records.manifest import read_manifest
from runbook_lib.records.store import MANIFEST, Store, write_atomically

if TYPE_CHECKING:
    from runbook_lib.records.session import RunRecord

PUT_OBJECT = declare("s3", "PutObject", mutates=True, permissions=("s3:PutObject", "s3:PutObjectRetention"))
HEAD_OBJECT = declare("s3", "HeadObject", permissions=("s3:GetObject",))

PUBLISHED = ".published"
_ADDRESS = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?:/(?P<prefix>.*))?")
_TYPES = {
    ".ipynb": "application/x-ipynb+json",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
}
_THERE_ALREADY = {"PreconditionFailed", "412"}


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where records go and how they are kept. `limit_seconds` is for one whole record."""

    address: str
    kms_key: str = ""
    retain_days: int = 0
    region: str = ""
    profile: str = ""
    limit_seconds: float = 120

    def __post_init__(self) -> None:
        if not _ADDRESS.fullmatch(self.address):
            raise InputRefused(
                f'"{self.address}" is no place to publish to.', hint="Write it like s3://bucket or s3://bucket/prefix."
            )

    def place(self, folder: str) -> tuple[str, str]:
        """Return the bucket and the key prefix of one record's folder (relative to its store)."""
        found = _ADDRESS.fullmatch(self.address)
        assert found is not None, "checked when it was made"
        return found["bucket"], "/".join(filter(None, ((found["prefix"] or "").strip("/"), folder)))


def publish(store: Store, folder: Path, *, to: Destination) -> str:
    """Publish one finished record and note that in its store; give its address. Doing it twice changes nothing.

    Raises:
        NotPublished: it could not be finished in its time; doing it again goes on where this stopped.
    """
    outcome: list[str | RunbookError] = []
    given_up = threading.Event()

    def work() -> None:
        try:
            session = connect(region=to.region, profile=to.profile, attempts=4)
            outcome.append(_upload(session, store, folder, to, given_up))
        except RunbookError as error:
            outcome.append(error)
        except OSError as error:
            outcome.append(StepFailed(f"{error.filename or folder} cannot be read: {error.strerror}."))

    # A thread, not a signal: whoever calls may not be the main thread. A late one ends before its next object; the
    # one on its way cannot harm, for objects are written whole and never over.
    worker = threading.Thread(target=work, daemon=True)
    worker.start()
    worker.join(to.limit_seconds)
    given_up.set()
    again = (
        f"The record is complete in {folder}. Finish it with: runbook records publish {folder.name.rpartition('-')[2]}"
    )
    if not outcome:
        raise NotPublished(f"{to.address} did not take the record in {to.limit_seconds:g} s.", hint=again)
    if isinstance(outcome[0], RunbookError):
        raise NotPublished(f"The record is not in {to.address}: {outcome[0].message}", hint=again) from outcome[0]
    note = {"to": outcome[0], "at": datetime.now(UTC).isoformat(timespec="seconds")}
    path = _note(store, folder)
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, json.dumps(note).encode())
    return outcome[0]


def published(record: RunRecord, store: Store, destination: Destination) -> RunRecord:
    """Publish a finished record, and return the record with what came of that. Never raises for a failure."""
    try:
        return replace(record, published=publish(store, record.folder, to=destination))
    except NotPublished as error:
        return replace(record, unpublished=str(error), exit_code=record.exit_code or error.exit_code)


def published_to(store: Store, folder: Path) -> str:
    """Return the address a record was published to, or nothing."""
    try:
        return str(json.loads(_note(store, folder).read_bytes())["to"])
    except (OSError, ValueError, KeyError):
        return ""


def _note(store: Store, folder: Path) -> Path:
    return store.root / PUBLISHED / f"{folder.name}.json"


def _upload(session: AwsSession, store: Store, folder: Path, to: Destination, given_up: threading.Event) -> str:
    path = folder / MANIFEST
    if not path.exists():
        raise CheckFailed("The record has no manifest yet.", hint="End it with `runbook records close`.")
    manifest = read_manifest(content_of(path), name=str(path))
    bucket, prefix = to.place(folder.relative_to(store.root).as_posix())
    for name in [*sorted(manifest.files), MANIFEST]:
        if given_up.is_set():
            raise StepFailed("Its time is over.")
        content = content_of(folder / name)
        expected = manifest.files.get(name)
        if expected is not None and hashlib.sha256(content).hexdigest() != expected.sha256:
            raise CheckFailed(f"{name} was changed since the run.", hint="Check it with `runbook records verify`.")
        _put(session, bucket, f"{prefix}/{name}", content, to)
    return f"s3://{bucket}/{prefix}"


def _put(session: AwsSession, bucket: str, key: str, content: bytes, to: Destination) -> None:
    checksum = base64.b64encode(hashlib.sha256(content).digest()).decode()
    request: dict[str, Any] = {
        "Bucket": bucket,
        "Key": key,
        "Body": content,
        "ContentType": _TYPES.get(Path(key).suffix, "application/octet-stream"),
        "ChecksumAlgorithm": "SHA256",
        "ChecksumSHA256": checksum,
        "IfNoneMatch": "*",
    }
    if to.kms_key:
        request |= {"ServerSideEncryption": "aws:kms", "SSEKMSKeyId": to.kms_key}
    if to.retain_days:
        until = datetime.now(UTC) + timedelta(days=to.retain_days)
        request |= {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    try:
        PUT_OBJECT(session, **request)
    except RunbookError as error:
        if error.facts.get("code") not in _THERE_ALREADY:
            raise
        stored = HEAD_OBJECT(session, Bucket=bucket, Key=key, ChecksumMode="ENABLED").get("ChecksumSHA256")
        if stored != checksum:
            raise StepFailed(f"s3://{bucket}/{key} exists already, with another content.") from error
