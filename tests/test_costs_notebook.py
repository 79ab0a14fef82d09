"""The notebook, run headless against a stand-in with thirteen months of meters and a bill."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import papermill
import pytest
import yaml

from runbook_lib import costs
from runbook_lib.aws import connect
from runbook_lib.display import costs as show
from tests.costs_world import Sim, world
from tests.hints import offered_by

ROOT = Path(__file__).resolve().parents[1]
NOTEBOOK = ROOT / "notebooks" / "cost_analysis.ipynb"
SIMS = [
    Sim(name="staging-db", volume=600, grows=0, changes=0, keep=None, every=30, tags={"team": "data"}),
    Sim(name="left-behind", volume=50, deleted_days_ago=40, keep=None, every=60),
]


@pytest.fixture(scope="module")
def made():
    with world(SIMS, today=datetime.now(UTC).date()) as built, built.plane.in_environment():
        yield built


@pytest.fixture(autouse=True)
def whole_bill(made):
    made.plane.faults.clear()
    made.write_bill()


def run(tmp_path, **parameters):
    notebook = papermill.execute_notebook(
        NOTEBOOK, tmp_path / "record.ipynb", parameters=parameters, progress_bar=False, kernel_name="python3"
    )
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    shown = [output["data"] for output in outputs if "data" in output]
    return shown, shown[-1]["application/json"]["runbook_result"]


@pytest.mark.thorough
def test_the_review_runs_headless_with_the_bill_writes_its_tables_and_deletes_nothing(made, tmp_path):
    before = set(made.plane.rds.cluster_snapshots)
    shown, result = run(tmp_path, ask="prices, bill", output=str(tmp_path / "tables"), timezone="Asia/Tokyo")
    assert result["outcome"] == "planned"
    assert result["changed"] == []
    assert len(result["plan_id"]) == 12
    assert "agree within 5%" in result["facts"]["agreement"]
    assert len(list((tmp_path / "tables").glob("*.csv"))) == 12
    pictures = sum(data.get("text/html", "").count("data:image/png;base64,") for data in shown)
    assert pictures == 6
    assert set(made.plane.rds.cluster_snapshots) == before
    assert not [request for request in made.plane.requests if request.mutating]


@pytest.mark.thorough
def test_run_again_as_its_result_says_it_deletes_what_the_plan_names_and_says_so(made, tmp_path):
    session = connect(region="ap-northeast-1")
    review = costs.review(costs.read(session, moment=None, now=made.now, ask=""))
    plan = costs.look_ahead(session, review, keep_days=35).plan
    before = set(made.plane.rds.cluster_snapshots)
    _, planned = run(tmp_path, ask="")
    (given,) = [given for step in planned["next"] for given in offered_by(step)]
    assert given == {"approve": plan.id}
    _, result = run(tmp_path, ask="", **given)
    assert result["outcome"] == "succeeded"
    assert {text.split()[1] for text in result["changed"]} == {candidate.name for candidate in plan.delete}
    assert set(made.plane.rds.cluster_snapshots) == before - {candidate.name for candidate in plan.delete}


def test_a_snapshots_bytes_left_out_of_the_bill_turn_the_month_red_and_name_the_amount(made, tmp_path):
    oldest = next(iter(made.ledgers[0].alive))
    made.write_bill(without=oldest)
    session = connect(region="ap-northeast-1")
    now = datetime.now(UTC)
    review = costs.review(costs.read(session, moment=None, now=now, ask="bill"))
    last_year, *_, before, _running = show.bill.comparisons(review)
    assert before.bill_is_off
    assert "the bill has 600.0 GB-months less than the metrics, $13.80 less" in before.verdict
    assert last_year.billed_gib_months == pytest.approx(last_year.metrics_gib_months - 600, rel=1e-6)
    outlook = costs.look_ahead(session, review, keep_days=10_000)
    sheet = show.bill_sheet(review, outlook)
    assert "do not agree" in sheet.headline
    assert "bad" in sheet.tables[0].marks.values()
    done = costs.apply_cleanup(session, outlook.plan, approve="")
    result = show.cost_result(review, outlook, done, costs.Taken())
    assert result.outcome == "check-failed"
    assert "marked red" in result.next[0]


def test_the_example_parameters_are_all_known_to_the_notebook():
    asked = yaml.safe_load((ROOT / "parameters" / "costs.example.yml").read_text())
    known = papermill.inspect_notebook(NOTEBOOK)
    assert set(asked) <= set(known)
    assert "approve" not in asked
