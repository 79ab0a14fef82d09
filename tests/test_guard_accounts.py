"""What an account could do to live data is named, way by way, and a real server agrees; what is not known is said."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from click.testing import CliRunner

from runbook_lib.cli import cli
from runbook_lib.errors import NotFound, RunbookError
from runbook_lib.guard.accounts import AccountVerdict, grants_for_loading, look_at_account
from runbook_lib.guard.grants import read_grants
from runbook_lib.mysql import Credentials, Database, connect
from tests.proving import TwoServers

LIVE, NEXT = "ga_live", "ga_live__next"
WORLD = (
    f"CREATE DATABASE {LIVE}", f"CREATE DATABASE {NEXT}", "CREATE DATABASE ga_tools",
    f"CREATE TABLE {LIVE}.apartments (id int PRIMARY KEY, rent int, KEY by_rent (rent))",
    f"INSERT INTO {LIVE}.apartments VALUES (1, 90)", f"CREATE TABLE {NEXT}.apartments (id int PRIMARY KEY, rent int)",
    f"CREATE PROCEDURE ga_tools.wipe() DELETE FROM {LIVE}.apartments",
    f"CREATE PROCEDURE ga_tools.look() SELECT COUNT(*) FROM {LIVE}.apartments",
    f"CREATE VIEW ga_tools.all_apartments AS SELECT * FROM {LIVE}.apartments",
)  # fmt: skip
SPOILS = f"UPDATE {LIVE}.apartments SET rent = 0"
READS = f"GRANT SELECT ON `{LIVE}`.* TO loader"
# the grants, and one statement that the account must not (None) or can do
SAFE = [
    ("reader", [READS]),
    ("by the printed grants", [*grants_for_loading("'loader'@'%'", live=[LIVE], into=NEXT)]),
    ("may call what harms nothing", [READS, "GRANT EXECUTE ON PROCEDURE ga_tools.look TO loader"]),
    ("may insert", [f"GRANT INSERT ON {LIVE}.* TO loader"]),
]
UNSAFE = [
    ("all on it", [f"GRANT ALL ON `{LIVE}`.* TO loader"], "DROP", f"TRUNCATE {LIVE}.apartments"),
    ("only DELETE", [READS, f"GRANT DELETE ON `{LIVE}`.* TO loader"], "DELETE", f"DELETE FROM {LIVE}.apartments"),
    (
        "only ALTER", [READS, f"GRANT ALTER ON `{LIVE}`.* TO loader"], "ALTER",
        f"ALTER TABLE {LIVE}.apartments DROP COLUMN rent",
    ),
    ("UPDATE of a table", [READS, f"GRANT UPDATE ON {LIVE}.apartments TO loader"], "UPDATE", SPOILS),
    ("UPDATE of a column", [READS, f"GRANT UPDATE (rent) ON {LIVE}.apartments TO loader"], "UPDATE", SPOILS),
    ("a pattern", ["GRANT ALL ON `ga%`.* TO loader"], "DROP", f"DROP TABLE {LIVE}.apartments"),
    ("a pattern of one letter", ["GRANT ALL ON `ga_live`.* TO loader"], "DROP", f"DROP TABLE {LIVE}.apartments"),
    ("everything", ["GRANT ALL ON *.* TO loader"], "DROP", f"DROP DATABASE {LIVE}"),
    ("a role", ["CREATE ROLE ga_role", f"GRANT DROP ON `{LIVE}`.* TO ga_role", "GRANT ga_role TO loader"], "DROP", ""),
    (
        "a role of a role",
        [
            "CREATE ROLE ga_role, ga_deep", f"GRANT DROP ON `{LIVE}`.* TO ga_deep", "GRANT ga_deep TO ga_role",
            "GRANT ga_role TO loader",
        ],
        "DROP", "",
    ),
    ("a routine of another", ["GRANT EXECUTE ON PROCEDURE ga_tools.wipe TO loader"], "EXECUTE", "CALL ga_tools.wipe()"),
    (
        "a view of another", ["GRANT SELECT, DELETE ON ga_tools.all_apartments TO loader"], "DELETE",
        "DELETE FROM ga_tools.all_apartments",
    ),
    ("other accounts", [READS, "GRANT CREATE USER ON *.* TO loader"], "CREATE USER", ""),
]  # fmt: skip


@pytest.fixture
def server(two_servers: TwoServers) -> Iterator[Database]:
    admin = two_servers.found
    for statement in WORLD:
        admin.execute(statement)
    admin.execute("CREATE USER loader IDENTIFIED BY 'w'")
    yield admin
    for schema in (LIVE, NEXT, "ga_tools"):
        admin.execute(f"DROP DATABASE IF EXISTS {schema}")
    admin.execute("DROP USER IF EXISTS loader")
    admin.execute("DROP ROLE IF EXISTS ga_role, ga_deep")


def as_loader(admin: Database, statement: str) -> None:
    with connect(admin.endpoint, Credentials(user="loader", password="w")) as database:
        database.execute(statement)


def looked(admin: Database, *grants: str) -> AccountVerdict:
    for statement in grants:
        admin.execute(statement.rstrip(";"))
    return look_at_account(admin, "loader@%", live=[LIVE])


@pytest.mark.parametrize("grants", [case[1] for case in SAFE], ids=[case[0] for case in SAFE])
def test_an_account_that_cannot_destroy_is_said_to_and_the_server_refuses_it(
    server: Database, grants: list[str]
) -> None:
    verdict = looked(server, *grants)
    assert (verdict.answer, verdict.ways, verdict.unknown) == ("no", (), ())
    for statement in (
        f"DROP TABLE {LIVE}.apartments", f"TRUNCATE {LIVE}.apartments", f"DELETE FROM {LIVE}.apartments",
        f"ALTER TABLE {LIVE}.apartments DROP COLUMN rent", f"RENAME TABLE {LIVE}.apartments TO {NEXT}.was",
        f"RENAME TABLE {NEXT}.apartments TO {LIVE}.other", f"UPDATE {LIVE}.apartments SET rent = 1",
        f"DROP DATABASE {LIVE}", "CREATE DATABASE ga_more",
    ):  # fmt: skip
        with pytest.raises(RunbookError):
            as_loader(server, statement)
    assert server.value(f"SELECT rent FROM {LIVE}.apartments") == 90


@pytest.mark.parametrize(
    ("grants", "right", "statement"), [case[1:] for case in UNSAFE], ids=[case[0] for case in UNSAFE]
)
def test_each_way_to_destroy_is_named_and_the_server_lets_it(
    server: Database, grants: list[str], right: str, statement: str
) -> None:
    verdict = looked(server, *grants)
    assert verdict.answer == "yes"
    assert right in {way.right for way in verdict.ways}
    if statement:
        as_loader(server, statement)


def test_every_statement_that_is_named_for_a_table_is_let_through(server: Database) -> None:
    verdict = looked(server, f"GRANT ALL ON `{LIVE}`.* TO loader")
    named = {way.right: way.statement for way in verdict.ways}
    for right in ("DELETE", "UPDATE", "TRIGGER", "ALTER", "DROP"):
        as_loader(server, named[right])


def test_a_partial_revoke_takes_rights_on_everything_away(server: Database) -> None:
    if server.is_mariadb:
        pytest.skip("MariaDB has no partial revokes")
    before = server.value("SELECT @@GLOBAL.partial_revokes")
    server.execute("SET GLOBAL partial_revokes = ON")
    try:
        everything = "SELECT, INSERT, UPDATE, DELETE, DROP, ALTER"
        verdict = looked(
            server,
            f"GRANT {everything} ON *.* TO loader",
            f"REVOKE UPDATE, DELETE, DROP, ALTER ON {LIVE}.* FROM loader",
        )
        with pytest.raises(RunbookError):
            as_loader(server, f"DELETE FROM {LIVE}.apartments")
        by = {way.right: way.source for way in verdict.ways}  # rights on everything reach the grants, and the view
        assert set(by) == {"DELETE", "INSERT on mysql", "UPDATE on mysql"}
        assert "the view ga_tools.all_apartments" in by["DELETE"]
    finally:
        server.execute("DROP USER loader")
        server.execute(f"SET GLOBAL partial_revokes = {before}")


def test_what_cannot_be_read_is_no_no(server: Database) -> None:
    hidden = "CREATE PROCEDURE ga_tools.dark() EXECUTE IMMEDIATE @x" if server.is_mariadb else None
    server.execute(hidden or "CREATE PROCEDURE ga_tools.dark() BEGIN PREPARE s FROM @x; EXECUTE s; END")
    verdict = looked(server, READS, "GRANT EXECUTE ON PROCEDURE ga_tools.dark TO loader")
    assert (verdict.answer, verdict.ways) == ("could not look", ())
    assert "ga_tools.dark" in verdict.unknown[0]
    with connect(server.endpoint, Credentials(user="loader", password="w")) as database:
        own = look_at_account(database, "", live=[LIVE])  # it sees its own grants, not what the routine does
        assert own.answer == "could not look"
    with pytest.raises(NotFound):
        look_at_account(server, "nobody@%", live=[LIVE])


def test_lines_that_are_not_understood_are_kept() -> None:
    held = read_grants(["GRANT SELECT ON `a`.* TO `u`@`%`", "GRANT SOMETHING (NEW) FOR `a` TO `u`@`%`"])
    assert [sorted(grant.rights) for grant in held.grants] == [["SELECT"]]
    assert len(held.not_understood) == 1


def test_the_command_prints_grants_and_looks(
    server: Database, two_servers: TwoServers, monkeypatch: pytest.MonkeyPatch
) -> None:
    runner = CliRunner()
    printed = runner.invoke(cli, ["guard", "accounts", "--live", LIVE, "--account", "loader@%"], standalone_mode=False)
    assert printed.output.splitlines()[0] == "GRANT SELECT, SHOW VIEW ON `ga\\_live`.* TO 'loader'@'%';"
    monkeypatch.setenv("RUNBOOK_MYSQL_USER", two_servers.master.user)
    monkeypatch.setenv("RUNBOOK_MYSQL_PASSWORD", two_servers.master.password)
    endpoint = two_servers.plane.endpoint("found")
    where = f"{endpoint.host}:{endpoint.port}"
    server.execute(f"GRANT DELETE ON `{LIVE}`.* TO loader")
    arguments = ["guard", "accounts", where, "--live", LIVE, "--account", "loader@%"]
    result = runner.invoke(cli, [*arguments, "--json"], standalone_mode=False)
    assert (result.return_value, json.loads(result.output)["answer"]) == (3, "yes")
    assert f"DELETE FROM `{LIVE}`.`apartments`" in runner.invoke(cli, arguments, standalone_mode=False).output
