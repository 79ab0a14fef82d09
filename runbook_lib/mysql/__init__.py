"""The outside world, MySQL: the only importer of pymysql."""

from runbook_lib.mysql.connection import Credentials, Database, Endpoint, connect
from runbook_lib.mysql.names import literal, quoted

__all__ = ["Credentials", "Database", "Endpoint", "connect", "literal", "quoted"]
