"""What a notebook shows, floods or breaks changes neither how its run ended nor that its record is complete."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook, new_output

from runbook_lib.records.cells import Cells, shortened
from runbook_lib.records.outputs import HEAD, TAIL, CellOutputs
from runbook_lib.records.report import prose, shown
from runbook_lib.records.signals import Stop
from runbook_lib.records.store import Store
from runbook_lib.records.verify import verify_store
from runbook_lib.redaction import Scrubber


@pytest.mark.parametrize(
    "broken",
    [
        {"output_type": "stream"},
        {"output_type": "display_data", "data": None},
        {"output_type": "error", "traceback": 5},
        {"output_type": "display_data", "data": {"image/png": 5, "text/plain": None}},
        {},
    ],
)
def test_an_output_that_cannot_be_shown_is_said_in_its_place(broken: dict[str, Any]) -> None:
    assert shown(broken)
    assert prose({"source": "![x](attachment:x)", "attachments": 5})


def _outputs() -> tuple[Any, CellOutputs]:
    scrubber = Scrubber()
    scrubber.learn("Tr0ub4dor-and-3-horses", kind="database password")
    cell = new_code_cell("")
    return cell, CellOutputs(cell, scrubber)


@pytest.mark.parametrize("line", [("x" * 90 + "\n") * 700, "y" * (1 << 20)], ids=["many lines", "one line"])
def test_of_a_flood_the_ends_are_kept_and_the_middle_is_counted(line: str) -> None:
    cell, outputs = _outputs()
    printed = 0
    outputs.take("stdout", "the first\n")
    while printed < 4 * (HEAD + TAIL):
        outputs.take("stdout", line)
        printed += len(line)
    outputs.take("stdout", "\nthe last")
    outputs.close()
    text = "".join(output["text"] for output in cell.outputs)
    left_out = outputs.left_out()["characters of stdout"]
    assert text.startswith("the first")
    assert text.endswith("the last")
    assert f"[… {left_out:,} characters left out" in text
    assert HEAD < len(text) < HEAD + 2 * TAIL
    assert len(text) + left_out == pytest.approx(printed + len("the first\n\nthe last"), abs=200)


@pytest.mark.parametrize("offset", [0, 7, 21, 40])
def test_a_secret_on_the_edge_of_what_is_kept_is_not_kept_in_part(offset: int) -> None:
    cell, outputs = _outputs()
    secret = "Tr0ub4dor-and-3-horses"
    outputs.take("stdout", "x" * (HEAD - 11 - offset) + "\n" + secret * 20)
    outputs.take("stdout", "z" * HEAD + secret * 30_000)
    outputs.close()
    text = "".join(output["text"] for output in cell.outputs)
    assert not any(part in text for part in ("Tr0ub4", "dor-and", "3-horses"))


def test_displays_are_kept_up_to_a_number_and_a_size() -> None:
    _, outputs = _outputs()
    assert outputs.admit("display_data", {"data": {"text/html": "x" * (5 << 20), "text/plain": "short"}}) is not None
    kept = [outputs.admit("display_data", {"data": {"text/plain": "x"}, "metadata": {}}) for _ in range(600)]
    assert sum(entry is not None for entry in kept) == 499
    assert outputs.left_out() == {"characters of text/html": 5 << 20, "displays": 101}


def test_the_kernels_own_word_is_read_line_by_line_and_damage_in_it_is_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "cells"
    cells = Cells(path)
    assert not cells.of("m").ended
    path.write_bytes(b'\xff\n{"cell": "m"}\n[]\n{"cell": "m", "what": "ended", "error": null, "exiting": false, "se')
    assert not cells.of("m").ended
    with path.open("ab") as file:
        file.write(b'nt": 7}\n')
    assert (cells.of("m").ended, cells.of("m").sent) == (True, 7)


def test_a_deadline_that_passed_between_cells_blames_the_cell_that_took_the_time() -> None:
    stop = Stop()
    stop.ask("the run's deadline of 5 s has passed", timed_out=True)
    headline = stop.ending(cell=4, before=True, longest={"number": 3, "seconds": 4.8}).headline
    assert headline.startswith("Stopped before cell 4: the run's deadline of 5 s has passed.")
    assert "cell 3, which took 4.8 s" in headline


def test_a_long_message_keeps_its_ends() -> None:
    assert shortened("a" * 30_000 + "b").endswith("b")
    assert len(shortened("a" * 300_000)) < 21_000


def test_a_report_that_cannot_be_made_does_not_cost_the_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any) -> bytes:
        raise RecursionError

    monkeypatch.setattr("runbook_lib.records.report.report_page", fails)
    notebook = new_notebook(cells=[new_code_cell("1", outputs=[new_output("stream", text="x")])])
    nbformat.write(notebook, tmp_path / "n.ipynb")
    from tests.records_support import make_record

    store = Store(tmp_path / "store")
    folder = make_record(store)
    assert "The cells cannot be shown (RecursionError)" in (folder / "report.html").read_text()
    assert verify_store(store) == ()
