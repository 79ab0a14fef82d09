"""A kernel that is asked to end waits for nobody who has ended before it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from runbook_lib.records.run import run_notebook
from runbook_lib.records.store import Store
from tests.records_support import write_notebook


def test_it_waits_for_output_while_it_works_and_no_longer_once_it_ends() -> None:
    said = subprocess.run(
        [
            sys.executable,
            "-c",
            "import atexit; from ipykernel.iostream import OutStream; from runbook_lib.records import extension\n"
            "atexit.register(lambda: print(OutStream.flush_timeout))\n"  # what is registered first runs last
            "extension.load_ipython_extension(None); print(OutStream.flush_timeout)",
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert float(said[0]) >= 10
    assert float(said[1]) < 1


def test_the_kernel_of_a_headless_run_is_one_of_them(tmp_path: Path) -> None:
    notebook = write_notebook(
        tmp_path / "situation.ipynb", "import sys\nprint('runbook_lib.records.extension' in sys.modules)"
    )
    record = run_notebook(notebook, parameters={}, store=Store(tmp_path / "store"))
    cells = json.loads((record.folder / "record.ipynb").read_bytes())["cells"]
    assert cells[-1]["outputs"][0]["text"] in ("True\n", ["True\n"])
