"""The master user of a stand-in cluster."""

from __future__ import annotations

from runbook_lib.mysql import Credentials, Database

# What Aurora MySQL 3 gives its master user (Aurora guide, "Master user account privileges"). SUPER and
# SYSTEM_VARIABLES_ADMIN are not in it, and code that needs them must fail here as it would there.
_EVERYWHERE = (
    "SELECT, INSERT, UPDATE, DELETE, CREATE, DROP, RELOAD, PROCESS, REFERENCES, INDEX, ALTER, SHOW DATABASES, "
    "CREATE TEMPORARY TABLES, LOCK TABLES, EXECUTE, REPLICATION SLAVE, REPLICATION CLIENT, CREATE VIEW, SHOW VIEW, "
    "CREATE ROUTINE, ALTER ROUTINE, CREATE USER, EVENT, TRIGGER"
)
_WHERE_KNOWN = {
    "APPLICATION_PASSWORD_ADMIN", "CONNECTION_ADMIN", "CREATE ROLE", "DROP ROLE", "FLUSH_OPTIMIZER_COSTS",
    "FLUSH_STATUS", "FLUSH_TABLES", "FLUSH_USER_RESOURCES", "ROLE_ADMIN", "SET_USER_ID", "SET_ANY_DEFINER",
    "ALLOW_NONEXISTENT_DEFINER", "SHOW_ROUTINE", "XA_RECOVER_ADMIN",
    "CONNECTION ADMIN", "BINLOG MONITOR", "SET USER", "SHOW CREATE ROUTINE",  # MariaDB's names
}  # fmt: skip


def make_master(database: Database, master: Credentials) -> None:
    """Make the master user with the rights it has on Aurora, as far as this server knows them."""
    account = (master.user, "%")
    known = {str(row[0]).upper() for row in database.rows("SHOW PRIVILEGES")}
    database.execute("CREATE USER %s@%s IDENTIFIED BY %s", (*account, master.password))
    database.execute(f"GRANT {_EVERYWHERE} ON *.* TO %s@%s WITH GRANT OPTION", account)
    if more := sorted(_WHERE_KNOWN & known):
        database.execute(f"GRANT {', '.join(more)} ON *.* TO %s@%s WITH GRANT OPTION", account)


def set_password(database: Database, master: Credentials) -> None:
    """Return the master user another password."""
    database.execute("ALTER USER %s@%s IDENTIFIED BY %s", (master.user, "%", master.password))
