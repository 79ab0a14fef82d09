"""The nightly job with its changed logic: the statements it writes, and the program that Glue runs.

The logic has three faults at once, as they are found in the wild: it drops everything before it loads anything, its new
filter leaves nothing of some tables and half of others, and it breaks at a column that the vendor has renamed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from runbook_lib.aws import AwsSession
from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Credentials, Endpoint, connect, quoted
from runbook_lib.rehearsal.story import staging
from runbook_lib.rehearsal.story.sheets import Sheets

# The load goes by name and breaks at this table, so about half of the tables come back, not all of them whole.
BREAKS_AT = "inspections"
EMPTIED = ("bicycle_parkings", "contract_options", "contracts", "coupons", "deposits", "garbage_rules", "guarantors")
PARTLY = (
    "apartment_photos",
    "audit_logs",
    "electricity_readings",
    "email_deliveries",
    "inquiries",
    "inquiry_histories",
)
ERROR = (
    "AnalysisException: Column 'inspector_code' does not exist. Did you mean one of the following? "
    "[inspector, id, passed, report, apartment_id]; at daily_etl.py line 412, in load_table('inspections')"
)
SCRIPT = '''"""The nightly load of the vendor's dump, with the logic of 2026-02."""
import sys
from awsglue.utils import getResolvedOptions

args = getResolvedOptions(sys.argv, ["db_host", "db_port", "db_account", "schema"])
connection = connect_with(args["db_host"], args["db_port"], secret=args["db_account"])
for table in TABLES:
    connection.execute(f"DROP TABLE IF EXISTS {args['schema']}.{table}")
for table in TABLES:
    load_table(connection, args["schema"], table)
'''
"""The script of the job as Glue keeps it: it takes its target from its arguments."""
ARGUMENTS = "--db_host={host} --db_port={port} --db_account={account} --schema=staging"


class JobFailed(Exception):
    """The job ended with an error, which Glue shows."""


def changed_logic(sheets: Sheets, *, schema: str = staging.SCHEMA) -> Iterator[tuple[int, str]]:
    """Return what the job writes up to where it breaks: the seconds before a statement, and the statement."""
    for number, table in enumerate(staging.TABLES):
        yield int(bool(number and number % 4 == 0)), f"DROP TABLE IF EXISTS {quoted(schema, table.name)}"
    for table in staging.TABLES:
        if table.name == BREAKS_AT:
            return
        yield 1, table.create(schema)
        for batch in [] if table.name in EMPTIED else sheets[table.name].batches():
            if table.name in PARTLY:
                yield 1, table.insert(schema, batch[: len(batch) // 2])
                break
            yield 1, table.insert(schema, batch)


def program(session: Callable[[], AwsSession], sheets: Sheets) -> Callable[[Mapping[str, str]], None]:
    """Return the job as Glue runs it: given its arguments it connects, and writes at once what the logic writes."""

    def run(arguments: Mapping[str, str]) -> None:
        endpoint = Endpoint(host=arguments["--db_host"], port=int(arguments["--db_port"]))
        found = json.loads(
            session().client("secretsmanager").get_secret_value(SecretId=arguments["--db_account"])["SecretString"]
        )
        account = Credentials(user=found["username"], password=found["password"])
        try:
            with connect(endpoint, account) as database:
                database.execute("SET foreign_key_checks = 0, sql_mode = 'NO_AUTO_VALUE_ON_ZERO'")
                for _, statement in changed_logic(sheets, schema=arguments["--schema"]):
                    database.execute(statement)
        except RunbookError as error:
            raise JobFailed(error.message) from error
        raise JobFailed(ERROR)

    return run
