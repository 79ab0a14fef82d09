"""pyproject.toml, constraints.txt and environment.yml ask for the same things, and for what the code imports."""

from __future__ import annotations

import ast
import json
import re
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from runbook_lib.cli import _rehearsal

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

# PyPI's name -> conda-forge's, where they differ; environment.yml says what the difference means.
CONDA_NAMES = {
    "backports-zstd": "backports.zstd",
    "duckdb": "python-duckdb",
    "jupyter-client": "jupyter_client",
    "jupyter-core": "jupyter_core",
    "matplotlib": "matplotlib-base",
    "nbconvert": "nbconvert-core",
    "tzdata": "python-tzdata",
}
# In environment.yml and no Python package of ours: the interpreter, tools, and the database engine.
CONDA_ONLY = {"python", "pip", "git", "make", "mysql-server", "mysql-client"}

# The requirement that an import comes with, where its name is another: botocore is boto3's, IPython ipykernel's.
IMPORT_NAMES = {
    "IPython": "ipykernel",
    "backports": "backports.zstd",
    "botocore": "boto3",
    "pydantic_core": "pydantic",
    "yaml": "pyyaml",
}
# In the standard library, but only of a newer Python than the oldest that is supported.
LATER_STANDARD = {"compression"}


EXTRAS = PROJECT["optional-dependencies"]


def requirements() -> list[Requirement]:
    return [Requirement(text) for text in PROJECT["dependencies"] + EXTRAS["dev"] + EXTRAS["rehearsal"]]


def name_of(requirement: Requirement) -> str:
    return canonicalize_name(requirement.name)


def conda() -> dict[str, str]:
    """Return each dependency of environment.yml with its version condition, "" for none; those left to pip as well."""
    *entries, left_to_pip = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    named = [entry.partition(" ") for entry in entries + left_to_pip["pip"]]
    return {name: version for name, _, version in named}


def pins() -> list[Requirement]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    return [Requirement(line) for line in lines if line and not line.lstrip().startswith("#")]


def test_conda_and_pip_are_asked_for_the_same_packages_and_versions() -> None:
    ours = {CONDA_NAMES.get(name_of(wanted), name_of(wanted)): str(wanted.specifier) for wanted in requirements()}
    theirs = {name: version for name, version in conda().items() if name not in CONDA_ONLY}
    assert theirs == ours


def test_the_conda_environment_has_the_interpreter_the_tools_and_a_database_engine() -> None:
    assert set(conda()) >= CONDA_ONLY
    assert conda()["python"] == PROJECT["requires-python"]


def test_the_conda_environment_has_the_name_that_the_set_up_looks_for() -> None:
    name = yaml.safe_load((ROOT / "environment.yml").read_text())["name"]
    assert f"CONDA_DEFAULT_ENV:-}} == {name} " in (ROOT / "scripts" / "setup").read_text()


@pytest.mark.parametrize("minor", [11, 12, 13])
@pytest.mark.parametrize("platform", ["linux", "darwin"])
def test_every_requirement_has_exactly_one_pin_that_satisfies_it(minor: int, platform: str) -> None:
    """On each Python and system that is supported; `make constraints` makes the file anew."""
    machine = {"python_version": f"3.{minor}", "python_full_version": f"3.{minor}.2", "sys_platform": platform}
    valid = [pin for pin in pins() if pin.marker is None or pin.marker.evaluate(machine)]
    for wanted in requirements():
        versions = [str(pin.specifier).removeprefix("==") for pin in valid if name_of(pin) == name_of(wanted)]
        assert len(versions) == 1, f"{wanted}: {versions}"
        assert wanted.specifier.contains(versions[0], prereleases=True), f"{wanted} is pinned to {versions[0]}"


def test_the_pins_name_exact_versions_and_no_place_to_get_them_from() -> None:
    """A folder or an index of one machine would break every other machine."""
    for pin in pins():
        assert pin.url is None
        assert re.fullmatch(r"==[^*+]+", str(pin.specifier)), str(pin)
    assert not [line for line in (ROOT / "constraints.txt").read_text().splitlines() if re.match(r"\s*-", line)]


def library() -> list[str]:
    """Return what a recovery runs: the library without its stand-in, and the notebooks."""
    sources = [path.read_text() for path in (ROOT / "runbook_lib").rglob("*.py") if path not in stand_in()]
    for path in (ROOT / "notebooks").glob("*.ipynb"):
        sources += ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if _is_code(cell)]
    return sources


def stand_in() -> set[Path]:
    return set((ROOT / "runbook_lib" / "rehearsal").rglob("*.py"))


def imported(sources: list[str]) -> set[str]:
    """Return the distributions that these sources import, by name."""
    found: set[str] = set()
    for node in (node for source in sources for node in ast.walk(ast.parse(source))):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module.partition(".")[0])
    found -= {*sys.stdlib_module_names, *LATER_STANDARD, "runbook_lib"}
    return {canonicalize_name(IMPORT_NAMES.get(name, name)) for name in found}


def _is_code(cell: dict[str, object]) -> bool:
    return cell["cell_type"] == "code"


def declared(*extras: str) -> set[str]:
    asked = PROJECT["dependencies"] + [text for extra in extras for text in EXTRAS[extra]]
    return {canonicalize_name(Requirement(text).name) for text in asked}


def test_what_the_code_imports_is_declared() -> None:
    """A package that only happens to come with another one may go with its next release."""
    assert imported(library()) - declared() == set(), "a recovery imports nothing of the extras"
    assert imported([path.read_text() for path in stand_in()]) - declared("rehearsal") == set()


def test_what_only_a_rehearsal_needs_is_an_extra_and_named_by_the_sentence_where_it_is_missing() -> None:
    assert declared() & {canonicalize_name(Requirement(text).name) for text in EXTRAS["rehearsal"]} == set()
    assert {canonicalize_name(name) for name in _rehearsal.PACKAGES} == declared("rehearsal") - declared()
