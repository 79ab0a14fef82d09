"""The notebooks stepped through as they stand: what could not be brought back is red, and every hint does what it says.

A hint is typed into the parameters of the notebook it names, as it is written and with nothing else, and that
notebook is run from its top.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import boto3
import pytest

from runbook_lib.clusters import describe_cluster
from runbook_lib.display.interactive.shown import Shown
from runbook_lib.display.result import Result
from runbook_lib.errors import NotFound
from runbook_lib.runbook import connect
from tests.hints import held_to_the_notebooks, offered_by
from tests.small_world import COPY_ROWS, DAMAGED_ROWS, World, small_world
from tests.stepping import Stepped, manifests

pytestmark = pytest.mark.xdist_group("bringback-notebook")

VIEW = "CREATE VIEW shop.names AS SELECT name FROM shop.items"
TRIGGER = (
    "CREATE TRIGGER shop.noted AFTER INSERT ON shop.orders FOR EACH ROW"
    " INSERT INTO shop.notes VALUES (NEW.id + 100, 'ordered')"
)
KEY = "CONSTRAINT of_item FOREIGN KEY (item) REFERENCES shop.items (id)"
GRANT = "GRANT EXECUTE ON FUNCTION shop.twice TO clerk@'%'"
REVOKE = "REVOKE EXECUTE ON FUNCTION shop.twice FROM clerk@'%'"
LABELS = "CREATE TABLE shop.labels (id INT PRIMARY KEY, label VARCHAR(9) NOT NULL, UNIQUE KEY by_label (label))"
CLERK = "CREATE USER IF NOT EXISTS clerk@'%' IDENTIFIED BY 'w'"
MORE = (
    f"CREATE TABLE shop.orders (id INT AUTO_INCREMENT PRIMARY KEY, item INT NOT NULL, {KEY}) AUTO_INCREMENT=40",
    LABELS,
    "INSERT INTO shop.labels VALUES (1, 'a'), (2, 'b')",
    VIEW,
    TRIGGER,
    "CREATE FUNCTION shop.twice(n INT) RETURNS INT DETERMINISTIC RETURN n * 2",
    CLERK,
    GRANT,
)
SOME_RIGHTS = ("GRANT ALL ON `shop%`.* TO few@'%'", "GRANT ALL ON `runbook%`.* TO few@'%'")
# what is taken away after the copy back, by the words it is named with; and what puts it right again
BROKEN = {
    "view shop.names": ("DROP VIEW shop.names", VIEW),
    "trigger shop.noted": ("DROP TRIGGER shop.noted", TRIGGER),
    "foreign key of_item of shop.orders": (
        "ALTER TABLE shop.orders DROP FOREIGN KEY of_item",
        f"ALTER TABLE shop.orders ADD {KEY}",
    ),
    "right GRANT EXECUTE ON FUNCTION `shop`.`twice`": (
        GRANT.replace("GRANT", "REVOKE").replace(" TO ", " FROM "),
        GRANT,
    ),
    "AUTO_INCREMENT of shop.orders": (
        "ALTER TABLE shop.orders AUTO_INCREMENT = 1",
        "ALTER TABLE shop.orders AUTO_INCREMENT = 40",
    ),
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    with small_world(tmp_path_factory.mktemp("notebook"), more=MORE) as made:
        made.make_copy()
        made.run(CLERK)
        yield made


@pytest.fixture
def records(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Damage the source as before, and return where this test's records go."""
    monkeypatch.setenv("RUNBOOK_RECORDS", str(tmp_path / "records"))
    world.damage()
    return tmp_path / "records"


def stepped(records: Path, notebook: str = "bring_back_data", **typed: str) -> Stepped:
    return Stepped(notebook, records.parent / f"{notebook}-{len(list(records.parent.iterdir()))}", **typed)


def run_from(page: Stepped, cell: str) -> Result:
    """Run a cell and all below it; return the result, which the last one shows."""
    for name in page.code[page.code.index(cell) :]:
        page.run(name)
        assert name not in page.errors, page.texts[name]
    shown = page.shown["result"]
    found = shown.value if isinstance(shown, Shown) else shown
    assert isinstance(found, Result)
    held_to_the_notebooks(found)
    return found


def follow(page: Stepped, result: Result, beginning: str, *, choice: int = 0) -> tuple[Stepped, Result]:
    """Do what the step of a result that begins so says: in this notebook, or in the one that it names."""
    (step,) = [step for step in result.next if step.startswith(beginning)]
    given = offered_by(step)[choice]
    assert given, step
    named = [name for name in ("audit_schemas", "clean_up_restores", "bring_back_data") if name in step]
    if named and named[0] != result.notebook:
        page.stop()
        page = stepped(page.path.parents[1] / "records", named[0])
    page.type(**given)
    return page, run_from(page, "parameters")


def checks_of(page: Stepped) -> dict[str, tuple[str, str, str]]:
    """Return what the checks cell shows: by subject the state, what was found, and what to do."""
    assert "checks" in page.shown, page.errors
    shown = page.shown["checks"].value.tables[0]
    return {row[1]: (row[0], row[2], row[3]) for row in shown.rows}


@pytest.mark.thorough
def test_each_thing_that_is_not_as_planned_turns_the_result_red_with_its_name(world: World, records: Path) -> None:
    page = stepped(records, cluster="prod", copy="prod-copy", way="copy", rows="keep new", conflicts="copy")
    page.run_to("checks")
    assert page.approve(touches="prod")
    result = run_from(page, "apply")
    assert result.outcome == "succeeded", result
    world.run("INSERT INTO shop.items VALUES (50, 'since')", "UPDATE shop.items SET name = 'newer' WHERE id = 3")
    result = run_from(page, "verify")
    assert result.outcome == "succeeded", "applications may write"
    assert "shop.items" in result.facts["written since, by applications"]
    for name, (broken, mended) in BROKEN.items():
        world.run(broken)
        result = run_from(page, "verify")
        assert (result.outcome, len(result.facts["NOT as planned"].splitlines())) == ("check-failed", 1), name
        assert name in result.headline
        world.run(mended)
    world.run(BROKEN["view shop.names"][0])
    run_from(page, "verify")
    page.finish()
    record = manifests(records)[-1]
    assert (record["outcome"], record["exit_code"]) == ("failed", 3)
    assert "view shop.names" in record["headline"]
    page.stop()


@pytest.mark.thorough
def test_what_the_damaged_server_refuses_to_make_is_red_too(world: World, records: Path) -> None:
    with world.source("prod-copy") as database:
        database.execute("CREATE DATABASE shop_else")
        database.execute("CREATE FUNCTION shop_else.thrice(n INT) RETURNS INT DETERMINISTIC RETURN n * 3")
        database.execute("CREATE VIEW shop.threefold AS SELECT shop_else.thrice(id) AS id FROM shop.items")
    try:
        page = stepped(records, cluster="prod", copy="prod-copy", way="copy", tables="shop")
        page.run_to("checks")
        assert page.approve(touches="prod")
        result = run_from(page, "apply")
        assert result.outcome == "check-failed"
        assert "view shop.threefold" in result.facts["NOT as planned"]
        assert world.items() == COPY_ROWS
        page.stop()
    finally:
        with world.source("prod-copy") as database:
            database.execute("DROP VIEW shop.threefold")
            database.execute("DROP DATABASE shop_else")


@pytest.mark.thorough
def test_a_unique_value_that_two_rows_have_is_foreseen_with_the_choice_as_it_is_typed(
    world: World, records: Path
) -> None:
    world.run(
        *[line for line in MORE if "shop.labels (id" in line], "INSERT INTO shop.labels VALUES (7, 'b'), (1, 'a')"
    )
    page = stepped(records, cluster="prod", copy="prod-copy", way="copy", tables="shop.labels", rows="keep new")
    page.run_to("checks")
    state, sentence, said = checks_of(page)["unique values that both sides have"]
    assert (state, "shop.labels: 1 rows (label)" in sentence) == ("STOP", True)
    assert not page.approve(touches="prod"), "a STOP keeps the button closed"
    for choice in offered_by(said.replace(" or ", ", or ")):
        page.type(**choice)
        page.run_to("checks")
        assert page.button("checks", "Approve plan").disabled is True  # until the name is typed
        assert page.approve(touches="prod"), choice
    page.stop()


@pytest.mark.release
def test_a_swap_that_was_cut_off_goes_on_with_the_same_choices_and_with_no_others(
    world: World, records: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should know them as they were chosen: a lost table that a key ties to a chosen one comes along unasked."""
    asked = {"way": "copy", "tables": "shop.items", "rows": "keep new", "conflicts": "source"}
    page = stepped(records, cluster="prod", copy="prod-copy", **asked)
    page.run_to("checks")
    facts = dict(page.shown["plan"].tables[0].rows)
    assert "shop.items" in facts["tables brought back"]
    assert "shop.orders" in facts["lost tables that foreign keys tie to them: they come back too"]
    assert page.approve(touches="prod")
    with monkeypatch.context() as cut:
        cut.setattr("runbook_lib.bringback.copy.apply.do_swap", _cut_off)
        page.run("apply")
        assert isinstance(page.errors["apply"], KeyboardInterrupt)
    assert world.items() == DAMAGED_ROWS
    page.start()  # the kernel
    page.type(rows="replace")
    text = page.run_to("plan")
    assert 'tables="shop.items", rows="keep new", conflicts="source"' in page.errors["plan"].hint, text
    page.type(rows="keep new")
    result = run_from(page, "parameters")
    assert (result.outcome, world.items()) == ("succeeded", COPY_ROWS | DAMAGED_ROWS)
    assert "table shop.orders" in result.changed
    page.stop()


def _cut_off(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


@pytest.mark.thorough
def test_what_the_account_may_not_look_at_is_unknown_and_says_what_is_missing(world: World, records: Path) -> None:
    account = {"username": "few", "password": "few-of-7"}
    keeper = boto3.client("secretsmanager", region_name="ap-northeast-1")
    keeper.create_secret(Name="few-rights", SecretString=json.dumps(account))
    world.run(f"CREATE USER few@'%' IDENTIFIED BY '{account['password']}'", *SOME_RIGHTS)
    asked = {"way": "copy", "rows": "keep new", "conflicts": "copy"}
    page = stepped(records, cluster="prod", copy="prod-copy", secret="few-rights", **asked)
    page.run_to("checks")
    lines = checks_of(page)
    for subject, missing in (
        ("connections to the damaged server", "PROCESS"),
        ("definers", "mysql.user"),
        ("rights of other accounts", "rights that went with lost routines are not given again"),
    ):
        state, sentence, _ = lines[subject]
        assert state == "unknown", subject
        assert missing in sentence
    page.stop()


@pytest.mark.release
def test_every_hint_of_a_copy_back_its_undo_and_the_drop_does_what_it_says(world: World, records: Path) -> None:
    page = stepped(records, cluster="prod", copy="prod-copy")
    result = run_from(page, "parameters")
    page, result = follow(page, result, "Choose a way")
    assert result.outcome == "planned"
    page, result = follow(page, result, "Approve it")
    assert (result.outcome, world.items()) == ("succeeded", COPY_ROWS)
    page, result = follow(page, result, "To undo it")
    assert result.outcome == "planned"
    page, result = follow(page, result, "Approve it")
    assert (result.outcome, world.items()) == ("succeeded", DAMAGED_ROWS)
    page, result = follow(page, result, "To bring it back again")
    page, result = follow(page, result, "Approve it")
    assert (result.outcome, world.items()) == ("succeeded", COPY_ROWS)
    copied = result
    page, result = follow(page, result, "To drop what is set aside")
    assert result.plan_id
    page, result = follow(page, result, "To drop shop_damaged_")
    assert "was dropped" in result.headline
    page.stop()
    page = stepped(records, cluster="prod", copy="prod-copy")
    page.type(**offered_by(next(step for step in copied.next if step.startswith("To undo it")))[0])
    text = page.run_to("plan")
    assert "cannot be undone any more" in text
    assert "until" in text
    page.stop()


@pytest.mark.release
@pytest.mark.thorough
def test_every_hint_of_a_cut_over_its_undo_and_the_clean_up_does_what_it_says(world: World, records: Path) -> None:
    session = connect()
    ids = {name: describe_cluster(session, name).resource_id for name in ("prod", "prod-copy")}
    page = stepped(records, cluster="prod", copy="prod-copy")
    result = run_from(page, "parameters")
    page, result = follow(page, result, "Choose a way", choice=1)
    assert result.outcome == "planned"
    page, result = follow(page, result, "Approve it")
    assert result.outcome == "succeeded", result
    assert describe_cluster(session, "prod").resource_id == ids["prod-copy"]
    assert not [step for step in result.next if "clean_up" in step], "the copy has the name now"
    page, result = follow(page, result, "To undo it")
    page, result = follow(page, result, "Approve it")
    assert result.outcome == "succeeded", result
    assert {name: describe_cluster(session, name).resource_id for name in ids} == ids
    page, result = follow(page, result, "To delete the copy")
    (command,) = re.findall(r"`(aws rds modify-db-cluster [^`]+ --no-deletion-protection [^`]+)`", result.next[-1])
    assert "--db-cluster-identifier prod-copy " in command, "the cut-over has protected it"
    world.rds.modify_db_cluster(DBClusterIdentifier="prod-copy", DeletionProtection=False, ApplyImmediately=True)
    page, result = follow(page, result, "prod-copy is protected")
    page, result = follow(page, result, "Approve it")
    assert result.outcome == "succeeded", result
    with pytest.raises(NotFound):
        describe_cluster(session, "prod-copy")
    page.stop()
    page = stepped(records, "restore_to_timestamp", cluster="prod", target="prod-copy")
    result = run_from(page, "parameters")
    page, result = follow(page, result, "Approve it")
    assert result.changed[0] == "prod-copy"
    page, result = follow(page, result, "Bring the data back")
    assert (result.notebook, result.cluster, result.outcome) == ("bring_back_data", "prod", "succeeded")
    page.stop()
