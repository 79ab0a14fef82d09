"""What is built from a clone: a wheel and a source distribution that hold all that is needed without a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

from runbook_lib import shipped

ROOT = Path(__file__).parents[1]
FILES = ("pyproject.toml", "MANIFEST.in", "LICENSE", "README.md", "CHANGELOG.md", "Makefile", "constraints.txt")
FOLDERS = ("runbook_lib", "notebooks", "parameters", "scripts", "docs")
BUILD = "import sys; from setuptools import build_meta as b; print(b.build_wheel('dist')); print(b.build_sdist('dist'))"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Build both from a copy of what git has; give the wheel and the sdist."""
    folder = tmp_path_factory.mktemp("package")
    for name in FILES:
        shutil.copy(ROOT / name, folder)
    for name in FOLDERS:
        shutil.copytree(ROOT / name, folder / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run([sys.executable, "-c", BUILD], cwd=folder, env=clean, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    (wheel,) = (folder / "dist").glob("*.whl")
    (sdist,) = (folder / "dist").glob("*.tar.gz")
    return wheel, sdist


@pytest.fixture
def installed(built: tuple[Path, Path], tmp_path: Path) -> dict[str, str]:
    """Unpack the wheel as pip does; give the environment in which Python finds it, and no checkout."""
    zipfile.ZipFile(built[0]).extractall(tmp_path / "site")
    return {**os.environ, "PYTHONPATH": str(tmp_path / "site"), "PYTHONSAFEPATH": "1"}


def runbook(environment: dict[str, str], folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    code = "import sys; from runbook_lib.cli import main; main(sys.argv[1:])"
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], cwd=folder, env=environment, capture_output=True, text=True
    )


@pytest.mark.thorough
def test_the_wheel_holds_every_module_notebook_parameter_file_and_data_file(built: tuple[Path, Path]) -> None:
    names = {name for name in zipfile.ZipFile(built[0]).namelist() if name.startswith("runbook_lib/")}
    ours = {path for path in (ROOT / "runbook_lib").rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    ours |= {shipped.NOTEBOOKS / path.name for path in (ROOT / "notebooks").glob("*.ipynb")}
    ours |= {shipped.PARAMETERS / path.name for path in (ROOT / "parameters").glob("*.example.yml")}
    assert {str(path.relative_to(ROOT)) for path in ours} - names == set()
    assert "runbook_lib/_parameters/rehearsal.yml" in names


@pytest.mark.thorough
def test_the_source_distribution_holds_what_it_is_tested_and_built_with(built: tuple[Path, Path]) -> None:
    with tarfile.open(built[1]) as packed:
        names = {name.partition("/")[2] for name in packed.getnames()}
    assert {*FILES, "scripts/setup", "notebooks/inspect_backups.ipynb", "parameters/rehearsal.yml"} <= names
    assert "runbook_lib/_notebooks/inspect_backups.ipynb" in names


@pytest.mark.thorough
def test_an_installed_runbook_needs_no_checkout(installed: dict[str, str], tmp_path: Path) -> None:
    """In an empty folder: its help, a notebook's parameters, the policy; a run reads notebook and parameter file."""
    empty = tmp_path / "empty"
    assert "rehearse" in runbook(installed, empty, "--help").stdout
    told = runbook(installed, empty, "run", "inspect_backups", "--help")
    assert "timestamp: str" in told.stdout, told.stderr
    assert "rds:DescribeDBClusters" in runbook(installed, empty, "policy", "inspect_backups").stdout
    assert "cluster:" in runbook(installed, empty, "parameters", "production.example").stdout
    assert list(empty.iterdir()) == []
    asked = ("run", "inspect_backups", "-f", "parameters/rehearsal.yml", "-p", "timestamp", "2026-02-04T10:00:00")
    refused = runbook(installed, empty, *asked)
    assert "has no zone" in refused.stderr
    assert refused.returncode == 2


@pytest.mark.thorough
def test_without_the_extra_a_rehearsal_says_in_one_sentence_what_to_install(
    installed: dict[str, str], tmp_path: Path
) -> None:
    blocker = "import sys; sys.modules.update(dict.fromkeys(['moto', 'flask', 'flask_cors', 'werkzeug']))"
    (tmp_path / "site" / "sitecustomize.py").write_text(blocker)
    for arguments in (["rehearse"], ["lab", "--rehearsal"]):
        refused = runbook(installed, tmp_path / "empty", *arguments)
        assert refused.returncode == 2, refused.stderr
        assert "needs the extra `rehearsal`" in refused.stderr
        assert len(refused.stderr.strip().splitlines()) == 2
    for arguments in (["--help"], ["policy"], ["proof", "--help"], ["run", "cost_analysis", "--help"]):
        assert runbook(installed, tmp_path / "empty", *arguments).returncode == 0, arguments


def test_on_windows_a_sentence_says_that_it_does_not_run_there(tmp_path: Path) -> None:
    """Windows has no `fcntl`: here it is taken away."""
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['fcntl'] = None")
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}
    refused = runbook(environment, tmp_path / "empty", "run", "inspect_backups", "-p", "timestamp", "latest")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[0].startswith("Refused: The runbooks do not run on Windows")
    assert "Traceback" not in refused.stderr
