"""Who ran what, where, from which source, with which versions."""

from __future__ import annotations

import getpass
import os
import platform
import shutil
import socket
import subprocess
import threading
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from runbook_lib import __version__
from runbook_lib.events import INCIDENT_VARIABLE

_PACKAGES = ("papermill", "nbclient", "ipykernel", "boto3", "pymysql", "pandas", "matplotlib", "nbconvert")
_PATIENCE_SECONDS = 5
APPROVER_VARIABLE = "RUNBOOK_APPROVER"


def operator() -> dict[str, str]:
    """Return the OS user, the host and what scheduled the run. Under sudo, the person's own account is named too."""
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # a container may run under a number that has no account
        user = str(os.getuid())
    behind = os.environ.get("SUDO_USER", "")
    return {
        "os_user": f"{user} (sudo by {behind})" if behind and behind != user else user,
        "host": socket.gethostname(),
        **({"scheduler": scheduler()} if scheduler() else {}),
    }


def incident() -> str:
    """Return the incident this process works for: $RUNBOOK_INCIDENT, else the Airflow run, which holds its tasks."""
    dag, run = os.environ.get("AIRFLOW_CTX_DAG_ID", ""), os.environ.get("AIRFLOW_CTX_DAG_RUN_ID", "")
    return os.environ.get(INCIDENT_VARIABLE, "") or (f"{dag} {run}"[:120].strip() if dag and run else "")


def approver() -> str:
    """Return who approved what this process applies, where that is said: $RUNBOOK_APPROVER."""
    return os.environ.get(APPROVER_VARIABLE, "")


def scheduler() -> str:
    """Return which task of which Airflow run this process is; nothing outside of Airflow."""
    names = (("DAG", "DAG_ID"), ("run", "DAG_RUN_ID"), ("task", "TASK_ID"), ("owner", "DAG_OWNER"))
    found = [(name, os.environ.get(f"AIRFLOW_CTX_{variable}", "")) for name, variable in names]
    said = ", ".join(f"{name} {value}" for name, value in found if value)
    return f"Airflow: {said}" if said else ""


def versions() -> dict[str, str]:
    """Return the versions of this library, of Python and of the packages a run depends on most."""
    found = {"runbook_lib": __version__, "python": platform.python_version(), "system": platform.platform()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


class GitState:
    """The commit a folder is at, asked in the background: a large work tree takes git a while.

    Its end is waited for there too: a kernel that is asked to end waits for each child that nobody has waited for.
    """

    def __init__(self, folder: Path) -> None:
        self._answer: dict[str, Any] = {"git_commit": None, "git_dirty": None}
        self._asking = threading.Thread(target=self._ask, args=(folder,), daemon=True)
        self._asking.start()

    def answer(self) -> dict[str, Any]:
        """Return `git_commit` and `git_dirty`, both None where git does not say. Asked again, it says the same."""
        self._asking.join()
        return dict(self._answer)

    def _ask(self, folder: Path) -> None:
        git = shutil.which("git")
        if git is None:
            return
        try:
            ran = subprocess.run(  # noqa: S603 # git itself, found on the path, with fixed arguments
                [git, "--no-optional-locks", "-C", str(folder), "status", "--porcelain=v2", "--branch"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                timeout=_PATIENCE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired):
            return
        said = ran.stdout.decode(errors="replace").splitlines()
        commits = [line.split()[-1] for line in said if line.startswith("# branch.oid ")]
        if ran.returncode == 0 and commits:
            commit = None if commits[0] == "(initial)" else commits[0]
            self._answer = {"git_commit": commit, "git_dirty": any(not line.startswith("#") for line in said)}
