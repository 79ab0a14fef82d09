"""Time from `runbook lab` to the first table of inspect_backups on the screen of a real browser, everything installed.

Usage: python -m benchmarks.lab_to_first_table [ROUNDS]. The stand-in is up before the clock starts, as AWS is.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

from playwright.sync_api import sync_playwright

from runbook_lib.rehearsal.engines import choose_engine
from runbook_lib.rehearsal.stand_in import StandIn
from tests.browsing import OPTIONS, Reader, chromium, lab, make_project


def once(browser: Any, environment: dict[str, str]) -> dict[str, float]:
    """Return the seconds since the command until each thing was on the screen."""
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder))
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        reader, seen, began = Reader(page, name="benchmark"), {}, time.monotonic()
        with lab(project, environment=environment) as address:
            seen["JupyterLab answers"] = time.monotonic() - began
            reader.open(address)
            seen["the index is read"] = time.monotonic() - began
            reader.follow("inspect_backups", title="Inspect backups")
            seen["inspect_backups, its kernel ready"] = time.monotonic() - began
            reader.run_to("cluster-facts")
            reader.says("cluster-facts", "earliest restorable")
            seen["its first table"] = time.monotonic() - began
            page.close()
        return seen


def main(rounds: int = 3) -> None:
    """Print the medians."""
    with (
        StandIn(choose_engine("")) as stand_in,
        stand_in.control.in_environment(),
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=chromium(), args=OPTIONS)
        found = [once(browser, stand_in.environment()) for _ in range(rounds)]
        browser.close()
    for name in found[0]:
        times = [one[name] for one in found]
        print(f"{median(times):5.1f} s  {name} ({min(times):.1f} to {max(times):.1f})")


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
