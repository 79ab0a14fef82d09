"""The scorecard of many clusters, from their records: the worst first, and never better for what was removed."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.display import scorecard as show
from runbook_lib.drills.scorecard import Scorecard, score
from runbook_lib.proof import Proof
from runbook_lib.records.chain import append_record
from runbook_lib.records.drills import drills_on_record, last_proof
from runbook_lib.records.manifest import Approval, Manifest, file_of, read_manifest, seal_of_events
from runbook_lib.records.outcomes import Outcome
from runbook_lib.records.store import EVENTS, MANIFEST, NOTEBOOK, REPORT, RecordFolder, Store
from tests.records_support import make_record

AT = datetime(2026, 11, 1, tzinfo=UTC)


def fill(root: Path, records: int, *, clusters: int, monkeypatch: pytest.MonkeyPatch) -> Store:
    """Fill a store with drills of the year before AT; every 40th failed, and cluster 0 was last drilled long ago."""
    store = Store(root)
    first = make_record(store, incident="drills")
    model = read_manifest((first / MANIFEST).read_bytes(), name=MANIFEST)
    content = {name: (first / name).read_bytes() for name in (NOTEBOOK, REPORT, EVENTS)}
    monkeypatch.setattr(os, "fsync", lambda _: None)
    for number in range(records):
        started = AT - timedelta(days=360) + timedelta(days=358) * number / records
        cluster = number % clusters
        if cluster == 0 and AT - started < timedelta(days=100):
            cluster = 1
        add(
            store,
            model,
            content,
            number=number,
            started=started,
            cluster=f"cluster-{cluster:02}",
            good=number % 40 != 7,
        )
    return store


def add(store: Store, model: Manifest, content: dict[str, bytes], **of: Any) -> Path:
    number, started, good = of["number"], of["started"], of["good"]
    run_id = f"{number:08x}"
    folder = store.root / "drills" / f"{started:%Y%m%dT%H%M%SZ}-drill_restore-{run_id}"
    folder.mkdir(parents=True)
    for file, data in content.items():
        (folder / file).write_bytes(data)
    seconds = 1500.0 + 40 * (number % 17) + number
    made = model.model_copy(
        update={
            "run_id": run_id, "notebook": "drill_restore", "started": started, "incident": "drills",
            "ended": started + timedelta(seconds=seconds), "cluster": of["cluster"],
            "outcome": Outcome.SUCCEEDED if good else Outcome.FAILED, "exit_code": 0 if good else 3,
            "approval": Approval(plan_id="0badc0de0bad", by="arn:aws:iam::123456789012:user/carol"),
            "recovery": {
                "recovery_point": f"{started:%Y-%m-%dT%H:%M:%SZ}", "recovery_seconds": seconds,
                "phases": {"wait for the cluster": seconds * 0.6, "wait for the writer": seconds * 0.2,
                           "prove the copy": seconds * 0.15},
                "drill": {"verdict": "proved" if good else "unexplained", "rows_proved": 2_000_000 + number,
                          "lag_seconds": 200, "recovery_time_minutes": 40, "recovery_point_minutes": 10,
                          "usd": 0.31 if number % 9 else None},
            },
            "files": {file: file_of(data) for file, data in content.items()},
            "events": seal_of_events(folder / EVENTS),
        }
    )  # fmt: skip

    def write(path: Path, data: bytes, **_: object) -> None:
        path.write_bytes(data)

    append_record(store, RecordFolder(folder, lock=-1, lock_path=folder, write=write, append=write), made)
    return folder


def card_of(store: Store, *living: str) -> Scorecard:
    register = drills_on_record(store=store)
    return score(register, living=living, at=AT, within=timedelta(days=31), since=AT - timedelta(days=365))


@pytest.mark.thorough
def test_a_thousand_records_of_fifty_clusters_in_under_five_seconds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should read, judge, and draw them all; overdue and never drilled clusters come first."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = fill(tmp_path / "store", 1000, clusters=50, monkeypatch=monkeypatch)
    import matplotlib.backends.backend_agg  # noqa: F401  # what a notebook has loaded before is not measured

    began = time.process_time()
    card = card_of(store, "newborn", "cluster-03")
    page = show.page(card)
    took = time.process_time() - began
    assert took < 5, "seconds of processor"
    first, last = card.clusters[0], card.clusters[-1]
    assert (first.cluster, first.state) == ("newborn", "never drilled")
    assert [each.cluster for each in card.of("overdue")] == ["cluster-00"]
    assert last.state == "proved"
    assert len(card.clusters) == 51
    assert card.success == pytest.approx(975 / 1000)
    assert card.register.missing == card.register.findings == ()
    assert card.usd_not_known == 112
    assert "arn:aws:iam::123456789012:user/carol" in page
    assert len([part for part in page.split("<img") if "base64" in part]) == 3
    if keep := os.environ.get("RUNBOOK_KEEP_PAGE"):
        Path(keep).write_text(page, encoding="utf-8")


def test_without_a_store_nothing_is_known_and_no_cluster_is_called_never_drilled(tmp_path: Path) -> None:
    card = card_of(Store(tmp_path / "nowhere"), "prod")
    assert card.clusters == ()
    assert show.headline(card).startswith("NOT known: There is no store")
    assert show.scorecard_result(card).outcome == "check-failed"
    assert "NOT known" in show.page(card)


def _remove(folder: Path, _: Store) -> None:
    shutil.rmtree(folder)


def _remove_with_its_line(folder: Path, store: Store) -> None:
    shutil.rmtree(folder)
    chain = store.root / "chain.jsonl"
    chain.write_text("".join(line for line in chain.read_text().splitlines(True) if folder.name not in line))


def _empty(folder: Path, _: Store) -> None:
    for file in folder.iterdir():
        file.unlink()


def _call_it_proved(folder: Path, _: Store) -> None:
    manifest = folder / MANIFEST
    text = (
        manifest.read_text()
        .replace('"unexplained"', '"proved"')
        .replace('"outcome": "failed"', '"outcome": "succeeded"')
    )
    manifest.write_text(text)


@pytest.mark.parametrize("harm", [_remove, _remove_with_its_line, _empty, _call_it_proved])
def test_a_failed_drill_that_was_removed_or_changed_never_makes_it_better(
    harm: Callable[[Path, Store], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It should name what is gone, and score no more than before."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = fill(tmp_path / "store", 12, clusters=3, monkeypatch=monkeypatch)
    model = read_manifest(next((tmp_path / "store").glob("*/*-00000005/manifest.json")).read_bytes(), name=MANIFEST)
    folder = next((tmp_path / "store").glob("*/*-00000005"))
    content = {name: (folder / name).read_bytes() for name in (NOTEBOOK, REPORT, EVENTS)}
    failed = add(store, model, content, number=500, started=AT - timedelta(hours=30), cluster="cluster-01", good=False)
    add(store, model, content, number=501, started=AT - timedelta(hours=20), cluster="cluster-02", good=True)
    before = card_of(store)
    assert [each.cluster for each in before.of("failed")] == ["cluster-01"]
    harm(failed, store)
    after = card_of(store)
    assert after.score <= before.score
    assert after.success is not None
    assert before.success is not None
    assert after.success <= before.success
    named = " ".join([*after.register.missing, *after.register.findings])
    assert failed.name in named
    assert show.scorecard_result(after).outcome == "check-failed"


def test_the_last_proof_is_the_newest_that_was_proved_and_is_as_it_was_sealed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    store = fill(tmp_path / "store", 1, clusters=1, monkeypatch=monkeypatch)
    folder = next((tmp_path / "store").glob("*/*-00000000"))
    model = read_manifest((folder / MANIFEST).read_bytes(), name=MANIFEST)
    content = {name: (folder / name).read_bytes() for name in (NOTEBOOK, REPORT, EVENTS)}
    content["proof.json"] = json.dumps(Proof(expected="copy", found="prod", tables=()).to_json()).encode()
    days = ((30, True), (20, True), (10, False))
    made = [
        add(store, model, content, number=600 + day, started=AT - timedelta(days=day), cluster="prod", good=good)
        for day, good in days
    ]
    assert last_proof("other", store=store) is None
    found = last_proof("prod", store=store)
    assert found is not None
    assert (found.run_id, found.second) == (f"{620:08x}", AT - timedelta(days=20))
    (made[1] / "proof.json").write_bytes(content["proof.json"] + b" ")
    found = last_proof("prod", store=store)
    assert found is not None
    assert found.run_id == f"{630:08x}"
