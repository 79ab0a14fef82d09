"""A dump that lies in S3, read as a stream."""

from __future__ import annotations

from typing import IO, cast

from runbook_lib.aws import AwsSession, declare
from runbook_lib.errors import InputRefused

GET_OBJECT = declare("s3", "GetObject")


def open_object(session: AwsSession | None, place: str) -> tuple[IO[bytes], int | None]:
    """Open `s3://bucket/key`; give the stream and the object's size in bytes.

    Raises:
        InputRefused: the address is not complete.
        AccessDenied, NotFound: S3 says so.
    """
    bucket, _, key = place.removeprefix("s3://").partition("/")
    if not bucket or not key or session is None:
        raise InputRefused(f'"{place}" does not name an object.', hint="Write s3://bucket/path/to/dump.sql.gz.")
    answer = GET_OBJECT(session, Bucket=bucket, Key=key)
    return cast(IO[bytes], answer["Body"]), answer.get("ContentLength")
