"""How a table's rows travel, and why so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

from runbook_lib.bringback.copy.facts import Column, ServerFacts, TableFacts
from runbook_lib.bringback.copy.lines import load_statement
from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted

# One client moves some 10 MB a second with its indexes, so above this a table takes hours through it.
TOO_LARGE_FOR_CLIENT = 100 << 30
WAYS = {
    "load": "streamed by this client: LOAD DATA LOCAL of lines that the copy writes",
    "insert": "streamed by this client as INSERT statements of many rows: slower, needs no setting",
    "s3": "by the servers themselves through a bucket: SELECT … INTO OUTFILE S3, LOAD DATA FROM S3",
    "local": "from the source's own table, within the source",
}


def choose_way(
    table: TableFacts, *, copy: ServerFacts, source: ServerFacts, bucket: str, from_source: bool
) -> tuple[str, str]:
    """Give the way ("load", "insert", "s3", "local") for a table, and the reason in one sentence."""
    if from_source:
        return "local", "its rows are already at the source"
    local = source.settings.get("local_infile", "OFF") == "ON"
    s3 = bool(bucket) and can_use_s3(copy, load=False) and can_use_s3(source, load=True)
    if s3 and table.bytes > TOO_LARGE_FOR_CLIENT:
        return "s3", f"{table.bytes / (1 << 30):,.0f} GiB would take hours through one client"
    if local:
        return "load", "local_infile is on at the source"
    if s3:
        return "s3", "local_infile is off at the source, and both clusters have a role for S3"
    return "insert", f"local_infile is off at the source, and {_why_no_s3(copy, source, bucket)}"


def can_use_s3(server: ServerFacts, *, load: bool) -> bool:
    """Tell whether an Aurora cluster has a role for S3.

    Aurora User Guide, "Loading data into an Amazon Aurora MySQL DB cluster from text files in an Amazon S3 bucket"
    and "Saving data … into text files in an Amazon S3 bucket": aurora_load_from_s3_role (or aws_default_s3_role) names
    the role, and the account needs AWS_LOAD_S3_ACCESS or AWS_SELECT_S3_ACCESS.
    """
    name = "aurora_load_from_s3_role" if load else "aurora_select_into_s3_role"
    return bool(server.settings.get(name) or server.settings.get("aws_default_s3_role"))


def _why_no_s3(copy: ServerFacts, source: ServerFacts, bucket: str) -> str:
    if not bucket:
        return "no bucket is named for the way through S3"
    lacking = [server.name for server, load in ((copy, False), (source, True)) if not can_use_s3(server, load=load)]
    return f"{' and '.join(lacking)} has no role for S3"


def s3_statements(
    table: TableName, staging: TableName, columns: Sequence[Column], *, bucket: str, now: datetime
) -> tuple[str, str]:
    """Write the two statements of the way through S3: what the copy runs, and what the source runs.

    `bucket` is "s3://bucket/prefix" or "s3-region://bucket/prefix", as Aurora writes it. The files are those of a
    manifest, so that the source loads every one of them or fails.
    """
    where = bucket.rstrip("/") if "://" in bucket else f"s3://{bucket.rstrip('/')}"
    # the statements take plain text only, so a name's other letters are left to its hash
    plain = re.sub(r"[^A-Za-z0-9_-]", "_", str(table)) + "-" + hashlib.sha256(table.sql.encode()).hexdigest()[:8]
    prefix = f"{where}/{plain}-{now:%Y%m%dt%H%M%Sz}"
    exact = ", ".join(_exact(column) for column in columns)
    unload = (
        f"SELECT {exact} FROM {table.sql} INTO OUTFILE S3 '{prefix}' FORMAT TEXT CHARACTER SET binary"
        " FIELDS TERMINATED BY X'09' ESCAPED BY X'5C' LINES TERMINATED BY X'0A' MANIFEST ON"
    )
    return unload, load_statement(staging, columns, source=f"FROM S3 MANIFEST '{prefix}.manifest'")


def _exact(column: Column) -> str:
    name = quoted(column.name)
    if column.kind == "float":
        return f"CAST({name} AS DOUBLE)"
    return f"CAST({name} AS UNSIGNED)" if column.kind in ("enum", "set", "bit") else name
