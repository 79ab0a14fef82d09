"""JupyterLab as a person uses it: the project's own `runbook lab` in a process, and a real browser on it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PICTURES = ROOT / "browser-pictures"  # ignored by git: what the pages looked like
EVERY_PICTURE = bool(os.environ.get("RUNBOOK_PICTURES"))  # at both widths, light and dark; else one of each
LOOKS = tuple(product((1280, 900), ("JupyterLab Light", "JupyterLab Dark")))
CHROMIUM = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")
OPTIONS = ["--no-sandbox", "--disable-background-networking"]
TOKEN = "for-the-test"  # of a server on loopback that lives as long as a test
PATIENCE_MS = 60_000


def chromium() -> str:
    """Return the browser of this machine, or nothing."""
    return next((path for path in CHROMIUM if Path(path).exists()), "")


def make_project(folder: Path) -> Path:
    """Make a folder to work in like a clone, with the notebooks and parameter files of this one."""
    for name in ("notebooks", "parameters"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    return folder


@contextmanager
def lab(project: Path, *, environment: Mapping[str, str], arguments: tuple[str, ...] = ()) -> Iterator[str]:
    """Run `runbook lab` in a project's folder; give the address of its index."""
    code = "from runbook_lib.cli import main; main()"
    said = project / "lab.log"
    with said.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-c", code, "lab", "--no-browser", "--port", "8960", *arguments],
            cwd=project,
            env={
                **os.environ,
                **environment,
                "JUPYTER_TOKEN": TOKEN,
                "JUPYTERLAB_SETTINGS_DIR": str(project / "settings"),  # a theme that is tried stays in the test
                "PYTHONPATH": str(ROOT),
            },
            stdout=log,
            stderr=subprocess.STDOUT,
        )
        try:
            yield _address(process, said)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(timeout=90)


def _address(process: subprocess.Popen[bytes], said: Path) -> str:
    until = time.monotonic() + 120
    while time.monotonic() < until and process.poll() is None:
        if found := re.search(r"http://127\.0\.0\.1:\d+/lab/tree/\S+\.ipynb", said.read_text()):
            return f"{found[0]}?token={TOKEN}"
        time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{said.read_text()[-3000:]}")


class Reader:
    """Somebody before a browser, who reads and does only what is on the page."""

    def __init__(self, page: Any, *, name: str) -> None:
        self.page = page
        self._name = name
        self._pictures = 0
        self.heard: list[str] = []  # what the page says to its console, for a failure's message
        page.on("console", lambda said: self.heard.append(said.text) if said.type in ("error", "warning") else None)
        page.set_default_timeout(PATIENCE_MS)

    @property
    def notebook(self) -> Any:
        """Return the notebook that is in front."""
        return self.page.locator(".jp-NotebookPanel:not(.lm-mod-hidden)")

    def open(self, address: str) -> None:
        """Open the index."""
        self.page.goto(address)
        self.page.get_by_role("heading", name="Where do I begin?").wait_for()
        if self.page.locator("#jp-left-stack").is_visible():
            self.page.keyboard.press("Control+b")  # `runbook lab` begins without it, a reset layout not

    def follow(self, link: str, *, title: str) -> None:
        """Click a link to a notebook and wait for it."""
        self.notebook.get_by_role("link", name=link).first.click()
        self.begin(title)

    def begin(self, title: str) -> None:
        """Wait for the notebook with that title to be in front, and go to its first cell."""
        heading = self.notebook.get_by_role("heading", name=title)
        heading.wait_for()
        heading.click()
        self.idle()

    def idle(self) -> None:
        """Wait until the kernel is there and nothing runs."""
        self.page.wait_for_function(
            """() => {
                const widget = window.jupyterapp?.shell.currentWidget;
                const kernel = widget?.sessionContext?.session?.kernel;
                return kernel?.status === "idle" && kernel?.connectionStatus === "connected"
                    && !widget.content.widgets.some(cell => cell.promptNode?.textContent?.includes("*"));
            }"""
        )

    @property
    def active(self) -> str:
        """Return the id of the cell that the frame is on."""
        return str(self.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCell.model.id"))

    def go_to(self, cell_id: str) -> None:
        """Move the frame to a cell with the arrow keys; out of a field by a click on the words above its cell."""
        if self.page.evaluate("() => document.activeElement.tagName") == "INPUT":
            above = self.page.evaluate("() => window.jupyterapp.shell.currentWidget.content.activeCellIndex - 1")
            self.notebook.locator(f"[data-windowed-list-index='{above}'] .jp-RenderedMarkdown h2").click()
        self.page.keyboard.press("Escape")
        for key in ("ArrowUp", "ArrowDown"):
            for _ in range(30):
                before = self.active
                if before == cell_id:
                    return
                self.page.keyboard.press(key)
                if self.active == before:
                    break  # the first or the last cell
        raise AssertionError(f"there is no cell {cell_id}")

    def type_parameters(self, **values: str) -> None:
        """Go to the parameters cell, type other values into it, and leave it. Nothing is run."""
        self.go_to("parameters")
        lines = self.source("parameters").splitlines()
        for name, value in values.items():
            at = next(number for number, line in enumerate(lines) if line.startswith(f"{name}: "))
            lines[at] = re.sub(r'= "[^"]*"', lambda _, value=value: f"= {json.dumps(value)}", lines[at], count=1)
        self.page.keyboard.press("Enter")
        self.page.keyboard.press("Control+a")
        self.page.keyboard.insert_text("\n".join(lines))
        self.page.keyboard.press("Escape")

    def run_to(self, cell_id: str) -> None:
        """Press Shift+Enter, cell by cell, until that cell has run and its kernel is idle."""
        for _ in range(60):
            active = self.active
            self.page.keyboard.press("Shift+Enter")
            if active == cell_id:
                return self.idle()
        raise AssertionError(f"there is no cell {cell_id}")

    def goes_on_at(self, cell_id: str) -> None:
        """Wait until the next Shift+Enter runs that cell."""
        self.page.wait_for_function(
            """id => {
                const notebook = window.jupyterapp.shell.currentWidget.content;
                return notebook.activeCell.model.id === id && notebook.mode === "command"
                    && notebook.node.contains(document.activeElement);
            }""",
            arg=cell_id,
        )

    def source(self, cell_id: str) -> str:
        """Return what a cell says."""
        found = self.page.evaluate(
            """id => window.jupyterapp.shell.currentWidget.content.widgets
                .find(cell => cell.model.id === id)?.model.sharedModel.getSource()""",
            cell_id,
        )
        return str(found)

    def says(self, cell_id: str, text: str) -> None:
        """Wait until a cell's output shows a text."""
        from playwright.sync_api import TimeoutError as TooLong

        try:
            self.page.wait_for_function(
                """([id, text]) => window.jupyterapp.shell.currentWidget.content.widgets
                    .find(cell => cell.model.id === id)?.outputArea?.node.innerText.includes(text)""",
                arg=[cell_id, text],
            )
        except TooLong:
            raise AssertionError(f"{cell_id} does not say {text!r}:\n{self.output(cell_id)}\n{self.heard}") from None

    def output(self, cell_id: str) -> str:
        """Return what a cell's output shows."""
        found = self.page.evaluate(
            """id => window.jupyterapp.shell.currentWidget.content.widgets
                .find(cell => cell.model.id === id)?.outputArea?.node.innerText""",
            cell_id,
        )
        return str(found)

    def button(self, name: str) -> Any:
        """Return a button of the notebook in front."""
        return self.notebook.get_by_role("button", name=name).last

    def type_into(self, cell_id: str, text: str) -> None:
        """Type into the text field that a cell shows."""
        field = self.notebook.locator(f"[data-cell-id='{cell_id}'] input[type=text], .runbook-picker input").last
        field.fill(text)
        field.press("Enter")

    def theme(self, name: str) -> None:
        """Choose a theme, as the settings menu does."""
        self.page.evaluate("name => window.jupyterapp.commands.execute('apputils:change-theme', {theme: name})", name)
        light = "true" if name.endswith("Light") else "false"
        self.page.wait_for_function("light => document.body.dataset.jpThemeLight === light", arg=light)

    def comes_on_top(self, element: Any) -> bool:
        """Scroll to an element, and wait until the page has come to rest and a click on its middle would reach it."""
        for _ in range(25):
            element.scroll_into_view_if_needed()
            if self.is_on_top(element):
                return True
            self.page.wait_for_timeout(200)
        return False

    def is_on_top(self, element: Any) -> bool:
        """Tell whether a click on the middle of an element would reach it."""
        return bool(
            element.evaluate(
                """element => {
                    const box = element.getBoundingClientRect();
                    const top = document.elementFromPoint(box.x + box.width / 2, box.y + box.height / 2);
                    return element === top || element.contains(top);
                }"""
            )
        )

    def contrast(self, element: Any) -> float:
        """Return how far the text stands out from what is behind it, by WCAG's ratio."""
        return float(
            element.evaluate(
                """element => {
                    const parts = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
                    const light = ([r, g, b]) => [r, g, b].map(c => c / 255)
                        .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
                        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
                    let behind = element;
                    while (behind.parentElement && parts(getComputedStyle(behind).backgroundColor)[3] === 0)
                        behind = behind.parentElement;
                    const pair = [getComputedStyle(element).color, getComputedStyle(behind).backgroundColor]
                        .map(colour => light(parts(colour)) + 0.05);
                    return Math.max(...pair) / Math.min(...pair);
                }"""
            )
        )

    def restart_kernel(self) -> None:
        """Restart the kernel by its keys, say yes, and wait until it is a new one: before that it looks idle too."""
        self.page.evaluate(
            """() => {
                window.restarts = 0;
                const kernel = window.jupyterapp.shell.currentWidget.sessionContext.session.kernel;
                kernel.statusChanged.connect((_, status) => { if (status === "restarting") window.restarts += 1; });
            }"""
        )
        self.page.keyboard.press("Escape")
        for _ in range(2):
            self.page.keyboard.press("0")
        self.page.locator(".jp-Dialog button.jp-mod-accept").click()
        self.page.wait_for_function("() => window.restarts > 0")
        self.idle()

    def reload(self, title: str) -> None:
        """Load the page again, as after a browser was closed; the notebook of that title is in front."""
        self.page.reload()
        self.begin(title)

    def picture(self, what: str) -> None:
        """Keep what the page looks like now; where every picture is asked for, at each width and in each theme."""
        self._pictures += 1
        PICTURES.mkdir(exist_ok=True)
        name = f"{self._name}-{self._pictures:02}-{what}"
        if not EVERY_PICTURE:
            self.page.screenshot(path=PICTURES / f"{name}.png")
            return
        for width, theme in LOOKS:
            self.look(width, theme, height=1600)
            self.page.screenshot(path=PICTURES / f"{name}-{width}-{theme.split()[1].lower()}.png")
        self.look(*LOOKS[0])

    def look(self, width: int, theme: str, *, height: int = 900) -> None:
        """Look at the page at a width and in a theme."""
        self.page.set_viewport_size({"width": width, "height": height})
        self.theme(theme)
