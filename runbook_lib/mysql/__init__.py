"""The outside world, MySQL: the only importer of pymysql."""

from runbook_lib.mysql.binary_log import (
    LogEntry,
    LogFile,
    LoggedGap,
    LoggedRows,
    LoggedStatement,
    began,
    list_log_files,
    read_log,
)
from runbook_lib.mysql.connection import Database, connect, opened_again
from runbook_lib.mysql.dialing import Authorities, Credentials, Endpoint, authorities, is_identified
from runbook_lib.mysql.names import literal, quoted
from runbook_lib.mysql.option_file import write_option_file

__all__ = [
    "Authorities",
    "Credentials",
    "Database",
    "Endpoint",
    "LogEntry",
    "LogFile",
    "LoggedGap",
    "LoggedRows",
    "LoggedStatement",
    "authorities",
    "began",
    "connect",
    "is_identified",
    "list_log_files",
    "literal",
    "opened_again",
    "quoted",
    "read_log",
    "write_option_file",
]
