"""Where somebody steps through the notebooks: copies of them, and a JupyterLab that is set up for them.

The notebooks in git stay as they are: what a person types and runs is in a copy of its own, `lab/<UTC>/`. What
JupyterLab is told, it is told by files of a temporary folder: the user's own settings and kernels are not touched.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
from datetime import datetime
from pathlib import Path

from runbook_lib.events import INCIDENT_VARIABLE

FOLDER = "lab"
INDEX = "index.ipynb"
_SETTINGS = {
    "@jupyterlab/notebook-extension:tracker": {
        "recordTiming": True,
        "autoStartDefaultKernel": True,
        "windowingMode": "none",  # a button below what is seen is there for the keyboard and for "find" too
        "maxNumberOutputs": 200,
    },
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False},
    "@jupyterlab/docmanager-extension:plugin": {"autosaveInterval": 20},
}
# The width is for the notebook: the list of files comes by a click.
_WORKSPACE = {
    "data": {"layout-restorer:data": {"left": {"collapsed": True}, "right": {"collapsed": True}}},
    "metadata": {"id": "default"},
}


def copy_notebooks(originals: Path, *, project: Path, now: datetime) -> Path:
    """Copy the notebooks into a folder of their own and give it; links between them go on working."""
    folder = project / FOLDER / f"{now:%Y%m%dT%H%M%SZ}"
    folder.mkdir(parents=True)
    for notebook in sorted(originals.glob("*.ipynb")):
        shutil.copy(notebook, folder / notebook.name)
    return folder


def prepare(scratch: Path, *, project: Path, originals: Path, incident: str) -> list[str]:
    """Write kernel and settings into a temporary folder, and give the options that make JupyterLab use them."""
    kernel = scratch / "kernels" / "python3"
    kernel.mkdir(parents=True)
    told = {
        "RUNBOOK_LAB_PROJECT": str(project),
        "RUNBOOK_LAB_FOLDER": str(project),
        "RUNBOOK_LAB_ORIGINALS": str(originals),
        INCIDENT_VARIABLE: incident,
    }
    spec = {
        "argv": [
            *(sys.executable, "-Xfrozen_modules=off", "-m", "ipykernel_launcher", "-f", "{connection_file}"),
            *("--ext", "runbook_lib.records.interactive", "--ext", "runbook_lib.records.extension"),
            "--HistoryManager.hist_file=:memory:",
        ],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
        "metadata": {"debugger": True},
        "env": told,
    }
    (kernel / "kernel.json").write_text(json.dumps(spec, indent=1))
    settings = scratch / "settings"
    settings.mkdir()
    (settings / "overrides.json").write_text(json.dumps(_SETTINGS, indent=1))
    workspaces = scratch / "workspaces"
    workspaces.mkdir()
    (workspaces / "default-37a8.jupyterlab-workspace").write_text(json.dumps(_WORKSPACE, indent=1))
    return [
        f"--ServerApp.root_dir={project}",
        f"--LabApp.app_settings_dir={settings}",
        f"--LabApp.workspaces_dir={workspaces}",
        "--LabApp.expose_app_in_browser=True",  # so that a choice can be written into the parameters cell
        "--ServerApp.answer_yes=True",  # Ctrl-C is meant
        "--KernelManager.shutdown_wait_time=60",  # half of it is what a kernel has to write its record
        *(["--allow-root"] if os.geteuid() == 0 else []),
    ]


def environment(scratch: Path) -> dict[str, str]:
    """Return this process's environment with the folder of our kernel first among Jupyter's."""
    searched = [str(scratch), *filter(None, os.environ.get("JUPYTER_PATH", "").split(os.pathsep))]
    return {**os.environ, "JUPYTER_PATH": os.pathsep.join(searched)}
