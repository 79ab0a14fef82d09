"""Parameters are what the notebook's cell says they may be, before anything starts."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from runbook_lib import runbook
from runbook_lib.errors import InputRefused
from runbook_lib.records.parameter_file import read_parameter_file
from runbook_lib.records.parameters import Written, check_parameters, read_parameters
from runbook_lib.records.run import notebook_parameters
from tests.records_support import run_cli, write_notebook

CELL = """\
# what the incident is about
timestamp: str = "latest"  # a moment with its zone
account: str = ""  # twelve digits
days: int = 7  # how far back
share: float = 0.5
apply: bool = False
kind: Literal["plan", "apply"] = "plan"
snapshot: str | None = None  # instead of a time
schemas: list[str] = ["staging", "silver"]
groups: dict[str, int] = {}
"""


def notebook(source: str = CELL, *, tag: str = "parameters") -> dict[str, Any]:
    return {"cells": [{"cell_type": "code", "source": source, "metadata": {"tags": [tag]}}]}


def check(source: str = CELL, **given: Any) -> dict[str, Any]:
    return check_parameters(read_parameters(notebook(source), name="n.ipynb"), given, name="n.ipynb")


@pytest.mark.parametrize("path", sorted(Path("notebooks").glob("*.ipynb")), ids=lambda path: path.stem)
def test_one_parameter_file_serves_every_notebook(path: Path) -> None:
    """The person's profile and zone are taken by a notebook whose cell has no room for them, and by its start."""
    given = read_parameter_file(Path("parameters/production.example.yml"))
    cluster = {"cluster"} & {parameter.name for parameter in notebook_parameters(path)}
    kept = {name: value for name, value in given.items() if name != "cluster" or cluster}
    values = check_parameters(notebook_parameters(path), kept, name=path.name)
    assert values["timezone"] == "Asia/Tokyo"
    assert "profile" in values


def test_what_the_cell_does_not_list_is_found_by_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    def connected(*, region: str, profile: str) -> None:
        raise InputRefused(f"asked for {profile} in {region}")

    monkeypatch.setattr(runbook, "connect", connected)
    with pytest.raises(InputRefused, match="asked for backup-admin in eu-west-1"):
        runbook.start("bring_back_data", timestamp="latest", region="eu-west-1", given={"profile": "backup-admin"})


def written(**given: Any) -> dict[str, Any]:
    return check(**{name: Written(text=text) for name, text in given.items()})


def test_names_types_defaults_and_comments_are_read_without_running_the_cell() -> None:
    found = {parameter.name: parameter for parameter in read_parameters(notebook(), name="n.ipynb")}
    assert list(found)[:3] == ["timestamp", "account", "days"]
    assert (found["days"].annotation, found["days"].default, found["days"].comment) == ("int", 7, "how far back")
    assert found["snapshot"].annotation == "str | None"
    assert found["schemas"].default == ["staging", "silver"]


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("account", "012345678901", "012345678901"),
        ("timestamp", "12:30:00", "12:30:00"),
        ("timestamp", "no", "no"),
        ("days", "-3", -3),
        ("share", "2.5", 2.5),
        ("apply", "TRUE", True),
        ("kind", "apply", "apply"),
        ("snapshot", "None", None),
        ("snapshot", "rds:x-2026", "rds:x-2026"),
        ("schemas", '["a"]', ["a"]),
        ("schemas", ["0123", "no"], ["0123", "no"]),
        ("groups", {"a": "1"}, {"a": 1}),
    ],
)
def test_a_written_value_means_what_its_parameter_makes_of_it(name: str, text: Any, value: Any) -> None:
    assert written(**{name: text}) == {name: value}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("days", "0123"),
        ("days", "1.5"),
        ("days", "12:30:00"),
        ("days", "1_000"),
        ("share", "nan"),
        ("apply", "no"),
        ("apply", "1"),
        ("kind", "aply"),
        ("schemas", "staging"),
        ("days", ["1"]),
    ],
)
def test_a_written_value_of_another_type_is_refused(name: str, text: Any) -> None:
    with pytest.raises(InputRefused, match=f"`{name}` takes"):
        written(**{name: text})


@pytest.mark.parametrize(
    ("name", "value"),
    [("account", 12345678901), ("days", True), ("days", "7"), ("timestamp", datetime(2026, 2, 4))],  # noqa: DTZ001
)
def test_a_python_value_of_another_type_is_refused(name: str, value: Any) -> None:
    with pytest.raises(InputRefused, match=f"`{name}` takes"):
        check(**{name: value})


def test_a_moment_with_a_zone_becomes_its_text() -> None:
    assert check(timestamp=datetime(2026, 2, 4, 10, tzinfo=UTC)) == {"timestamp": "2026-02-04T10:00:00Z"}


def test_an_unknown_name_is_refused_with_the_nearest_one() -> None:
    with pytest.raises(InputRefused) as refused:
        check(timestmp="latest")
    assert "Did you mean `timestamp`?" in refused.value.hint


@pytest.mark.parametrize("name", ["x; import os", "class", "a b", "1st"])
def test_a_name_that_is_no_plain_identifier_is_refused(name: str) -> None:
    with pytest.raises(InputRefused, match="is not a name"):
        check(**{name: "x"})


def test_a_lost_tag_is_refused_instead_of_running_with_the_defaults() -> None:
    parameters = read_parameters(notebook(tag="lost"), name="n.ipynb")
    with pytest.raises(InputRefused, match="no cell tagged"):
        check_parameters(parameters, {"timestamp": "latest"}, name="n.ipynb")


@pytest.mark.parametrize(
    "source", ["import os", "a = 1\nb = a", "a: str = os.environ['X']", "a: Path = 'x'", "print(1)", "a: str", "a ="]
)
def test_a_cell_that_does_more_than_give_literals_to_names_is_refused(source: str) -> None:
    with pytest.raises(InputRefused):
        read_parameters(notebook(source), name="n.ipynb")


def test_two_parameters_cells_are_refused() -> None:
    twice = {"cells": notebook()["cells"] * 2}
    with pytest.raises(InputRefused, match="2 cells tagged"):
        read_parameters(twice, name="n.ipynb")


def test_yaml_means_nothing_before_the_type_is_known(tmp_path: Path) -> None:
    """YAML itself would make 45000 of 12:30:00, 83 of 0123 and False of no."""
    path = tmp_path / "p.yml"
    path.write_text("timestamp: 12:30:00\naccount: 012345678901\ndays: 3\nschemas:\n  - no\n  - 2026-02-04\n")
    values = check(**read_parameter_file(path))
    assert values == {
        "timestamp": "12:30:00",
        "account": "012345678901",
        "days": 3,
        "schemas": ["no", "2026-02-04"],
    }
    path.write_text("days: 0123\n")
    with pytest.raises(InputRefused, match="`days` takes int"):
        check(**read_parameter_file(path))


@pytest.mark.parametrize("content", ["days: 1\ndays: 2\n", "- days\n", "days: [1\n"])
def test_a_parameter_file_that_is_no_plain_mapping_is_refused(tmp_path: Path, content: str) -> None:
    path = tmp_path / "p.yml"
    path.write_text(content)
    with pytest.raises(InputRefused):
        read_parameter_file(path)


def test_a_telling_name_may_be_a_reference_where_its_comment_says_so() -> None:
    cell = 'secret: str = ""  # {}'
    given = {"secret": "prod/staging-db"}
    assert check(cell.format("Secrets Manager name of the account"), **given) == given
    with pytest.raises(InputRefused, match="looks like a secret"):
        check(cell.format("of the account"), **given)


def test_help_lists_the_parameters_of_the_notebook(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", "1", parameters=CELL)
    shown = run_cli("run", path, "--help", cwd=tmp_path)
    assert shown.returncode == 0
    assert 'timestamp: str = "latest"\n      a moment with its zone' in shown.stdout
    assert "days: int = 7" in shown.stdout


def test_a_refusal_is_two_lines_and_exit_code_2(tmp_path: Path) -> None:
    path = write_notebook(tmp_path / "n.ipynb", "1", parameters=CELL)
    ran = run_cli("run", path, "-p", "dayz", "3", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("Refused: n.ipynb has no parameter `dayz`.\nWhat to do: Did you mean `days`?")
    assert not (tmp_path / "records").exists()


@pytest.mark.parametrize(
    ("declared", "text", "value"),
    [
        ("dict[str, int]", '{"a": 1}', {"a": 1}),
        ("dict[str, int]", {"a": "1"}, {"a": 1}),
        ("dict[str, list[int]]", '{"a": [1, 2]}', {"a": [1, 2]}),
        ("dict", '{"a": true}', {"a": True}),
        ("tuple[str, int]", ["a", "1"], ["a", 1]),
        ("tuple[int, ...]", ["1", "2", "3"], [1, 2, 3]),
        ("list[float]", "[1, 2.5]", [1, 2.5]),
    ],
)
def test_items_of_lists_and_mappings_are_what_their_annotation_says(declared: str, text: Any, value: Any) -> None:
    source = f"p: {declared} = {'{}' if declared.startswith('dict') else '[]'}"
    assert check(source, p=Written(text=text)) == {"p": value}


@pytest.mark.parametrize(
    ("declared", "text"),
    [
        ("dict[str, int]", '{"a": "x"}'),
        ("dict[str, int]", '{"a": true}'),
        ("dict[str, int]", {"a": "x"}),
        ("dict[str, list[int]]", '{"a": [1, "b"]}'),
        ("tuple[str, int]", ["a"]),
        ("tuple[str, int]", ["a", "1", "2"]),
        ("tuple[str, int]", '["a", "b"]'),
        ("list[int]", "[1, true]"),
        ("list[float]", "[NaN]"),
        ("list[str]", "[" * 100_000),
    ],
)
def test_an_item_of_another_type_and_another_number_of_items_are_refused(declared: str, text: Any) -> None:
    source = f"p: {declared} = {'{}' if declared.startswith('dict') else '[]'}"
    with pytest.raises(InputRefused):
        check(source, p=Written(text=text))


def test_what_no_file_can_hold_and_a_name_given_twice_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputRefused, match="no file can hold"):
        written(timestamp="\ud800")
    with pytest.raises(InputRefused, match="twice"):
        read_parameters(notebook("x = 1\nx = 2"), name="n.ipynb")
    path = tmp_path / "deep.yml"
    path.write_text("x: " + "[" * 3000)
    with pytest.raises(InputRefused, match="not YAML"):
        read_parameter_file(path)
