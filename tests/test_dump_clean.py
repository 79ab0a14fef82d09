"""A cleaned dump brings the same rows into the asked schema, and nothing anywhere else, on real servers."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from runbook_lib.errors import CheckFailed
from runbook_lib.mysql import Database, quoted
from runbook_lib.rehearsal.dataplane import DataPlane
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.schemas.dump.check import check_dump
from runbook_lib.schemas.dump.clean import Cleaned, clean_dump
from runbook_lib.schemas.dump.report import DumpReport
from runbook_lib.schemas.dump.source import open_dump
from tests.dumps import MASTER, Client, contents, make_shop

pytestmark = pytest.mark.xdist_group("dumps")

VENDOR = (
    b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `basis` /*!40100 DEFAULT CHARACTER SET utf8mb4 */;\n\nUSE `basis`;\n"
    b"SET FOREIGN_KEY_CHECKS=0;\nSET SQL_MODE='NO_AUTO_VALUE_ON_ZERO';\n"  # --compact leaves them out
)


@pytest.fixture(scope="module")
def shop(shared_plane: DataPlane, engine: Engine, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    shared_plane.create("shop", master=MASTER)
    shared_plane.open("shop")
    with shared_plane.admin("shop") as database:
        make_shop(database, "shop")
        yield Shop(Client(engine, shared_plane.endpoint("shop"), tmp_path_factory.mktemp("client")), database)


class Shop:
    def __init__(self, client: Client, database: Database) -> None:
        self.client, self.database = client, database


def cleaned(tmp_path: Path, dump: bytes, schema: str, take: str = "") -> tuple[bytes, Cleaned]:
    (tmp_path / "dump.sql").write_bytes(dump)
    out = io.BytesIO()
    with open_dump(str(tmp_path / "dump.sql")) as source:
        done = clean_dump(source, out.write, schema=schema, take=take)
    return out.getvalue(), done


def checked(tmp_path: Path, dump: bytes, schema: str) -> DumpReport:
    (tmp_path / "dump.sql").write_bytes(dump)
    with open_dump(str(tmp_path / "dump.sql")) as source:
        return check_dump(source, schema=schema)


def malformed_as_the_vendor(dump: bytes) -> bytes:
    """Write the table names as the vendor's script does: the schema's name inside the quotes."""
    for table in (b"tenants", b"rooms", b"empty_one"):
        for word in (b"TABLE IF EXISTS ", b"CREATE TABLE ", b"INSERT INTO ", b"LOCK TABLES ", b"ALTER TABLE "):
            start = rb"(?m)^(/\*!40000 )?" + re.escape(word)
            dump = re.sub(start + b"`" + table + b"`", rb"\g<1>" + word + b"`staging." + table + b"`", dump)
        dump = dump.replace(b"REFERENCES `" + table + b"`", b"REFERENCES `staging." + table + b"`")
    return dump


SETTINGS: dict[str, tuple[str, ...]] = {
    "as it comes": (),
    "row by row": ("--skip-extended-insert", "--complete-insert"),
    "binary as hex": ("--hex-blob", "--single-transaction"),
    "compact": ("--compact", "--add-drop-table"),
    "everything": ("--routines", "--triggers", "--events", "--add-drop-trigger"),
    "all around it": (
        "--routines", "--events", "--add-drop-database", "--no-autocommit", "--flush-privileges", "--insert-ignore",
        "--order-by-primary", "--replication",
    ),
}  # fmt: skip
REPLICATION = {
    True: ("--master-data=1", "--apply-slave-statements", "--gtid"),
    False: ("--source-data=1", "--apply-replica-statements", "--column-statistics", "--set-gtid-purged=COMMENTED"),
}


@pytest.mark.parametrize("arguments", SETTINGS.values(), ids=SETTINGS.keys())
def test_a_cleaned_dump_brings_the_same_data_into_a_scratch_schema(
    shop: Shop, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    if "--replication" in arguments:
        arguments = (*arguments[:-1], *REPLICATION[shop.database.is_mariadb])
    dump = VENDOR + shop.client.dump(*arguments, "--databases", "shop").replace(b"USE `shop`;", b"")
    dump = dump.replace(b"CREATE DATABASE /*!32312 IF NOT EXISTS*/ `shop`", b"CREATE DATABASE IF NOT EXISTS `basis`")
    text, done = cleaned(tmp_path, dump, "scratch")
    assert done.source_schema == "basis"
    assert done.whole, done.left_out
    shop.database.execute("CREATE DATABASE scratch CHARACTER SET utf8mb4")
    try:
        assert shop.client.load(text, "scratch") == ""
        found, expected = contents(shop.database, "scratch"), contents(shop.database, "shop")
        if "--routines" not in arguments:
            expected = {key: value for key, value in expected.items() if not key.startswith(("routine", "event"))}
        assert found == expected
        assert not shop.database.rows("SHOW DATABASES LIKE 'basis'")
    finally:
        shop.database.execute("DROP DATABASE scratch")


def test_names_with_the_schema_inside_the_quotes_are_mended(shop: Shop, tmp_path: Path) -> None:
    dump = malformed_as_the_vendor(VENDOR + shop.client.dump("--ignore-table=shop.tenant_rooms",
                                                             "--ignore-table=shop.names_only", "shop"))  # fmt: skip
    report = checked(tmp_path, dump, "staging")
    assert not report.safe
    assert {f.topic for f in report.findings} >= {"creates a schema", "USE", "names", "other schema"}
    text, done = cleaned(tmp_path, dump, "staging")
    assert done.mended == {f"staging.{table}": table for table in ("tenants", "rooms", "empty_one")}
    shop.database.execute("CREATE DATABASE staging CHARACTER SET utf8mb4")
    try:
        assert shop.client.load(text, "staging") == ""
        found, expected = contents(shop.database, "staging"), contents(shop.database, "shop")
        assert {k: v for k, v in expected.items() if k in found and k.startswith(("rows", "BASE"))} == {
            k: v for k, v in found.items() if k.startswith(("rows", "BASE"))
        }
        assert not shop.database.rows("SHOW DATABASES LIKE 'basis'")
    finally:
        shop.database.execute("DROP DATABASE staging")
    assert checked(tmp_path, text, "staging").safe


def test_a_cleaned_dump_refuses_any_other_schema(shop: Shop, tmp_path: Path) -> None:
    text, _ = cleaned(tmp_path, shop.client.dump("shop"), "staging")
    before = contents(shop.database, "shop")
    assert "1242" in shop.client.load(text, "shop")
    assert contents(shop.database, "shop") == before
    assert shop.client.load(text) != ""


def test_rows_pass_byte_for_byte(shop: Shop, tmp_path: Path) -> None:
    dump = shop.client.dump("--compact", "--no-create-info", "shop", "tenants")
    text, _ = cleaned(tmp_path, dump, "staging")
    assert text.partition(b"INSERT")[2] == dump.partition(b"INSERT")[2]


def test_the_drop_of_what_the_dump_does_not_bring_is_left_out(tmp_path: Path) -> None:
    dump = b"DROP TABLE IF EXISTS a, precious;\nDROP DATABASE staging;\nCREATE TABLE a (x INT);\n"
    text, done = cleaned(tmp_path, dump, "staging")
    assert b"DROP TABLE IF EXISTS `a`;\nCREATE TABLE a" in text
    assert b"precious" not in text
    assert brought(text) == [b"DROP TABLE IF EXISTS `a`;", b"CREATE TABLE a (x INT);"]
    assert done.drops_left_out == ("TABLE precious",)


BAD = (
    b"SET GLOBAL x = 1", b"GRANT ALL ON *.* TO 'x'@'%'", b"CREATE USER 'x'@'%' IDENTIFIED BY 'secret'",
    b"UPDATE a SET x = 1", b"\\! rm -rf /", b"system ls", b"CALL wipe()", b"ERROR 1045 (28000)",
    b"INSERT INTO `other`.`t` VALUES (1)", b"FLUSH TABLES", b"RESET MASTER", b"DROP DATABASE other",
)  # fmt: skip
OF_TOOLS = (
    b"SET @@SESSION.SQL_LOG_BIN= 0", b"SET @@GLOBAL.GTID_PURGED=/*!80000 '+'*/ 'aaa:1-5'", b"FLUSH PRIVILEGES",
    b"CHANGE MASTER TO MASTER_LOG_FILE='b'", b"STOP REPLICA", b"DROP DATABASE staging",
)  # fmt: skip


def test_what_needs_more_rights_or_does_more_than_bring_tables_is_left_out(tmp_path: Path) -> None:
    dump = b"CREATE TABLE a (x INT);\n" + b";\n".join(BAD + OF_TOOLS) + b";\nINSERT INTO a VALUES (7);\n"
    text, done = cleaned(tmp_path, dump, "staging")
    assert brought(text) == [b"CREATE TABLE a (x INT);", b"INSERT INTO a VALUES (7);"]
    assert sum(seen.count for seen in done.left_out.values()) == len(BAD)
    assert sum(done.passed_over.values()) == len(OF_TOOLS)
    assert not done.whole
    text, done = cleaned(tmp_path, b"CREATE TABLE a (x INT);\n" + b";\n".join(OF_TOOLS) + b";\n", "staging")
    assert done.whole


def brought(text: bytes) -> list[bytes]:
    """Return the lines of a cleaned dump that are neither its guards nor comments."""
    lines = (line for line in text.split(b"\n") if not line.startswith((b"SET @runbook_", b"--")))
    return [line for line in lines if line.strip()]


Change = Callable[[bytes], bytes]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda dump: dump[: len(dump) // 2], "cut short"),
        (lambda dump: dump[: dump.rindex(b"-- Dump completed")], "cut short"),
        (lambda dump: dump.replace(b"CREATE TABLE `rooms`", b"CREATE TABLE `x.tenants`"), "Two tables"),
        (lambda dump: dump + b"USE one;\nCREATE TABLE t (a INT);\nUSE two;\nCREATE TABLE u (a INT);\n", "several"),
    ],
)
def test_a_dump_that_cannot_be_made_safe_is_refused(shop: Shop, tmp_path: Path, change: Change, word: str) -> None:
    with pytest.raises(CheckFailed, match=word):
        cleaned(tmp_path, change(shop.client.dump("shop")), "staging")


def test_definers_go_so_that_the_loading_account_owns_what_it_loads(shop: Shop, tmp_path: Path) -> None:
    dump = shop.client.dump("--routines", "shop")
    report = checked(tmp_path, dump, "staging")
    assert any(f.topic == "definer" for f in report.findings)
    text, done = cleaned(tmp_path, dump, "staging")
    assert b"DEFINER=" not in text
    assert done.definers_removed >= 3


def test_quoting_of_the_schema_name_is_the_dumps_matter(shop: Shop, tmp_path: Path) -> None:
    name = "odd`; DROP DATABASE shop; --"
    text, _ = cleaned(tmp_path, shop.client.dump("--compact", "shop", "empty_one"), name)
    shop.database.execute(f"CREATE DATABASE {quoted(name)}")
    try:
        assert shop.client.load(text, name) == ""
        assert (
            shop.database.value("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = %s", (name,)) == 1
        )
    finally:
        shop.database.execute(f"DROP DATABASE {quoted(name)}")


def test_a_second_schema_behind_one_without_a_name_is_not_taken_for_the_first(tmp_path: Path) -> None:
    table = b"CREATE TABLE `t` (`a` int);\nINSERT INTO `t` VALUES (%d);\n"
    dump = b"-- MySQL dump 10.13\n" + table % 1 + b"USE `mysql`;\n" + table % 2 + b"-- Dump completed\n"
    with pytest.raises(CheckFailed, match="several schemas"):
        cleaned(tmp_path, dump, "again")
    text, done = cleaned(tmp_path, dump, "again", "again")
    assert (b"(1)" in text, b"(2)" in text, done.whole) == (True, False, True)
