"""The outside world, MySQL: the only importer of pymysql."""

from runbook_lib.mysql.binary_log import LogEntry, LogFile, LoggedRows, LoggedStatement, began, list_log_files, read_log
from runbook_lib.mysql.connection import Credentials, Database, Endpoint, connect, opened_again
from runbook_lib.mysql.names import literal, quoted
from runbook_lib.mysql.option_file import write_option_file

__all__ = [
    "Credentials",
    "Database",
    "Endpoint",
    "LogEntry",
    "LogFile",
    "LoggedRows",
    "LoggedStatement",
    "began",
    "connect",
    "list_log_files",
    "literal",
    "opened_again",
    "quoted",
    "read_log",
    "write_option_file",
]
