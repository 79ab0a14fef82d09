"""A person restores the story's database in JupyterLab, in a real browser: as the pages say, and with mistakes."""

from __future__ import annotations

import json
import re
import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from runbook_lib import restore
from runbook_lib.clusters import describe_cluster
from runbook_lib.errors import RunbookError
from runbook_lib.mysql import Database
from runbook_lib.records.comparison import compare
from runbook_lib.records.orphans import close_all
from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_store
from runbook_lib.rehearsal.engines import choose_engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import iso, utc_now
from tests.browsing import LOOKS, OPTIONS, Reader, chromium, lab, make_project
from tests.conftest import QUICK, Told

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def incident(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Return the story on the first engine found: what is tried here is the same on each."""
    with (
        StandIn(choose_engine(""), folder=tmp_path_factory.mktemp("told"), pace=QUICK) as stand_in,
        stand_in.control.in_environment(),
    ):
        yield Told(stand_in, stand_in.tell_story())


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_project(tmp_path_factory.mktemp("project"))


@pytest.fixture(scope="module")
def opened(incident: Told, project: Path) -> Iterator[str]:
    with lab(project, environment=incident.stand_in.environment(), arguments=("--incident", "INC-1")) as address:
        yield address


@pytest.fixture
def index(opened: str, project: Path) -> str:
    """Return copies that nobody has touched yet, and a JupyterLab that forgets what was open."""
    folder = project / "lab" / secrets.token_hex(4)
    shutil.copytree(project / "notebooks", folder)
    return re.sub(r"/lab/tree/\S+\?", f"/lab/tree/lab/{folder.name}/index.ipynb?reset&", opened)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if not chromium():
        pytest.skip("No Chromium on this machine: on Debian, apt-get install chromium.")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)
        yield opened
        opened.close()


@pytest.fixture
def reader(browser: Any, request: pytest.FixtureRequest) -> Iterator[Reader]:
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    found = Reader(page, name=request.node.name.removeprefix("test_"))
    yield found
    found.picture("end")
    page.close()


TABLE = "staging.apartments"
LOCKED = "SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'LOCK TABLES%'"


def records(project: Path, notebook: str) -> list[Path]:
    return sorted((project / "records" / "INC-1").glob(f"*-{notebook}-*"))


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return found


@dataclass
class Truth:
    """What the servers hold of one table, to hold every record to. `copy` is the restored cluster's first name."""

    incident: Told
    project: Path
    copy: str
    damaged: dict[Any, tuple[Any, ...]] = field(init=False)
    restored: dict[Any, tuple[Any, ...]] = field(init=False)
    now: dict[Any, tuple[Any, ...]] = field(init=False)

    def __post_init__(self) -> None:
        self.damaged, self.restored = self.rows(self.incident.stand_in.cluster), self.rows(self.copy)
        assert self.damaged != self.restored
        self.now = self.damaged

    def admin(self, cluster: str) -> Database:
        return self.incident.stand_in.data.admin(describe_cluster(self.incident.session, cluster).resource_id)

    def rows(self, cluster: str) -> dict[Any, tuple[Any, ...]]:
        with self.admin(cluster) as database:
            return {row[0]: row for row in database.rows(f"SELECT * FROM {TABLE}")}

    def agrees(self, *outcomes: str) -> Mapping[str, Any]:
        """Hold the newest record of bring_back_data to the server that has the cluster's name; return the record."""
        record = manifest(records(self.project, "bring_back_data")[-1])
        assert record["outcome"] in outcomes
        given = record["parameters"]
        if record["outcome"] == "succeeded" and record["changed"]:
            self.now = self._wanted(given)
        else:
            assert not record["changed"]
        assert self.rows(self.incident.stand_in.cluster) == self.now, given
        return record

    def _wanted(self, given: Mapping[str, Any]) -> dict[Any, tuple[Any, ...]]:
        """Return what the choices of a record mean, by the rule as the notebook says it."""
        if given["way"] == "cutover":
            return self.restored
        if given["way"].startswith("undo"):
            return self.damaged
        assert (given["way"], given["tables"], given["rows"]) == ("copy", TABLE, "keep new")
        return self.damaged | self.restored if given["conflicts"] == "copy" else self.restored | self.damaged


def test_the_whole_way(reader: Reader, index: str, incident: Told, project: Path, tmp_path: Path) -> None:
    """From the index to the finished record, doing only what the pages say; a headless run of it is the same."""
    second = iso(incident.story.restore_point)
    reader.open(index)
    reader.picture("index")
    reader.follow("inspect_backups", title="Inspect backups")
    reader.run_to("lanes")
    reader.says("lanes", "the proposed second")
    reader.says("lanes", f'timestamp = "{second}"')
    reader.picture("picker")
    wrong_seconds(reader, incident)
    reader.picture("board")
    reader.button("Take it into restore_to_timestamp").click()

    reader.begin("Restore to a timestamp")
    assert f'timestamp: str = "{second}"  # ' in reader.source("parameters")
    reader.run_to("plan")
    reader.says("plan", "What the plan is")
    reader.picture("plan")
    reader.run_to("checks")
    reader.says("checks", "Nothing is approved")
    reader.picture("checks")
    is_in_sight(reader)
    button = reader.button("Approve plan")
    plan_id = button.inner_text().removeprefix("Approve plan ")
    button.click()
    reader.says("checks", f"This plan is approved ({plan_id})")
    assert f'approve: str = "{plan_id}"' in reader.source("parameters")
    reader.picture("approved")
    reader.goes_on_at("apply")
    reader.run_to("apply")
    reader.says("apply", "Applied plan")
    reader.picture("applied")
    reader.run_to("result")
    reader.says("result", "Done: ")
    reader.picture("verdict")
    reader.button("Go on: open bring_back_data").click()
    reader.begin("Bring the data back")
    copy = manifest(records(project, "restore_to_timestamp")[-1])["changed"][0]
    assert f'copy: str = "{copy}"' in reader.source("parameters")
    truth = Truth(incident, project, copy)
    bring_back_and_undo(reader, truth)
    cut_over_and_undo(reader, truth)
    clean_up(reader, truth)

    (restored,) = records(project, "restore_to_timestamp")
    ours = manifest(restored)
    assert (ours["outcome"], ours["mode"], ours["plan_id"]) == ("succeeded", "interactive", plan_id)
    assert {cell["state"] for cell in ours["cells"]} == {"completed"}
    cluster = incident.stand_in.cluster  # taken along from the notebook before
    assert ours["parameters"] == {"timestamp": second, "cluster": cluster, "approve": plan_id}
    assert verify_store(Store(project / "records")) == ()
    headless = run_notebook(
        project / "notebooks" / "restore_to_timestamp.ipynb",
        parameters=ours["parameters"],
        incident="INC-1",
        store=Store(tmp_path),  # where no earlier restore tells how long it takes
        environment=incident.stand_in.environment(),
        cwd=project,
    )
    assert headless.outcome == "succeeded"
    remove_copies(incident, manifest(headless.folder))
    first, other = (json.loads((path / "record.ipynb").read_bytes()) for path in (restored, headless.folder))
    assert compare(first, other) == ()


def wrong_seconds(reader: Reader, incident: Told) -> None:
    """Ask for a moment after the damage, one ahead and one in the damage, and then for the one that is proposed."""
    second = iso(incident.story.restore_point)
    reader.run_to("ways")
    reader.says("ways", "No way is recommended: choose a second before the damage")  # "latest" lies after it
    reader.says("ways", f"{second}, the second before, can still be restored")
    reader.picture("damaged")
    reader.type_into("lanes", "2199-01-01T00:00:00Z")
    reader.says("lanes", "it lies in the future")
    reader.type_into("lanes", iso(incident.story.wiped_from + timedelta(seconds=30)))
    reader.says("lanes", "the damage then: under way")
    reader.button("proposed").click()
    reader.button("Look at it from this second").click()
    reader.says("ways", "loses nothing before it (recommended)")
    reader.idle()
    assert f'timestamp: str = "{second}"' in reader.source("parameters")
    assert "Then the damage is" not in reader.output("ways")


def is_in_sight(reader: Reader) -> None:
    """See that the approve button is within the page whatever the width and the theme, and its words can be read."""
    for width, theme in LOOKS:
        reader.look(width, theme)
        button = reader.button("Approve plan")
        assert reader.comes_on_top(button), (width, theme)
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width, (width, theme)
        assert box["y"] + box["height"] <= 900, (width, theme)
        assert reader.contrast(button) >= 3, (width, theme)
        words = reader.notebook.get_by_text("This approves exactly that plan")
        assert reader.contrast(words) >= 4.5, (width, theme)
    reader.look(*LOOKS[0])


def mark_the_table(reader: Reader) -> None:
    """Mark the one table in the list of damaged ones."""
    listed = reader.notebook.locator("select[multiple]")
    lines = listed.locator("option").all_inner_texts()
    listed.select_option(index=next(number for number, line in enumerate(lines) if line.split()[0] == TABLE))


def approve(reader: Reader, name: str) -> str:
    """Type the cluster's name and press the button, as often as somebody does who is not sure; return the plan's id."""
    reader.notebook.locator(".runbook-approve input[type=text]").last.fill(name)
    button = reader.button("Approve plan")
    plan_id = str(button.inner_text().removeprefix("Approve plan "))
    button.dblclick()
    reader.says("checks", f"This plan is approved ({plan_id})")
    reader.goes_on_at("apply")
    return plan_id


def finish(reader: Reader) -> None:
    """Press the button that writes the record."""
    reader.button("Finish: write the record").click()
    reader.says("result", "The record is in ")
    reader.goes_on_at("result")


def bring_back_and_undo(reader: Reader, truth: Truth) -> None:
    """Mark a table, keep new rows, meet the conflict, decide it, approve, verify, undo by the words on the screen."""
    name = truth.incident.stand_in.cluster
    reader.run_to("proof")
    reader.picture("proof")
    mark_the_table(reader)
    reader.run_to("ways")
    reader.notebook.get_by_role("radio", name="copy tables back", exact=True).check()
    field = reader.notebook.locator(".runbook-ways input[type=text]")
    field.fill("keep new")
    field.press("Enter")
    reader.picture("ways")
    reader.button("Take this way").click()
    reader.goes_on_at("plan")
    assert f'tables: str = "{TABLE}"' in reader.source("parameters"), "what was marked is kept"
    assert 'rows: str = "keep new"' in reader.source("parameters")
    reader.run_to("plan")
    reader.picture("copy-plan")
    reader.run_to("checks")
    reader.says("checks", 'conflicts="copy" or conflicts="source"')
    assert reader.button("Approve plan").is_disabled()
    reader.picture("conflict")
    reader.notebook.locator(".runbook-ways select").select_option(label="take the damaged table's row")
    reader.button("Take this way").click()
    reader.run_to("checks")
    reader.says("checks", "decides.")
    plan_id = approve(reader, name)
    reader.picture("copy-approved")
    reader.run_to("result")
    reader.says("result", "Done: The copy back")
    reader.picture("brought-back")
    finish(reader)
    made = truth.agrees("succeeded")
    assert made["plan_id"] == plan_id
    chosen = {"way": "copy", "tables": TABLE, "rows": "keep new", "conflicts": "source"}
    assert {each: made["parameters"].get(each) for each in chosen} == chosen

    again_as_the_result_says(reader, way="undo copy")
    approve(reader, name)
    reader.run_to("result")
    reader.says("result", "Done: The undo of the copy back")
    reader.picture("undone")
    finish(reader)
    assert truth.agrees("succeeded")["parameters"]["way"] == "undo copy"


def again_as_the_result_says(reader: Reader, **given: str) -> None:
    """Type into the parameters what the result's first step says, and run again from the top, as far as the checks."""
    given = {**given, "approve": ""}
    said = re.findall(r'(\w+)="([^"]*)"', reader.output("result"))
    assert all((name, value) in said for name, value in given.items()), said
    reader.type_parameters(**given)
    reader.run_to("checks")
    reader.says("checks", "Nothing is approved")


def cut_over_and_undo(reader: Reader, truth: Truth) -> None:
    """Let the copy take the cluster's name, and give the name back, each by a plan of its own."""
    name, session = truth.incident.stand_in.cluster, truth.incident.session
    ids = {which: describe_cluster(session, which).resource_id for which in (name, truth.copy)}
    reader.type_parameters(way="compare", approve="")  # a record of its own, from the top
    reader.run_to("ways")
    reader.notebook.get_by_role("radio", name="cut over: the copy takes the name").check()
    reader.button("Take this way").click()
    reader.goes_on_at("plan")
    reader.run_to("plan")
    reader.picture("cut-over-plan")
    reader.run_to("checks")
    reader.picture("cut-over-checks")
    approve(reader, name)
    reader.run_to("result")
    reader.says("result", "Done: The cut-over")
    reader.picture("cut-over")
    assert reader.notebook.get_by_role("button", name="Go on: open clean_up_restores").count() == 0
    finish(reader)
    assert truth.agrees("succeeded")["parameters"]["way"] == "cutover"
    assert describe_cluster(session, name).resource_id == ids[truth.copy]

    again_as_the_result_says(reader, way="undo cutover")
    approve(reader, name)
    reader.run_to("result")
    reader.says("result", "Done: The undo of the cut-over")
    reader.picture("cut-over-undone")
    assert {which: describe_cluster(session, which).resource_id for which in ids} == ids


def clean_up(reader: Reader, truth: Truth) -> None:
    """Go on to the clean-up with the button, delete the copy, and nothing else."""
    reader.button("Go on: open clean_up_restores").click()
    reader.begin("Clean up restored copies")
    assert truth.agrees("succeeded")["parameters"]["way"] == "undo cutover", "written by the button"
    assert f'only: str = "{truth.copy}"' in reader.source("parameters")
    reader.run_to("plan")
    reader.says("plan", "--no-deletion-protection")  # the cut-over has protected it
    reader.picture("protected")
    rds(truth.incident).modify_db_cluster(
        DBClusterIdentifier=truth.copy, DeletionProtection=False, ApplyImmediately=True
    )
    until = time.monotonic() + 60
    while True:
        reader.go_to("copies")
        reader.run_to("plan")
        if "look again when it is available" not in reader.output("plan") or time.monotonic() > until:
            break  # it is modifying for a moment, and for another one AWS does not say so yet
    reader.says("plan", "delete 1 of 1 copies")
    reader.picture("clean-up")
    reader.button("Approve plan").dblclick()
    reader.says("plan", "This plan is approved")
    reader.run_to("result")
    reader.says("result", "Done: ")
    reader.picture("cleaned")
    finish(reader)
    made = manifest(records(truth.project, "clean_up_restores")[-1])
    assert (made["outcome"], made["changed"][0]) == ("succeeded", truth.copy)
    left = [cluster["DBClusterIdentifier"] for cluster in rds(truth.incident).describe_db_clusters()["DBClusters"]]
    assert truth.copy not in left
    assert truth.incident.stand_in.cluster in left


def remove_copies(incident: Told, made: dict[str, Any]) -> None:
    """Delete what a restore made, so that another one makes it anew."""
    plan = restore.propose_clean_up(incident.session, now=utc_now(), only=made["changed"][0], also_unexpired=True)
    assert restore.clean_up(incident.session, plan, approve=plan.id)


def rds(incident: Told) -> Any:
    return boto3.client("rds", region_name=incident.stand_in.control.region)


def test_the_way_with_mistakes(reader: Reader, index: str, incident: Told, project: Path) -> None:
    """A stale plan, typos, double clicks, restarts, cells out of order: each is said, none hurts."""
    reader.open(index)
    copy = restore_with_mistakes(reader, incident, project)
    truth = Truth(incident, project, copy)
    choices_with_mistakes(reader, truth)
    swap_with_mistakes(reader, truth)
    delete_what_an_undo_needs(reader, truth)
    assert verify_store(Store(project / "records")) == ()


def restore_with_mistakes(reader: Reader, incident: Told, project: Path) -> str:
    """Approve a plan that goes stale, restart the kernel, press on; return the copy's name."""
    second = iso(incident.story.restore_point)
    before = len(records(project, "restore_to_timestamp"))
    reader.follow("restore_to_timestamp", title="Restore to a timestamp")
    reader.type_parameters(timestamp=second)
    reader.run_to("checks")
    reader.button("Approve plan").click()
    reader.says("checks", "This plan is approved")
    # somebody changes the source: the approval is now of another plan
    window = {"PreferredBackupWindow": "03:00-03:30", "ApplyImmediately": True}
    rds(incident).modify_db_cluster(DBClusterIdentifier=incident.stand_in.cluster, **window)
    reader.restart_kernel()
    reader.go_to("parameters")
    reader.run_to("checks")
    reader.says("checks", "is not of this plan")
    reader.run_to("apply")
    reader.says("apply", "is not the id of this plan")
    reader.run_to("read-back")
    reader.says("read-back", "has not run, or has failed: it makes")
    reader.picture("stale")
    reader.go_to("parameters")
    reader.run_to("checks")
    reader.button("Approve plan").click()
    reader.says("checks", "This plan is approved")
    reader.run_to("result")
    reader.says("result", "Done: ")
    reader.button("Go on: open bring_back_data").click()
    reader.begin("Bring the data back")
    *cut_off, last = (manifest(folder) for folder in records(project, "restore_to_timestamp")[before:])
    assert [each["outcome"] for each in cut_off] == ["aborted"]
    assert "never-ran" in {cell["state"] for cell in cut_off[0]["cells"]}
    assert last["outcome"] == "succeeded"
    return str(last["changed"][0])


def choices_with_mistakes(reader: Reader, truth: Truth) -> None:
    """Run cells out of order, mistype a rule, change choices after the plan: nothing is applied, and each is said."""
    reader.run_to("proof")
    mark_the_table(reader)
    reader.go_to("apply")
    reader.run_to("apply")
    reader.says("apply", "has not run, or has failed: it makes `proposed`")
    reader.type_parameters(way="copy", rows="keepnew")
    reader.run_to("parameters")
    reader.go_to("ways")
    reader.run_to("ways")
    reader.says("ways", 'There is no rule "keepnew" for rows.')
    reader.says("ways", "Use one of: replace, keep new, newer wins.")
    reader.picture("typo")
    reader.type_parameters(rows="keep new", conflicts="copy")
    reader.run_to("checks")
    typed = reader.notebook.locator(".runbook-approve input[type=text]").last
    typed.fill(f"{truth.incident.stand_in.cluster}-2")
    assert reader.button("Approve plan").is_disabled(), "another name"
    typed.fill(truth.incident.stand_in.cluster)
    plan_id = reader.button("Approve plan").inner_text().removeprefix("Approve plan ")
    reader.type_parameters(rows="replace", conflicts="")  # and not run
    reader.button("Approve plan").click()
    reader.says("checks", "Not approved.")
    reader.goes_on_at("checks")
    reader.picture("not-run")
    reader.type_parameters(approve=plan_id)  # by hand then
    reader.run_to("parameters")
    reader.go_to("apply")
    reader.run_to("apply")
    reader.says("apply", "The choices have changed since this plan was made")
    reader.picture("changed-since")
    assert truth.rows(truth.incident.stand_in.cluster) == truth.damaged
    reader.type_parameters(rows="keep new", conflicts="copy", approve="")
    reader.run_to("result")
    reader.says("result", "is planned")
    finish(reader)
    truth.agrees("planned")


def swap_with_mistakes(reader: Reader, truth: Truth) -> None:
    """Restart the kernel while the swap waits, load the page again, press everything twice, go back a cell."""
    name = truth.incident.stand_in.cluster
    reader.go_to("checks")
    reader.run_to("checks")
    approve(reader, name)
    with truth.admin(name) as watcher, truth.admin(name) as other:
        other.execute("BEGIN")
        other.rows(f"SELECT * FROM {TABLE} LIMIT 1")  # somebody reads, and the swap has to wait for it
        reader.goes_on_at("apply")
        reader.page.keyboard.press("Shift+Enter")
        until = time.monotonic() + 60
        while not watcher.value(LOCKED) and time.monotonic() < until:
            time.sleep(0.1)
        assert watcher.value(LOCKED), "it is in the middle of the swap"
        reader.picture("swapping")
        reader.restart_kernel()
        other.execute("ROLLBACK")
    sealed(truth.project)
    truth.agrees("failed", "aborted")
    reader.go_to("result")
    reader.run_to("result")
    reader.says("result", "has not run, or has failed: it makes")
    reader.go_to("parameters")
    reader.run_to("checks")
    reader.says("checks", "This plan is approved")
    reader.picture("taken-up")
    reader.reload("Bring the data back")
    reader.go_to("apply")
    reader.run_to("result")
    reader.says("result", "Done: The copy back")
    reader.go_to("apply")
    reader.run_to("apply")
    reader.says("apply", "Nothing was done a second time")
    reader.picture("twice")
    reader.run_to("result")
    reader.says("result", "Done: The copy back")
    reader.button("Finish: write the record").dblclick()
    reader.says("result", "The record is in ")
    truth.agrees("succeeded")


def sealed(project: Path) -> None:
    """Wait for the record of a kernel that was restarted; one that had no time to write its end is given it."""
    until = time.monotonic() + 30
    while not (records(project, "bring_back_data")[-1] / "manifest.json").exists():
        if time.monotonic() > until:
            assert close_all(Store(project / "records"))
        time.sleep(0.2)


def delete_what_an_undo_needs(reader: Reader, truth: Truth) -> None:
    """Delete the copy although an undo needs it, which is said before and after; then ask for that undo."""
    reader.button("Go on: open clean_up_restores").click()
    reader.begin("Clean up restored copies")
    reader.run_to("plan")
    reader.says("plan", "What cannot be done any more without them")
    reader.picture("needed")
    reader.button("Approve plan").click()
    reader.says("plan", "This plan is approved")
    reader.run_to("result")
    reader.says("result", "lost with them")
    reader.picture("lost")
    finish(reader)
    with pytest.raises(RunbookError):
        describe_cluster(truth.incident.session, truth.copy)
    reader.page.locator(".lm-TabBar-tab", has_text="bring_back_data").click()
    reader.begin("Bring the data back")
    reader.type_parameters(way="undo copy")
    reader.run_to("clusters")
    reader.says("clusters", "could be undone here until then")
    reader.picture("no-undo")
