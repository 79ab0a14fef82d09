"""An incident in one page: everything on it is on record, what is not says so, and nothing of it acts."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from runbook_lib.cli import cli
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.store import Store
from tests.records_support import make_record

COPY = "staging-at-20260204-100000"
RECOVERY = {
    "recovery_point": "2026-02-04T10:00:00Z",
    "began": "2026-02-04T10:30:00Z",
    "finished": "2026-02-04T10:50:00Z",
    "phases": {"wait for the cluster": 900.0, "wait for the writer": 120.0},
}


def result(notebook: str, **more: object) -> dict[str, object]:
    said = {"version": 1, "notebook": notebook, "outcome": "succeeded", "headline": f"{notebook} is done"}
    return (
        said | {"cluster": "staging", "plan_id": "", "approved_by": "", "changed": [], "facts": {}, "next": []} | more
    )


@pytest.fixture
def store(tmp_path: Path) -> Store:
    """An incident from its inspection to the copy back."""
    store = Store(tmp_path / "store")
    facts = {"damage began": "2026-02-04T10:00:01Z"}
    make_record(store, notebook="inspect_backups", result=result("inspect_backups", facts=facts))
    make_record(
        store,
        notebook="restore_to_timestamp",
        outcome=Outcome.PLANNED,
        result=result("restore_to_timestamp", outcome="planned", plan_id="aaaabbbbcccc"),
    )
    restored = {"restored": "12 tables, 3,400 rows", "tables of the source": "2 missing, 10 same"} | {
        "costs": "$9.72 a day: one x"
    }
    make_record(
        store,
        notebook="restore_to_timestamp",
        result=result(
            "restore_to_timestamp",
            plan_id="aaaabbbbcccc",
            approved_by="ann",
            changed=[COPY],
            facts=restored,
            recovery=RECOVERY,
        ),
    )
    changed = ["table staging.rooms", "schema staging_damaged_20260204t105500z"]
    back = {"brought back": "2 tables, 400 rows of the copy"}
    make_record(
        store,
        notebook="bring_back_data",
        result=result("bring_back_data", plan_id="ddddeeeeffff", approved_by="ben", changed=changed, facts=back),
    )
    return store


def ask(store: Store, *arguments: str) -> Result:
    return CliRunner().invoke(cli, ["incident", "INC-1", "--records", str(store.root), *arguments])


def test_the_page_says_what_happened_who_approved_what_came_back_and_what_is_open(store: Store) -> None:
    page = ask(store).output.replace("\\", "")
    for said in (
        "✔ As it went.",
        "restored to | 2026-02-04T10:00:00Z",
        "1.0 s before the damage, which began at 2026-02-04T10:00:01Z",
        "12 tables, 3,400 rows",
        "2 missing, 10 same",
        "2 tables, 400 rows of the copy",
        f"the restored copy {COPY}",
        "staging_damaged_20260204t105500z keeps the damaged tables",
        "plan aaaabbbbcccc was approved by",
        f"{COPY}: about $",
        "so far, at $9.72 a day: one x; alive on record",
        "4 records, each as it was sealed",
        "noticed",
        "proved afterwards | yes, compared once more after it",
    ):
        assert said in page, said
    assert "plan aaaabbbbcccc of restore_to_timestamp" in page
    assert "is not approved" not in page
    assert page.count("| as sealed |") == 4


def test_html_and_json_say_the_same_and_a_spoilt_record_is_named(store: Store, tmp_path: Path) -> None:
    said = json.loads(ask(store, "--format", "json").output)["runbook_incident"]
    assert [record["notebook"] for record in said["records"]][-1] == "bring_back_data"
    assert ask(store, "-o", str(tmp_path / "page.html")).exit_code == 0
    page = (tmp_path / "page.html").read_text()
    assert all(record["run_id"] in page for record in said["records"])
    assert not re.search(r"<(?:script|form|link|iframe|img)\b|https?://", page)
    spoilt = next(store.root.glob("INC-1/*bring_back*/record.ipynb"))
    spoilt.write_bytes(spoilt.read_bytes() + b" ")
    said = json.loads(ask(store, "--format", "json").output)["runbook_incident"]
    proofs = {record["notebook"]: record["proof"] for record in said["records"]}
    assert "as sealed" not in proofs["bring_back_data"]
    assert proofs["inspect_backups"] == "as sealed"


def test_a_deleted_copy_and_a_dropped_schema_are_open_no_longer(store: Store) -> None:
    make_record(store, notebook="clean_up_restores", result=result("clean_up_restores", changed=[f"cluster {COPY}"]))
    dropped = ["schema staging_damaged_20260204t105500z"]
    make_record(store, notebook="audit_schemas", result=result("audit_schemas", changed=dropped))
    assert json.loads(ask(store, "--format", "json").output)["runbook_incident"]["open"] == []


def test_a_note_is_on_the_page_without_secrets_and_without_markup(store: Store) -> None:
    noted = ask(
        store, "--note", "keep the copy | until Monday <b>, password=Tr0ub4dor \x1b[2J @channel http://x.example"
    )
    assert noted.exit_code == 0, noted.output
    page = ask(store).output
    assert "until Monday" in page
    assert "Tr0ub4dor" not in page + (store.root / "INC-1" / "notes.jsonl").read_text()
    assert not re.search(r"\x1b|(?<!\\)<b>|(?<!\\)@channel|http://", page)
    assert "Findings: 0" in CliRunner().invoke(cli, ["records", "verify", "--records", str(store.root)]).output


def test_an_incident_that_is_nowhere_is_said_so_and_no_file_is_made(store: Store) -> None:
    refused = CliRunner().invoke(cli, ["incident", "INC-9", "--records", str(store.root)])
    assert "no record of the incident INC-9" in str(refused.exception)
    assert not (store.root / "INC-9").exists()
