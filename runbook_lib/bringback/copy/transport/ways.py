"""How a table's rows travel, and why so."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from datetime import datetime

from runbook_lib.bringback.copy.choices import CopyChoices
from runbook_lib.bringback.copy.transport.dumper import Dumper, why_not_dumper
from runbook_lib.bringback.copy.transport.lines import load_statement
from runbook_lib.errors import InputRefused
from runbook_lib.inventory import TableName
from runbook_lib.mysql import quoted
from runbook_lib.swap.facts import Column, ServerFacts, TableFacts

# One client moves some 10 MB a second with its indexes, so above this a table takes hours through it.
TOO_LARGE_FOR_CLIENT = 100 << 30
WORTH_A_DUMP = 16 << 20  # bytes; below, starting two programs costs more than they save
NO_DUMPER = Dumper()
WAYS = {
    "load": "streamed by this client: LOAD DATA LOCAL of lines that the copy writes",
    "insert": "streamed by this client as INSERT statements of many rows: slower, needs no setting",
    "mydumper": "by mydumper and myloader, whose files need this machine's disk for the time of one table",
    "s3": "by the servers themselves through a bucket: SELECT … INTO OUTFILE S3, LOAD DATA FROM S3",
    "local": "from the damaged server's own table, within that server",
}


def choose_way(
    table: TableFacts,
    *,
    restored: ServerFacts,
    damaged: ServerFacts,
    choices: CopyChoices,
    is_local: bool,
    dumper: Dumper = NO_DUMPER,
) -> tuple[str, str]:
    """Return the way ("load", "insert", "mydumper", "s3", "local") for a table, and the reason in one sentence. Pure.

    `choices` may name the way that the person asks for, and the bucket.

    Raises:
        InputRefused: the way that is asked for is not open.
    """
    if is_local:
        return "local", "its rows are on the damaged server already"
    off = "local_infile is off on the damaged server"
    closed = {
        "load": "" if damaged.settings.get("local_infile", "OFF") == "ON" else off,
        "s3": _why_no_s3(restored, damaged, choices.bucket),
        "mydumper": why_not_dumper(table, damaged, dumper),
        "insert": "",
    }
    if through := choices.through:
        if closed[through]:
            raise InputRefused(
                f"{table.name} cannot travel through {through}: {closed[through]}.",
                hint='Set that right, or leave "through" out of the rules, so that the plan chooses.',
            )
        return through, "asked for"
    if table.bytes > TOO_LARGE_FOR_CLIENT and not closed["s3"]:
        return "s3", f"{table.bytes / (1 << 30):,.0f} GiB would take hours through one client"
    if not closed["load"]:
        large = table.bytes > TOO_LARGE_FOR_CLIENT
        return "load", "local_infile is on at the damaged server" + "; mydumper would take longer" * large
    if not closed["s3"]:
        return "s3", f"{off}, and both clusters have a role for S3"
    if table.bytes < WORTH_A_DUMP:
        return (
            "insert",
            f"{off}, {closed['s3']}, and it is too small for mydumper to help",
        )
    if not closed["mydumper"]:
        return (
            "mydumper",
            f"{off}, {closed['s3']}, and mydumper is installed and suits its types",
        )
    return "insert", f"{off}, {closed['s3']}, and {closed['mydumper']}"


def can_use_s3(server: ServerFacts, *, load: bool) -> bool:
    """Tell whether an Aurora cluster has a role for S3.

    Aurora User Guide, "Loading data into an Amazon Aurora MySQL DB cluster from text files in an Amazon S3 bucket"
    and "Saving data … into text files in an Amazon S3 bucket": aurora_load_from_s3_role (or aws_default_s3_role) names
    the role, and the account needs AWS_LOAD_S3_ACCESS or AWS_SELECT_S3_ACCESS.
    """
    name = "aurora_load_from_s3_role" if load else "aurora_select_into_s3_role"
    return bool(server.settings.get(name) or server.settings.get("aws_default_s3_role"))


def _why_no_s3(restored: ServerFacts, damaged: ServerFacts, bucket: str) -> str:
    """Say why rows cannot go through S3; empty where they can."""
    if not bucket:
        return "no bucket is named for the way through S3"
    lacking = [
        server.name for server, load in ((restored, False), (damaged, True)) if not can_use_s3(server, load=load)
    ]
    return f"{' and '.join(lacking)} has no role for S3" if lacking else ""


def s3_statements(
    table: TableName, staging: TableName, columns: Sequence[Column], *, bucket: str, now: datetime
) -> tuple[str, str]:
    """Write the two statements of the way through S3: what the copy runs, and whon the damaged server runs.

    `bucket` is "s3://bucket/prefix" or "s3-region://bucket/prefix", as Aurora writes it. The files are those of a
    manifest, so that the damaged server loads all of them or fails.
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
    return unload, load_statement(staging, columns, within=f"FROM S3 MANIFEST '{prefix}.manifest'")


def _exact(column: Column) -> str:
    name = quoted(column.name)
    if column.kind == "float":
        return f"CAST({name} AS DOUBLE)"
    return f"CAST({name} AS UNSIGNED)" if column.kind in ("enum", "set", "bit") else name
