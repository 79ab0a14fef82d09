"""What README.md and the pages of docs/ tell a person to type, set or expect exists in the code."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from packaging.requirements import Requirement

from runbook_lib import errors
from runbook_lib.aws import calls
from runbook_lib.aws.metrics import GET_METRIC_DATA
from runbook_lib.backups import DESCRIBE_AUTOMATED_BACKUPS, DESCRIBE_SNAPSHOTS, LIST_RECOVERY_POINTS
from runbook_lib.cli import cli
from runbook_lib.clusters import DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES
from runbook_lib.databases import GET_SECRET
from runbook_lib.timeline.aws_facts import DESCRIBE_EVENTS, GET_JOB_RUNS, LIST_JOBS

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
PAGES = {path: path.read_text() for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))}
TEXT = "\n".join(PAGES.values())
CODE = "\n".join(re.findall(r"```(?:\w*)\n(.*?)```", TEXT, re.DOTALL) + re.findall(r"`([^`\n]+)`", TEXT))


def section(title: str) -> str:
    return re.split(r"\n#+ ", TEXT.split(f"# {title}\n", 1)[1])[0]


def test_the_first_command_on_a_real_account_stands_within_the_first_sixty_lines() -> None:
    beginning = "\n".join(README.splitlines()[:60])
    assert "runbook run notebooks/inspect_backups.ipynb -f parameters/production.yml" in beginning
    assert len(README.splitlines()) <= 150, "what is longer belongs into docs/"


def test_every_make_command_exists_and_is_explained_by_make_help() -> None:
    targets = set(re.findall(r"^([a-z]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"(?:^|&& )make ([a-z]+)", CODE, re.MULTILINE))
    assert named
    assert named <= targets


@pytest.mark.parametrize(
    "line",
    sorted(set(re.findall(r"runbook ((?:run|rehearse|records|parameters|lab|policy|proof|dump)\b[^\n`]*)", CODE))),
)
def test_every_runbook_command_has_the_options_shown(line: str) -> None:
    words = line.partition("#")[0].split()
    command: click.Command = cli
    context = click.Context(cli)
    while isinstance(command, click.Group) and words:
        found = command.get_command(context, words.pop(0))
        assert found is not None, line
        command = found
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word for word in words if word.startswith("-")} <= options


def test_every_file_named_exists() -> None:
    named = set(re.findall(r"\b((?:notebooks|parameters)/[\w./-]+|[\w-]+\.(?:txt|toml|yml))", CODE))
    assert "notebooks/inspect_backups.ipynb" in named
    missing = {name for name in named if not (ROOT / name).is_file()}
    copied = {"parameters/production.yml", "parameters/bring_back.yml", "production.yml", "drill.yml"}
    assert missing == copied, "which the reader makes"


def test_the_wheel_named_is_the_one_that_is_built() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert f"{project['name'].replace('-', '_')}-{project['version']}-py3-none-any.whl" in README


def test_every_notebook_is_in_the_table_and_says_the_same_about_changing_things() -> None:
    rows = dict(re.findall(r"^\| `(\w+)` \|.*\| ([^|]+) \|$", README, re.MULTILINE))
    assert set(rows) == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    for name, answer in rows.items():
        cells = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text())["cells"]
        only_reads = "**Changes anything?** | no, it only reads" in "".join(cells[0]["source"])
        assert (answer == "no") == only_reads, name


def test_the_parameters_shown_are_parameters_of_that_notebook() -> None:
    shown = re.findall(r"notebooks/(\w+)\.ipynb(.*)", CODE)
    assert shown
    for name, rest in shown:
        source = (ROOT / "notebooks" / f"{name}.ipynb").read_text()
        for parameter in re.findall(r"-p (\w+)", rest):
            assert f'"{parameter}: ' in source, f"{name} has no parameter {parameter}"


def test_the_exit_codes_are_those_of_the_errors() -> None:
    documented = {int(code) for code in re.findall(r"^\| (\d) \|", section("Exit codes"), re.MULTILINE)}
    assert documented == {0} | {error.exit_code for error in _errors(errors.RunbookError)}


def _errors(root: type[errors.RunbookError]) -> Iterator[type[errors.RunbookError]]:
    yield root
    for child in root.__subclasses__():
        if child.__module__ == errors.__name__:
            yield from _errors(child)


def test_the_policy_shown_allows_what_inspect_backups_calls_and_nothing_that_changes() -> None:
    (policy,) = re.findall(r"```json\n(.*?)```", section("Read-only first"), re.DOTALL)
    allowed = {action for statement in json.loads(policy)["Statement"] for action in statement["Action"]}
    reads = (
        *(DESCRIBE_CLUSTERS, DESCRIBE_INSTANCES, DESCRIBE_SNAPSHOTS, DESCRIBE_AUTOMATED_BACKUPS, LIST_RECOVERY_POINTS),
        *(DESCRIBE_EVENTS, GET_METRIC_DATA, GET_JOB_RUNS, LIST_JOBS, GET_SECRET),
    )
    assert allowed == {action for call in reads for action in call.permissions}
    assert not allowed & {action for call in calls.declared() if call.mutates for action in call.permissions}


def test_every_environment_variable_named_is_read_by_the_library() -> None:
    named = set(re.findall(r"\bRUNBOOK_[A-Z_]+", TEXT))
    sources = "\n".join(path.read_text() for path in (ROOT / "runbook_lib").rglob("*.py"))
    assert named
    assert {name for name in named if f'"{name}"' not in sources} == set()


def test_every_dependency_is_named_with_its_purpose() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = section("Dependencies, and what each is for")
    table = {name for row in re.findall(r"^\| ([a-z0-9, .-]+) \|", told, re.MULTILINE) for name in row.split(", ")}
    assert table - {"package"} == {Requirement(text).name for text in project["dependencies"]}
    prose = told.rpartition("The extra `rehearsal`")[2]
    for text in project["optional-dependencies"]["dev"] + project["optional-dependencies"]["rehearsal"]:
        assert re.search(rf"(?<![\w-]){re.escape(Requirement(text).name)}(?![\w-])", prose), text


def test_every_picture_is_there_small_and_made_by_make_pictures() -> None:
    maker = (ROOT / "scripts" / "pictures").read_text()
    shown = set()
    for page, text in PAGES.items():
        pictures = re.findall(r"!\[[^\]]{20,}\]\(([\w/-]+\.png)\)", text)
        assert len(pictures) == text.count("!["), "each has words for those who do not see it"
        for picture in pictures:
            assert 0 < (page.parent / picture).stat().st_size <= 200_000, picture
            assert f'"{Path(picture).name}"' in maker, picture
            shown.add(Path(picture).name)
    assert {path.name for path in (ROOT / "docs").glob("*.png")} - shown <= {"restore-window.png"}


def test_every_message_explained_is_one_that_the_library_gives() -> None:
    sources = "\n".join(path.read_text() for path in (ROOT / "runbook_lib").rglob("*.py"))
    messages = re.findall(r"^\| `([^`]+)` \|", section("Troubleshooting, by message"), re.MULTILINE)
    assert messages
    for message in messages:
        for part in message.split("…"):
            words = part.strip(' "')
            assert words in sources, words


def test_every_page_linked_is_there() -> None:
    for page in [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")]:
        for link in re.findall(r"(?<!!)\[[^\]]+\]\((?!https?:)([^)#]+)", page.read_text()):
            assert (page.parent / link).is_file(), f"{page.name}: {link}"


def test_every_place_on_the_map_is_there() -> None:
    places = set(re.findall(r"`([\w/]+(?:\.py|/))`", (ROOT / "ARCHITECTURE.md").read_text()))
    files = [path.as_posix() for path in (ROOT / "runbook_lib").rglob("*") if "__pycache__" not in path.parts]
    files += [path.as_posix() for folder in ("scripts", "tests") for path in (ROOT / folder).iterdir()]
    known = {*files, *(f"{path}/" for path in files), *(f"/{path.name}/" for path in ROOT.iterdir())}
    assert len(places) > 40
    assert {place for place in places if not any(path.endswith(f"/{place}") for path in known)} == set()
