"""Dumps with odd features, made by the dump tool of a real server, and how to load them."""

from __future__ import annotations

import subprocess
from pathlib import Path

from runbook_lib.mysql import Credentials, Database, Endpoint, quoted
from runbook_lib.rehearsal.engines import Engine

MASTER = Credentials(user="admin", password="dump-tests-9")

# Everything that has ever confused a reader of dumps: quotes of each kind, escapes, statements inside strings,
# comments inside strings and bodies, binary values, generated columns, views of views, names that need quoting.
SHOP = r"""
CREATE TABLE tenants (id INT PRIMARY KEY, name VARCHAR(200), note TEXT, photo BLOB, doc JSON,
  born DATE, paid DECIMAL(12,2), flags BIT(8), upper_name VARCHAR(200) GENERATED ALWAYS AS (UPPER(name)) STORED
) COMMENT='it''s; CREATE DATABASE basis; -- "not" `real`'
;;
CREATE TABLE rooms (id INT PRIMARY KEY AUTO_INCREMENT, tenant INT, `odd ``column`` name` VARCHAR(30) DEFAULT 'a;''b',
  CONSTRAINT room_tenant FOREIGN KEY (tenant) REFERENCES tenants (id))
;;
CREATE TABLE empty_one (a INT, b VARCHAR(10) CHARACTER SET latin1)
;;
CREATE VIEW tenant_rooms AS SELECT t.id, t.name, r.id AS room, 'DROP TABLE x;' AS text FROM tenants t JOIN rooms r
  ON r.tenant = t.id
;;
CREATE VIEW names_only AS SELECT name FROM tenant_rooms
;;
CREATE TRIGGER room_guard BEFORE INSERT ON rooms FOR EACH ROW
BEGIN
  -- it's only a comment; USE basis;
  /* '; */
  IF NEW.tenant IS NULL THEN SET NEW.tenant = 1; END IF;
END
;;
CREATE PROCEDURE count_rooms(IN wanted INT)
BEGIN
  # don't stop here; DROP DATABASE staging;
  SELECT COUNT(*) INTO @rooms FROM rooms WHERE tenant = wanted AND 'CREATE DATABASE x;' <> "';";
END
;;
CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM empty_one WHERE a < 0
"""
NASTY = (
    "plain", "O'Brien", 'say "x"', "back\\slash", "trail\\", "semi;colon", "');\nDROP TABLE tenants;\n--", "`tick`",
    "/* open", "*/ close", "-- dash", "# hash", "line\nUSE `basis`;\nCREATE DATABASE basis;\n", "\x00\x1a\r\t",
    "表 部屋", "INSERT INTO `tenants` VALUES (1,'a');", "DELIMITER ;;\n", "\\'", "''", "🏠",
    "\\\\'; USE basis; '\\", "",
)  # fmt: skip


def make_shop(database: Database, schema: str) -> None:
    """Make a schema whose dump has every odd feature at once."""
    database.execute(f"CREATE DATABASE {quoted(schema)} CHARACTER SET utf8mb4")
    database.execute(f"USE {quoted(schema)}")
    for statement in SHOP.split(";;\n"):
        database.execute(statement)
    columns = "(id, name, note, photo, doc, born, paid, flags)"
    for number, text in enumerate(NASTY * 3):
        blob = bytes(range(256)) * 3 + text.encode()
        doc = '{"k": "it\'s; \\"' + str(number) + '\\""}'
        database.execute(
            f"INSERT INTO tenants {columns} VALUES (%s, %s, %s, %s, %s, '2026-02-04', %s, b'10100111')",
            (number, text, text * 5, blob, doc, number * -1.25),
        )
        database.execute("INSERT INTO rooms (tenant, `odd ``column`` name`) VALUES (%s, %s)", (number, text[:30]))
    database.execute("INSERT INTO tenants (id) VALUES (1000)")


class Client:
    """The engine's own command-line programs against one server."""

    def __init__(self, engine: Engine, endpoint: Endpoint, folder: Path) -> None:
        self._engine = engine
        self._login = folder / "login.cnf"
        self._login.write_text(
            f"[client]\nuser={MASTER.user}\npassword={MASTER.password}\nhost={endpoint.host}\nport={endpoint.port}\n"
            "protocol=tcp\n"
        )

    def dump(self, *arguments: str) -> bytes:
        """Make a dump as a vendor would."""
        program = [str(self._engine.dump_client), f"--defaults-file={self._login}"]
        if not self._engine.is_mariadb:
            program += ["--no-tablespaces", "--set-gtid-purged=OFF"]
        return subprocess.run([*program, *arguments], check=True, capture_output=True).stdout

    def load(self, dump: bytes, schema: str = "", *, charset: str = "utf8mb4") -> str:
        """Load a dump as the ETL job would; give what the client complains of, empty when it is content."""
        # --comments: the clients would take the comments out of the bodies that they send
        program = [str(self._engine.command_client), f"--defaults-file={self._login}", "--comments"]
        program += [f"--default-character-set={charset}"]
        done = subprocess.run([*program, *([schema] if schema else [])], input=dump, capture_output=True, check=False)
        return done.stderr.decode(errors="replace") if done.returncode else ""


def contents(database: Database, schema: str) -> dict[str, object]:
    """Return everything a schema holds: rows, and the definitions with the schema's own name taken out."""
    held: dict[str, object] = {}
    for name, kind in database.rows(
        "SELECT table_name, table_type FROM information_schema.tables WHERE table_schema = %s", (schema,)
    ):
        made = str(database.rows(f"SHOW CREATE TABLE {quoted(schema, name)}")[0][1])
        held[f"{kind} {name}"] = _own(made, schema)
        asked = f"SELECT * FROM {quoted(schema, name)}"
        if " vector(" in made:  # the driver takes it for text
            asked = f"CHECKSUM TABLE {quoted(schema, name)}"
        held[f"rows of {name}"] = sorted(repr(row[-1:] if "vector(" in made else row) for row in database.rows(asked))
    for name, body in database.rows(
        "SELECT routine_name, routine_definition FROM information_schema.routines WHERE routine_schema = %s", (schema,)
    ):
        held[f"routine {name}"] = body
    for name, body in database.rows(
        "SELECT trigger_name, action_statement FROM information_schema.triggers WHERE trigger_schema = %s", (schema,)
    ):
        held[f"trigger {name}"] = body
    for name, body in database.rows(
        "SELECT event_name, event_definition FROM information_schema.events WHERE event_schema = %s", (schema,)
    ):
        held[f"event {name}"] = body
    return held


def _own(text: str, schema: str) -> str:
    start, _, rest = text.partition(" VIEW ")
    return (rest if rest and "DEFINER" in start else text).replace(f"`{schema}`.", "")
