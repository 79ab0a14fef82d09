"""Rights of real accounts before and after a copy back and its undo: what each may read and write stays the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from runbook_lib.bringback.copy import CopyChoices, apply_copy_back, apply_undo, propose_copy_back, propose_undo
from runbook_lib.bringback.copy.apply import Watch
from runbook_lib.errors import AccessDenied, RunbookError
from runbook_lib.inventory import SYSTEM_SCHEMAS
from runbook_lib.mysql import Credentials, connect, quoted
from runbook_lib.swap.facts import Grant
from runbook_lib.swap.names import is_ours
from runbook_lib.swap.reach import Shut, shut_out
from tests.copying import NOW, ROOMS, Estate
from tests.matrix import thorough
from tests.test_bringback_copy_plan import server

Right = tuple[str, str, str, str]  # what, schema, table, column
ACCOUNTS = {
    "reader": (
        "GRANT SELECT ON letting.contracts TO reader",
        f"GRANT SELECT (number), UPDATE (rent) ON {ROOMS} TO reader",
    ),
    "landlord": ("GRANT SELECT, INSERT, UPDATE, DELETE ON `house.hold`.* TO landlord",),
    "narrow": ("GRANT SELECT, INSERT ON `let%`.* TO narrow", "GRANT INSERT ON letting.* TO narrow"),
    "wide": ("GRANT SELECT ON `let%`.* TO wide",),
}


@pytest.fixture
def accounts(estate: Estate) -> Iterator[tuple[str, ...]]:
    """Make the accounts at both sides, and take them away again with every right they were given meanwhile."""
    made = (
        *(f"DROP USER IF EXISTS {name}" for name in ACCOUNTS),
        *(f"CREATE USER {name} IDENTIFIED BY 'w'" for name in ACCOUNTS),
        *(grant for grants in ACCOUNTS.values() for grant in grants),
    )
    estate.make(*made)
    yield tuple(ACCOUNTS)
    estate.make(*(f"DROP USER {name}" for name in ACCOUNTS))


def may(estate: Estate, account: str) -> set[Right]:
    """Return every column of the source that an account may read, and every table it may insert into, by trying."""
    found = set()
    with estate.source.connect() as source:
        columns = source.rows("SELECT table_schema, table_name, column_name FROM information_schema.columns")
    login = Credentials(user=account, password="w")
    with connect(estate.plane.endpoint("found"), login) as own:
        for schema, table, column in columns:
            if str(schema) in SYSTEM_SCHEMAS:
                continue
            for what, statement in (
                ("read", f"SELECT {quoted(column)} FROM {quoted(schema, table)} LIMIT 0"),
                ("insert", f"INSERT INTO {quoted(schema, table)} ({quoted(column)}) SELECT 1 FROM DUAL WHERE FALSE"),
                ("update", f"UPDATE {quoted(schema, table)} SET {quoted(column)} = 1 WHERE FALSE"),
            ):
                try:
                    own.execute(statement)
                except RunbookError as error:
                    # a generated column and a view of several tables refuse for other reasons than a right
                    if isinstance(error, AccessDenied) or "denied" in error.message:
                        continue
                found.add((what, schema, table, column))
    return found


def of_ours(found: set[Right]) -> set[Right]:
    """Return what is in a schema that a copy back made."""
    return {one for one in found if is_ours(one[1])}


@pytest.mark.parametrize(
    "damage", ["DELETE FROM letting.contracts", thorough(f"DROP TABLE letting.contracts, {ROOMS}")]
)
def test_every_account_may_do_what_it_might_and_nothing_in_the_dated_schemas(
    estate: Estate, accounts: tuple[str, ...], damage: str
) -> None:
    before = {account: may(estate, account) for account in accounts}
    assert ("read", "letting", "contracts", "tenant") in before["reader"]
    assert ("read", "house.hold", "rooms", "number") in before["reader"]
    assert ("read", "house.hold", "rooms", "rent") not in before["reader"]
    with estate.source.connect() as source:
        source.execute("SET foreign_key_checks = 0")
        source.execute(damage)
    choices = CopyChoices(tables=("house.hold", "letting"))
    plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=choices, now=NOW)
    reached = []

    def look(_phase: str) -> None:
        reached.extend(of_ours(may(estate, "narrow")))

    done = apply_copy_back(estate.copy, estate.source, plan, approve=plan.id, watch=Watch(step=look))
    assert done.problems == ()
    after = {account: may(estate, account) for account in accounts}
    assert {account: found - of_ours(found) for account, found in after.items()} == before
    undo = propose_undo(estate.source)
    assert apply_undo(estate.source, undo, approve=undo.id).problems == ()
    again = {account: may(estate, account) for account in accounts}
    if not damage.startswith("DROP"):
        assert {account: found - of_ours(found) for account, found in again.items()} == before
    for found in (after, again):
        assert not of_ours(found["reader"])
        assert not of_ours(found["landlord"])
        # its pattern takes the dated schema in, and says no less of the schema itself: it could read this before
        assert of_ours(found["wide"])
        assert not [one for one in of_ours(found["narrow"]) if one[0] == "read"]
    assert not [one for one in reached if one[0] == "read"], "nor in the staging schema while it stands"
    with estate.source.connect() as source:
        left = [str(row[0]) for row in source.rows("SHOW GRANTS FOR narrow")]
    assert not any("copyback" in line for line in left), "what was only for the staging schema is taken back"


def test_an_account_that_is_kept_from_a_schema_by_a_partial_revoke_is_kept_from_the_dated_one(estate: Estate) -> None:
    if estate.plane.engine.is_mariadb:
        pytest.skip("MariaDB has no partial revokes")
    with estate.plane.admin("found") as admin:
        admin.execute("SET GLOBAL partial_revokes = ON")
        try:
            for statement in (
                "CREATE USER kept_out IDENTIFIED BY 'w'",
                "GRANT SELECT ON *.* TO kept_out",
                "REVOKE SELECT ON letting.* FROM kept_out",
                "DELETE FROM letting.contracts",
            ):
                admin.execute(statement)
            before = may(estate, "kept_out")
            choices = CopyChoices(tables=("letting",))
            plan = propose_copy_back(estate.copy, estate.source, proof=None, choices=choices, now=NOW)
            apply_copy_back(estate.copy, estate.source, plan, approve=plan.id)
            found = may(estate, "kept_out")
            assert found - of_ours(found) == before
            assert not [
                schema for what, schema, *_ in of_ours(found) if what == "read" and schema.startswith("letting")
            ]
            undo = propose_undo(estate.source)
            apply_undo(estate.source, undo, approve=undo.id)
            found = may(estate, "kept_out")
            assert not [
                schema for what, schema, *_ in of_ours(found) if what == "read" and schema.startswith("letting")
            ]
        finally:
            admin.execute("DROP USER IF EXISTS kept_out")
            admin.execute("SET GLOBAL partial_revokes = OFF")


def test_the_closest_row_counts_and_names_are_no_patterns() -> None:
    def held(schema: str, *rights: str) -> Grant:
        return Grant(kind="schema", schema=schema, name="", account="'a'@'%'", rights=frozenset(rights))

    def shut(*grants: Grant) -> tuple[Shut, ...]:
        return shut_out({"my_app_damaged": "my_app"}, replace(server("source"), grants=frozenset(grants)))

    assert shut(held("my\\_app", "SELECT")) == (), "a name reaches no other"
    assert shut(held("my_app", "SELECT")) == (), "nor does a pattern of the same length"
    assert shut(held("%", "SELECT")) == (), "what may be read everywhere may be read there"
    (narrower,) = shut(held("my%", "SELECT", "INSERT"), held("my\\_app", "INSERT"))
    assert narrower.statement == "GRANT INSERT ON `my\\_app\\_damaged`.* TO 'a'@'%'"
    (nothing,) = shut(held("my\\_app\\_d%", "SELECT"))
    assert nothing.statement == "GRANT SHOW VIEW ON `my\\_app\\_damaged`.* TO 'a'@'%'"
