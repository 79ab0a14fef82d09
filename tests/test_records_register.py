"""Reading back: what is listed, shown and compared is what happened."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from runbook_lib.errors import InputRefused, NotFound
from runbook_lib.records.comparison import compare, steady
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.register import entries, find, notebook_of
from runbook_lib.records.store import Store
from tests.records_support import make_record, run_cli


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "store")


def test_list_filters_by_what_is_asked(store: Store, tmp_path: Path) -> None:
    make_record(store, parameters={"cluster": "staging-db"})
    make_record(store, notebook="cost_analysis", incident="INC-2", outcome=Outcome.FAILED)

    def listed(*options: str) -> list[str]:
        ran = run_cli("records", "list", "--records", store.root, "--json", *options, cwd=tmp_path)
        assert ran.returncode == 0, ran.stderr
        return [json.loads(line)["notebook"] for line in ran.stdout.splitlines()]

    assert listed() == ["restore_to_timestamp", "cost_analysis"]
    assert listed("--cluster", "staging-db", "--since", "1 hour ago") == ["restore_to_timestamp"]
    assert listed("--outcome", "failed", "--incident", "INC-2", "--notebook", "cost_analysis") == ["cost_analysis"]
    table = run_cli("records", "list", "--records", store.root, cwd=tmp_path).stdout
    assert re.search(r"cost_analysis\s+INC-2\s+failed", table)


def test_show_tells_outcome_facts_and_cells(store: Store, tmp_path: Path) -> None:
    result = {
        "cluster": "staging-db",
        "plan_id": "p-12",
        "approved_by": "kim",
        "changed": ["staging-db-restored"],
        "recovery": {"recovery_point": "2026-02-04T10:00:00Z"},
        "facts": {"tables": "81 of 81"},
    }
    folder = make_record(store, parameters={"timestamp": "latest"}, result=result)
    ran = run_cli("records", "show", "latest", "--records", store.root, cwd=tmp_path)
    for fact in ("succeeded", "p-12", "kim", "staging-db-restored", "2026-02-04T10:00:00Z", "81 of 81", "cell 2"):
        assert fact in ran.stdout
    shown = run_cli("records", "show", folder, "--json", cwd=tmp_path)
    assert json.loads(shown.stdout)["approval"]["by"].endswith(" as kim")


def test_a_record_is_found_by_the_beginning_of_its_id_and_a_wrong_name_is_refused(store: Store) -> None:
    folder = make_record(store)
    run_id = folder.name.rpartition("-")[2]
    assert find(store, run_id[:5]).folder == folder
    with pytest.raises(NotFound, match="no record nothing"):
        find(store, "nothing")
    make_record(store)
    with pytest.raises(InputRefused, match="2 records"):
        find(store, "")


def test_two_drills_that_differ_in_one_parameter_show_it_and_what_follows(store: Store) -> None:
    """Times, durations, ids and addresses differ between any two runs and are left aside."""
    said = "restored staging-db to 2026-02-04T10:0{n}:00Z in {n} minutes as 8f1c0a{n}7\n{schema}: {rows} rows\n"
    first, second = (
        find(
            store,
            make_record(
                store,
                parameters={"schema": schema, "days": 7},
                printed=("the same\n", said.format(n=n, schema=schema, rows=rows)),
            ).name,
        )
        for n, schema, rows in ((1, "staging", 81), (2, "silver", 2))
    )
    found = compare(notebook_of(first), notebook_of(second))
    assert [difference.where for difference in found] == ["parameter schema", "cell 3 (Restore)"]
    assert found[0].lines == ('- "staging"', '+ "silver"')
    assert found[1].lines == ("output", "-staging: 81 rows", "+silver: 2 rows")


def test_what_a_wait_printed_is_one_text_in_however_many_pieces_and_states_it_came() -> None:
    waited = "10:00:00 UTC  cluster c: {} (2 seconds)\n"
    one = [*map(waited.format, ("available, as before the change", "making its secret", "available")), "made\n"]
    other = ["".join([waited.format("available"), "made\n"])]
    first, second = (
        {"cells": [{"cell_type": "code", "id": "apply", "source": "", "outputs": [_printed(text) for text in texts]}]}
        for texts in (one, other)
    )
    assert compare(first, second) == ()
    assert compare(first, {"cells": [{**second["cells"][0], "outputs": [_printed("made otherwise\n")]}]}) != ()


def _printed(text: str) -> dict[str, str]:
    return {"output_type": "stream", "name": "stdout", "text": text}


def test_a_run_compared_with_itself_does_not_differ(store: Store) -> None:
    notebook = notebook_of(find(store, make_record(store).name))
    assert compare(notebook, notebook) == ()


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("at 2026-02-04T10:00:00Z", "at 2026-03-01 09:59:59 UTC"),
        ("took 17 minutes", "took 3 seconds"),
        ("at 0x7f00deadbeef", "at 0x7f11deadbeef"),
        ("listening on 127.0.0.1:5123", "listening on 127.0.0.1:60000"),
        ("run 0a1b2c3d", "run 9f8e7d6c"),
        ("─────── ────\nphase 10 seconds", "────── ────\nphase  9 seconds"),
    ],
)
def test_what_differs_between_any_two_runs_reads_the_same(one: str, other: str) -> None:
    assert steady(one) == steady(other)


def test_what_matters_is_not_taken_for_a_time_or_an_id() -> None:
    assert steady("81 tables of staging") != steady("80 tables of staging")
    assert steady("account 012345678901") == "account 012345678901"


def test_the_report_and_the_index_need_no_network_and_no_script(store: Store, tmp_path: Path) -> None:
    folder = make_record(store, printed=("<script>alert(1)</script>\n",))
    index = run_cli("records", "report", "--index", "--records", store.root, cwd=tmp_path)
    assert index.returncode == 0, index.stderr
    for page in (folder / "report.html", store.root / "index.html"):
        text = page.read_text()
        assert not re.search(r"<script|<link|src=[\"']?(?!data:)|@import|url\(", text)
        assert "default-src 'none'" in text
    assert folder.name in (store.root / "index.html").read_text()
    assert "&lt;script&gt;" in (folder / "report.html").read_text()


def test_a_run_that_only_looked_says_first_what_its_result_says(store: Store) -> None:
    result = {"outcome": "planned", "headline": "h", "facts": {"budget": "$9.00: $1.00 over it"}}
    page = (make_record(store, result=result) / "report.html").read_text()
    assert page.index("$1.00 over it") < page.index("Who, when, from what")
    assert page.count("$1.00 over it") == 1
    page = (make_record(store, result={**result, "changed": ["a copy"]}) / "report.html").read_text()
    assert page.index("a copy") < page.index("Who, when, from what") < page.index("$1.00 over it")


@pytest.mark.thorough
def test_a_report_can_be_made_again_without_touching_the_record(store: Store, tmp_path: Path) -> None:
    folder = make_record(store)
    ran = run_cli("records", "report", folder, "-o", tmp_path / "again.html", cwd=tmp_path)
    assert ran.returncode == 0, ran.stderr
    assert (tmp_path / "again.html").read_bytes() == (folder / "report.html").read_bytes()


def test_a_damaged_manifest_is_listed_with_its_problem(store: Store) -> None:
    (make_record(store) / "manifest.json").write_text("{}")
    (entry,) = entries(store)
    assert "cannot be read" in entry.problem
