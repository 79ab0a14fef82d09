"""An UPDATE in place of the DROP: the notebooks find its second, restore the one before it and bring the rows back."""

from __future__ import annotations

import time
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from runbook_lib.clusters import find_cluster
from runbook_lib.databases import credentials_for, open_database
from runbook_lib.records.run import run_notebook
from runbook_lib.records.session import RunRecord
from runbook_lib.records.store import Store
from runbook_lib.rehearsal.engines import Engine
from runbook_lib.rehearsal.stand_in import StandIn
from runbook_lib.times import iso, parse_timestamp, utc_now
from tests.conftest import QUICK
from tests.samples import everything, make

pytestmark = pytest.mark.release
NOTEBOOKS = Path(__file__).parents[1] / "notebooks"
WRONG = "UPDATE models.products SET price = price * 100, name = 'x' WHERE stock > 5"  # nearly every row


def test_the_rows_that_an_update_took_are_brought_back_by_the_notebooks(engine: Engine, tmp_path: Path) -> None:
    with StandIn(engine, folder=tmp_path / "plane", pace=QUICK) as stand_in, stand_in.control.in_environment():
        store, source = Store(tmp_path / "records"), stand_in.cluster

        def run(name: str, **parameters: Any) -> RunRecord:
            return run_notebook(NOTEBOOKS / f"{name}.ipynb", parameters=parameters, store=store)

        def approved(name: str, **parameters: Any) -> RunRecord:
            planned = run(name, **parameters)
            assert planned.result is not None, planned.lines
            done = run(name, **parameters, approve=planned.result["plan_id"])
            assert (done.outcome, done.exit_code) == ("succeeded", 0), done.lines
            return done

        cluster = find_cluster(stand_in.session(), source)
        with open_database(cluster, credentials_for(stand_in.session(), cluster)) as database:
            database.execute(f"SET timestamp = {int(utc_now().timestamp()) - 20 * 3600}")  # what lasts is damaged
            make(database)
            database.execute("SET timestamp = DEFAULT")
            whole = everything(database)
            time.sleep(2.1)
            at = utc_now()
            database.execute(WRONG)
            time.sleep(1.1)
            database.execute("INSERT INTO models.notes (what) VALUES ('written since')")
        looked = run("inspect_backups", timestamp=iso(utc_now()), glue_jobs="", timezone="UTC")
        assert looked.exit_code == 0, looked.lines
        assert looked.result is not None
        said = str(looked.result["facts"]["proposed second"])
        assert timedelta(0) < at - parse_timestamp(said, now=utc_now()).moment < timedelta(seconds=2.1), (said, at)
        approved("restore_to_timestamp", timestamp=said, target="before", glue_jobs="")
        approved("bring_back_data", cluster=source, copy="before", way="copy", tables="models.products")
        with stand_in.admin() as admin:
            found = everything(admin)
        since = found.pop("rows of models.notes")
        before = whole.pop("rows of models.notes")
        assert len(since) == len(before) + 1  # type: ignore[arg-type]
        assert found == whole
