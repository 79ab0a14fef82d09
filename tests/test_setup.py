"""scripts/setup makes a clone ready once, and again only when something has changed or was cut off.

The script, virtual environments and pip are real; the project is a small one that needs nothing from the network.
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("setup")  # they share a clone that took a while to set up

ROOT = Path(__file__).parents[1]
PYPROJECT = """\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"
[project]
name = "small"
version = "1"
[project.optional-dependencies]
dev = []
rehearsal = []
[project.scripts]
runbook = "small:main"
[tool.setuptools]
py-modules = ["small"]
"""
# Makes virtual environments that see pip and setuptools, so that neither has to be downloaded.
PYTHON = """\
#!/bin/sh
[ "$*" = "-m venv --clear .venv" ] || exec {python} "$@"
{python} -m venv --clear --without-pip .venv && cat > .venv/lib/python{version}/site-packages/here.pth <<END
{packages}
END
"""


def pip_and_setuptools(folder: Path) -> Path:
    """Fill a folder with links to these two alone: pip reads every package it sees, several times."""
    folder.mkdir()
    for name in ("pip", "setuptools"):
        installed = Path(str(metadata.distribution(name).locate_file("")))
        for item in [*installed.glob(f"{name}*"), *installed.glob("_distutils_hack")]:
            link = folder / item.name
            if not link.is_symlink():
                link.symlink_to(item)
    return folder


class Clone:
    """A clone of the small project, set up by the real script."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "python"
        (folder / "scripts").mkdir(parents=True)
        (folder / "scripts" / "setup").write_bytes((ROOT / "scripts" / "setup").read_bytes())
        (folder / "pyproject.toml").write_text(PYPROJECT)
        (folder / "constraints.txt").write_text("")
        (folder / "small.py").write_text("def main() -> None: ...\n")
        self.python.write_text(
            PYTHON.format(
                python=sys.executable,
                version=f"{sys.version_info.major}.{sys.version_info.minor}",
                packages=pip_and_setuptools(folder.with_name(f"{folder.name}-packages")),
            )
        )
        self.python.chmod(0o755)

    def run(self, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("CONDA_", "PYTHON"))}
        return subprocess.run(
            ["bash", self.folder / "scripts" / "setup", *command],
            capture_output=True,
            text=True,
            cwd="/",
            env=clean | {"PYTHON": str(self.python)} | variables,
            stdin=subprocess.DEVNULL,
            check=False,
        )

    def mark(self) -> Path:
        """Leave a file in the environment, which is gone when that is made anew."""
        mark = self.folder / ".venv" / "mark"
        mark.touch()
        return mark


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path / "clone")


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Clone:
    clone = Clone(tmp_path_factory.mktemp("setup") / "clone")
    first = clone.run("runbook")
    assert first.returncode == 0, first.stderr
    assert "installing the packages" in first.stderr
    return clone


def test_the_second_run_does_no_work_again(ready: Clone) -> None:
    second = ready.run("runbook")
    assert second.returncode == 0
    assert second.stderr == ""


def test_the_command_runs_in_the_environment_and_its_exit_code_is_the_scripts(ready: Clone) -> None:
    done = ready.run("python", "-c", "import sys; print(sys.prefix); sys.exit(3)")
    assert done.stdout.strip() == str(ready.folder / ".venv")
    assert done.returncode == 3


def test_another_conda_environment_is_left_alone(ready: Clone, tmp_path: Path) -> None:
    done = ready.run(
        "python", "-c", "import sys; print(sys.prefix)", CONDA_PREFIX=str(tmp_path), CONDA_DEFAULT_ENV="base"
    )
    assert done.stdout.strip() == str(ready.folder / ".venv")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_changed_pins_are_installed_into_the_environment_that_is_there(ready: Clone) -> None:
    mark = ready.mark()
    (ready.folder / "constraints.txt").write_text("# another\n")
    assert "installing the packages" in ready.run().stderr
    assert mark.exists()


@pytest.mark.thorough
def test_a_clone_that_was_moved_gets_a_new_environment(ready: Clone) -> None:
    """The programs of a virtual environment hold its path."""
    mark = ready.mark()
    ready.folder = ready.folder.rename(ready.folder.with_name(f"moved-from-{ready.folder.name}"))
    ready.python = ready.folder / "python"
    assert ready.run("runbook").returncode == 0
    assert not (ready.folder / ".venv" / mark.name).exists()


@pytest.mark.thorough
def test_a_set_up_that_failed_half_way_is_begun_afresh_and_says_why_it_failed(clone: Clone) -> None:
    pins = clone.folder / "constraints.txt"
    pins.write_text("setuptools==0.0.1\n")
    failed = clone.run("true", PIP_NO_INDEX="1")
    assert failed.returncode == 2
    assert "the packages could not be installed" in failed.stderr
    assert "setuptools" in failed.stderr
    mark = clone.mark()
    pins.write_text("")
    assert clone.run("runbook").returncode == 0
    assert not mark.exists()


@pytest.mark.thorough
def test_the_conda_environment_of_the_project_is_used_as_it_is(clone: Clone, tmp_path: Path) -> None:
    conda = Clone(tmp_path / "conda")
    subprocess.run([conda.python, "-m", "venv", "--clear", ".venv"], cwd=conda.folder, check=True)
    prefix = conda.folder / ".venv"
    active = {"CONDA_PREFIX": str(prefix), "CONDA_DEFAULT_ENV": "aurora-recovery-runbooks"}
    done = clone.run("python", "-c", "import small, sys; print(sys.prefix)", **active)
    assert done.stdout.strip() == str(prefix), done.stderr
    assert not (clone.folder / ".venv").exists()
    assert clone.run("true", **active).stderr == ""


def test_a_python_that_is_too_old_is_named_with_what_to_do(clone: Clone) -> None:
    refused = clone.run("true", PYTHON="false")
    assert refused.returncode == 2
    assert "Python 3.11 or newer is needed" in refused.stderr
    assert "apt-get install python3 python3-venv" in refused.stderr
