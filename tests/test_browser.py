"""A person restores the story's database in JupyterLab, in a real browser: as the pages say, and with mistakes."""

from __future__ import annotations

import json
import re
import secrets
import shutil
from collections.abc import Iterator
from datetime import timedelta
from itertools import product
from pathlib import Path
from typing import Any

import boto3
import pytest

from runbook_lib import restore
from runbook_lib.records.comparison import compare
from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_store
from runbook_lib.rehearsal.engines import choose_engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import iso, utc_now
from tests.browsing import OPTIONS, Reader, chromium, lab, make_project
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


def records(project: Path, notebook: str) -> list[Path]:
    return sorted((project / "records" / "INC-1").glob(f"*-{notebook}-*"))


def manifest(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_bytes())
    return found


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
    reader.run_to("ways")
    reader.says("ways", "(recommended)")
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
    bring_back_and_undo(reader, incident, project)

    (restored,) = records(project, "restore_to_timestamp")
    ours = manifest(restored)
    assert (ours["outcome"], ours["mode"], ours["plan_id"]) == ("succeeded", "interactive", plan_id)
    assert {cell["state"] for cell in ours["cells"]} == {"completed"}
    cluster = incident.stand_in.cluster  # taken along from the notebook before
    assert ours["parameters"] == {"timestamp": second, "cluster": cluster, "approve": plan_id}
    assert verify_store(Store(project / "records")) == ()
    remove_copies(incident, ours)
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
    # open: one line of progress under the apply differs between the two; everything else is the same
    assert [one.where for one in compare(first, other) if not one.where.startswith("cell 11 (Apply")] == []


def bring_back_and_undo(reader: Reader, incident: Told, project: Path) -> None:
    """Mark a table, keep new rows, meet the conflict, decide it, approve, verify, undo by the words on the screen."""
    reader.run_to("proof")
    reader.picture("proof")
    listed = reader.notebook.locator("select[multiple]")
    lines = listed.locator("option").all_inner_texts()
    at = next(number for number, line in enumerate(lines) if line.split()[0] == "staging.apartments")
    listed.select_option(index=at)
    reader.run_to("ways")
    reader.notebook.get_by_role("radio", name="copy tables back", exact=True).check()
    field = reader.notebook.locator(".runbook-ways input[type=text]")
    field.fill("keep new")
    field.press("Enter")
    reader.button("Take this way").click()
    reader.goes_on_at("plan")
    assert 'tables: str = "staging.apartments"' in reader.source("parameters"), "what was marked is kept"
    assert 'rows: str = "keep new"' in reader.source("parameters")
    reader.run_to("checks")
    reader.says("checks", 'conflicts="copy" or conflicts="source"')
    assert reader.button("Approve plan").is_disabled()
    reader.picture("conflict")
    reader.notebook.locator(".runbook-ways select").select_option(label="take the damaged table's row")
    reader.button("Take this way").click()
    reader.run_to("checks")
    reader.says("checks", "decides.")
    reader.notebook.locator(".runbook-approve input[type=text]").last.fill(incident.stand_in.cluster)
    button = reader.button("Approve plan")
    plan_id = button.inner_text().removeprefix("Approve plan ")
    button.click()
    reader.says("checks", f"This plan is approved ({plan_id})")
    reader.run_to("result")
    reader.says("result", "Done: The copy back")
    reader.picture("brought-back")
    reader.button("Finish: write the record").click()
    reader.says("result", "The record is in ")
    made = manifest(records(project, "bring_back_data")[-1])
    assert (made["outcome"], made["plan_id"]) == ("succeeded", plan_id)
    chosen = {"way": "copy", "tables": "staging.apartments", "rows": "keep new", "conflicts": "source"}
    assert {name: made["parameters"].get(name) for name in chosen} == chosen

    reader.go_to("ways")
    reader.run_to("ways")
    reader.notebook.get_by_role("radio", name="undo the newest copy back").check()
    reader.button("Take this way").click()
    reader.goes_on_at("plan")
    reader.go_to("parameters")
    reader.run_to("checks")
    reader.notebook.locator(".runbook-approve input[type=text]").last.fill(incident.stand_in.cluster)
    reader.button("Approve plan").click()
    reader.says("checks", "This plan is approved")
    reader.run_to("result")
    reader.says("result", "The undo of the copy back")
    reader.button("Finish: write the record").click()
    reader.says("result", "The record is in ")
    reader.picture("undone")
    undone = manifest(records(project, "bring_back_data")[-1])
    assert (undone["outcome"], undone["parameters"]["way"]) == ("succeeded", "undo copy")


def remove_copies(incident: Told, made: dict[str, Any]) -> None:
    """Delete what a restore made, so that another one makes it anew."""
    plan = restore.propose_clean_up(incident.session, now=utc_now(), only=made["changed"][0], also_unexpired=True)
    assert restore.clean_up(incident.session, plan, approve=plan.id)


@pytest.mark.skip(reason="open: the words about a second in the damage have moved; the way is to be walked anew")
def test_the_way_with_mistakes(reader: Reader, index: str, incident: Told, project: Path) -> None:
    """A second ahead, one in the damage, a plan that went stale, a restarted kernel: each is said, none hurts."""
    second = iso(incident.story.restore_point)
    before = len(records(project, "restore_to_timestamp"))
    reader.open(index)
    reader.follow("inspect_backups", title="Inspect backups")
    reader.run_to("ways")
    reader.says("ways", "No way is recommended: they lead to damaged data")  # "latest" lies after it
    reader.type_into("lanes", "2199-01-01T00:00:00Z")
    reader.says("lanes", "it lies in the future")
    reader.type_into("lanes", iso(incident.story.wiped_from + timedelta(seconds=30)))
    reader.says("lanes", "under way")
    reader.picture("wrong-second")
    reader.button("proposed").click()
    reader.button("Look at it from this second").click()
    reader.says("ways", second)
    assert f'timestamp: str = "{second}"' in reader.source("parameters")
    reader.says("ways", "loses nothing before it (recommended)")
    reader.idle()
    assert "Then the damage is" not in reader.output("ways")
    reader.button("Choose this way").click()

    reader.begin("Restore to a timestamp")
    assert f'timestamp: str = "{second}"' in reader.source("parameters")
    reader.run_to("checks")
    reader.button("Approve plan").click()
    reader.says("checks", "This plan is approved")
    modify(
        incident, PreferredBackupWindow="03:00-03:30"
    )  # somebody changes the source: the approval is now of another plan
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
    reader.button("Finish: write the record").click()
    reader.says("result", "The record is in ")

    *cut_off, last = (manifest(folder) for folder in records(project, "restore_to_timestamp")[before:])
    assert [one["outcome"] for one in cut_off] == ["aborted"]
    assert "never-ran" in {cell["state"] for cell in cut_off[0]["cells"]}
    assert last["outcome"] == "succeeded"
    assert verify_store(Store(project / "records")) == ()
    remove_copies(incident, last)


def modify(incident: Told, **settings: Any) -> None:
    rds = boto3.client("rds", region_name=incident.stand_in.control.region)
    rds.modify_db_cluster(DBClusterIdentifier=incident.stand_in.cluster, ApplyImmediately=True, **settings)


def test_the_approve_button_is_in_sight(reader: Reader, index: str) -> None:
    """Whatever the width and the theme, it is within the page, nothing lies over it, and its words can be read."""
    reader.open(index)
    reader.follow("restore_to_timestamp", title="Restore to a timestamp")
    reader.run_to("checks")
    for width, theme in product((1280, 900), ("JupyterLab Light", "JupyterLab Dark")):
        reader.page.set_viewport_size({"width": width, "height": 900})
        reader.theme(theme)
        button = reader.button("Approve plan")
        button.scroll_into_view_if_needed()
        reader.picture(f"{width}-{theme.split()[1].lower()}")
        box = button.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width, (width, theme)
        assert box["y"] + box["height"] <= 900, (width, theme)
        assert reader.is_on_top(button), (width, theme)
        assert reader.contrast(button) >= 3, (width, theme)
        words = reader.notebook.get_by_text("This approves exactly that plan")
        assert reader.contrast(words) >= 4.5, (width, theme)
