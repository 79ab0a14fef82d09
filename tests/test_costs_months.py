"""The cost review on months as they are: worlds with gaps, renames, changed retentions, copies, through the notebook.

Each number is the simulation's of `costs_days`, which shares no code with the library.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pandas as pd
import papermill
import pytest

from runbook_lib import costs
from runbook_lib.aws import connect
from runbook_lib.costs.advice import advice
from runbook_lib.costs.anomalies import anomalies, thresholds
from runbook_lib.costs.snapshots.plan import Keeping, plan_cleanup
from runbook_lib.costs.units import Month
from runbook_lib.display import costs as show
from runbook_lib.errors import AccessDenied
from tests.costs_days import METRICS, USD, Life, behind_aws, days_in, facts_of, live, lived

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "cost_analysis.ipynb"
DAYS = 430
NOW = DAYS - 1


def made_of(*lives, today=None):
    return lived(lives, today=today or datetime.now(UTC).date(), days=DAYS)


GAPS = {("billed", NOW - day) for day in (3, 5, 8, 9)} | {(metric, NOW - day) for metric in METRICS for day in (10, 11)}
WORLDS = {
    "young": [Life(key="cluster-young", names=[(-999, "young")], volume=560, changes=28, born=NOW - 8)],
    "gaps-and-a-rename": [
        Life(key="cluster-gaps", names=[(-999, "gaps")], every=1, keep=20, lost=GAPS, tags={"team": "data"}),
        Life(key="cluster-named", names=[(-999, "orders"), (NOW - 20, "orders-v2")], volume=300, retention=[(-999, 35)],
             every=100, keep=60, first_taken=(NOW - 25) % 100,
             lost={(metric, NOW - day) for metric in ("billed", "volume") for day in (4, 6, 20)}),
    ],
    "one-snapshot-point": [
        Life(key="cluster-point", names=[(-999, "point")], volume=600, changes=30, every=1, keep=17,
             lost={("snapshot", NOW - 4)})
    ],
    "a-copy-and-a-namesake": [
        Life(key="cluster-copy", names=[(-999, "reports")], volume=250, copies=[(NOW - 60, 90.0)],
             tags={"team": "namesake"})
    ],
    "longer-and-a-load": [
        Life(key="cluster-longer", names=[(-999, "longer")], retention=[(-999, 7), (NOW - 10, 14)]),
        Life(key="cluster-load", names=[(-999, "load")], loads={NOW - 9: 1500.0}),
    ],
    "shorter": [Life(key="cluster-short", names=[(-999, "shorter")], retention=[(-999, 7), (NOW - 60, 1)], every=7,
                     keep=60)],
    "without-metrics": [
        Life(key="cluster-dark", names=[(-999, "dark")], lost={(m, day) for m in METRICS for day in range(DAYS)}),
        Life(key="cluster-seen", names=[(-999, "seen")]),
    ],
    "cut-over": [
        Life(key="cluster-old", names=[(-999, "app"), (NOW - 15, "app-damaged")], every=30,
             tags={"recovery:was": "app"}),
        Life(key="cluster-new", names=[(-999, "app-copy"), (NOW - 15, "app")], born=NOW - 16, changes=9.0,
             tags={"recovery:was": "app-copy", "recovery:source": "app"}),
    ],
}  # fmt: skip
# 24 clusters with a snapshot every ten days, six of them older than 35 days, and 16 without
FORTY = [
    Life(key=f"cluster-{number:02d}", names=[(-999, f"c{number:02d}")], volume=444.75, changes=12, every=10, keep=100,
         first_taken=(NOW - 4) % 10)
    if number < 24
    else Life(key=f"cluster-{number:02d}", names=[(-999, f"c{number:02d}")], volume=297, changes=7.075)
    for number in range(40)
]  # fmt: skip


@contextmanager
def through_the_notebook(made, tmp_path, **parameters):
    with behind_aws(made) as plane, plane.in_environment():
        folder = tmp_path / "tables"
        asked = {"ask": "bill", "output": str(folder), **parameters}
        notebook = papermill.execute_notebook(
            NOTEBOOK, tmp_path / "record.ipynb", parameters=asked, progress_bar=False, kernel_name="python3"
        )
        outputs = [output["data"] for cell in notebook.cells for output in cell.get("outputs", ()) if "data" in output]
        tables = {path.stem[len("2026-11-") :]: pd.read_csv(path) for path in folder.glob("*.csv")}
        yield tables, outputs[-1]["application/json"]["runbook_result"], outputs


def check_world(made, tables, result):
    """Hold every cluster's numbers and every month's to the simulation."""
    month = Month.holding(made.today)
    before = month.plus(-1)
    clusters = tables["clusters"].set_index("cluster")
    whole, missing = 0.0, 0
    for story in made.stories:
        row = clusters.loc[story.life.names[-1][1]]
        known = made.known_names(story)
        for shown, when in (("backup_usd", month), ("month_before_usd", before)):
            usd, lost = made.cost(story, when.year, when.number, known)
            assert (pd.isna(row[shown]) and usd is None) or row[shown] == pytest.approx(usd, abs=1e-6), (
                story.life,
                shown,
            )
            if when == month:
                assert (row["days_missing"], bool(row["is_least_amount"])) == (lost, lost > 0)
                whole, missing = whole + (usd or 0.0), missing + lost
        foreseen = foreseen_usd(made, story, month)
        if foreseen is not None:
            assert row["forecast_usd"] == pytest.approx(foreseen, abs=1e-6), story.life
        if story.life.changes and not pd.isna(row["change_gib_a_day"]):
            assert row["change_gib_a_day"] == pytest.approx(story.life.changes), story.life
    assert ("at least" in result["headline"]) is (missing > 0)
    assert (f"{missing} cluster-days" in result["facts"]["not measured"]) is (missing > 0)
    assert "do not agree" not in result["facts"]["agreement"]
    assert result["outcome"] != "check-failed"
    return clusters


def foreseen_usd(made, story, month):
    """Go on living to the month's end; None for habits of snapshots, of which only a range is foreseen."""
    if story.life.every or story.life.lost or story.life.copies:
        return None
    further = live(story.life, days=DAYS + 40)
    return sum(
        further.days[number].billed * USD / days_in(month.year, month.number)
        for number in range(DAYS + 39)
        if further.exists_on(number) and Month.holding(made.day(number)) == month
    )


@pytest.mark.thorough
def test_all_worlds_at_once_through_the_notebook_have_the_simulation_s_numbers(tmp_path):
    made = made_of(*(life for lives in WORLDS.values() for life in lives))
    with through_the_notebook(made, tmp_path, budget=50.0) as (tables, result, outputs):
        clusters = check_world(made, tables, result)
        copied = clusters.loc["reports (copied from us-east-1)"]
        month = Month.holding(made.today)
        settled = len(made.month_days(month.year, month.number))
        assert copied["backup_usd"] == pytest.approx(90 * USD * settled / month.days)
        assert pd.isna(copied["owner"])
        assert clusters.loc["reports", "owner"] == "namesake"
        assert "dark" in tables["what-if"]["cluster"].tolist()
        first = next(data["text/html"] for data in outputs if "in a minute" in data.get("text/html", ""))
        assert "dark" in first
        assert "at least" in first
        check_table(tables, shown_text(outputs))
        asked = ("so far", "foreseen", "budget", "stands out", "could be saved", "why it changed", "a protected GiB")
        assert [name for name in asked if not any(fact.startswith(name) for fact in result["facts"])] == []
        assert "dark" in result["facts"]["not measured"]
        assert (result["outcome"], result["changed"]) == ("planned", [])
        assert len(result["plan_id"]) == 12
        assert len(tables) == 12
        assert sum(data.get("text/html", "").count("data:image/png;base64,") for data in outputs) == 6


def shown_text(outputs):
    return "\n".join(data.get("text/plain", "") for data in outputs)


def check_table(tables, text):
    """Hold what is shown to the table of worlds that were worked out by hand, each where its clusters are."""
    clusters, what_if = tables["clusters"].set_index("cluster"), tables["what-if"].set_index("cluster")
    for name, rate in (("young", 0.05), ("longer", 0.04), ("load", 0.04)):
        if name in clusters.index:
            row = clusters.loc[name]
            assert row["change_gib_a_day"] / row["volume_gib"] == pytest.approx(rate)
            changes = [line for line in text.splitlines() if line.startswith(f"{name} ") and ", over " in line]
            assert changes
            assert all(f"{rate:.1%}" in line for line in changes)
    if "young" in clusters.index:
        own = what_if.loc["young"].set_index("retention_days")["usd_month"]
        assert [round(own[days], 2) for days in (7, 14, 35)] == [4.51, 9.02, 22.54]
    snapshots = tables["snapshots"].set_index("cluster")
    if "orders-v2" in clusters.index:
        assert snapshots.loc["orders-v2", "usd_month_now"] == 0.0
        assert snapshots.loc["orders-v2", "cluster_exists"]
    if "reports" in clusters.index:
        copied = snapshots.loc["reports (copied from us-east-1)"]
        assert (round(copied["usd_month_now"], 2), copied["size_gib"]) == (2.07, pytest.approx(90))
    assert not (tables["anomalies"]["cluster"] == "point").any()


@pytest.mark.release
@pytest.mark.parametrize("name", WORLDS)
def test_each_world_alone_through_the_notebook_has_the_simulation_s_numbers(name, tmp_path):
    made = made_of(*WORLDS[name])
    with through_the_notebook(made, tmp_path) as (tables, result, outputs):
        check_world(made, tables, result)
        check_table(tables, shown_text(outputs))
        if name == "shorter":  # metrics and bill agree, through the change of the retention
            assert "agree within 5% in all 13 months" in result["facts"]["agreement"]


@pytest.mark.thorough
def test_forty_clusters_through_the_notebook_have_the_table_s_numbers(tmp_path):
    made = made_of(*FORTY)
    with through_the_notebook(made, tmp_path) as (tables, result, outputs):
        check_world(made, tables, result)
        text = shown_text(outputs)
        assert "2.6% of 15,426 GiB changes a day (40 of 40 clusters measured" in text
        at_35 = tables["what-if"].query("retention_days == 35")["usd_month"].sum()
        assert f"{at_35:,.0f}" == "1,796"
        savings = tables["savings"].query("kind == 'snapshots'")
        assert sum(int(what.split()[1]) for what in savings["what"]) == 144
        assert f"{savings['saves_usd_month'].sum():,.0f}" == "1,473"
        assert "Could be saved: $1,473.01 a month" in text


@pytest.mark.release
def test_a_cluster_without_metrics_through_the_notebook_is_not_known_and_no_success(tmp_path):
    with through_the_notebook(made_of(WORLDS["without-metrics"][0]), tmp_path) as (tables, result, outputs):
        assert result["outcome"] == "check-failed"
        assert "is not known: nothing was measured" in result["headline"]
        assert tables["clusters"].loc[0, ["automated_usd", "snapshots_usd", "backup_usd", "forecast_usd"]].isna().all()
        assert tables["months"][["automated_usd", "snapshots_usd", "backup_usd"]].isna().all(axis=None)
        assert "would cost least" not in shown_text(outputs)


@pytest.mark.release
def test_february_through_the_notebook_is_a_least_amount_that_no_bill_is_held_against(tmp_path):
    today = datetime.now(UTC).date()
    month = next(month for month in reversed(Month.holding(today).back_to(13)[:-1]) if month.number == 2)
    lost = [NOW - (today - month.first).days + day for day in (3, 4, 17)]
    gaps, named = WORLDS["gaps-and-a-rename"]
    made = made_of(replace(gaps, lost={("billed", day) for day in lost}), named)
    with through_the_notebook(made, tmp_path, timestamp=f"{month}-15T12:00:00Z") as (tables, result, _):
        row = tables["months"].set_index("month").loc[str(month)]
        costs_of = [made.cost(story, month.year, month.number) for story in made.stories]
        assert row["backup_usd"] == pytest.approx(sum(usd for usd, _ in costs_of))
        assert (row["cluster_days_missing"], bool(row["is_least_amount"])) == (3, True)
        assert "months cannot be compared" in result["facts"]["agreement"]
        assert "at least" in result["headline"]


def test_the_table_s_figures_of_its_own_day():
    young, gaps, forty = (made_of(*lives, today=date(2026, 11, 28)) for lives in
                          (WORLDS["young"], WORLDS["gaps-and-a-rename"], FORTY))  # fmt: skip
    review = costs.review(facts_of(young))
    assert str(review.forecast_usd) == "$1.05"
    assert review.rates[0].part_a_day == pytest.approx(0.05)
    review = costs.review(facts_of(gaps))
    assert review.month.days_missing == 9
    assert str(review.month.backup).startswith("at least $")
    assert {cluster.cluster for cluster in review.clusters} == {"gaps", "orders-v2"}
    review = costs.review(facts_of(forty))
    outlook = costs.look_ahead(connect(region="ap-northeast-1"), review, keep_days=10_000)
    assert f"{outlook.grid.gib_a_day / outlook.grid.volume_gib:.1%}" == "2.6%"
    assert f"{outlook.together[34].usd:,.0f}" == "1,796"
    keeping = Keeping(region="ap-northeast-1", today=forty.today, usd_gib_month=USD, keep_days=35)
    plan = plan_cleanup(review.held, keeping, shared={})
    assert (len(plan.delete), len(plan.delete) + len(plan.later)) == (100, 144)
    saved = sum(entry.saves_usd_month for entry in advice(review, plan, {}) if entry.kind == "snapshots")
    assert f"{saved:,.0f}" == "1,473"


# No number becomes smaller in silence --------------------------------------------------------------------

TODAY = date(2026, 11, 22)
PLAIN = [
    Life(key="cluster-one", names=[(-999, "one")], every=1, keep=20, tags={"team": "a"}),
    Life(key="cluster-two", names=[(-999, "two"), (NOW - 14, "two-new")], every=10, keep=None, volume=300),
    Life(key="cluster-new", names=[(-999, "new")], born=NOW - 12, changes=9.0),
]


def sums(facts):
    """Return every sum of a review with whether it says "at least"."""
    review = costs.review(facts)
    found = {}
    for entry in review.months[-2:]:
        for part in ("backup", "automated", "snapshots"):
            found[f"{entry.month} {part}"] = getattr(entry, part)
    for cluster in review.clusters:
        for part in ("backup", "automated", "snapshots", "before"):
            found[f"{cluster.cluster} {part}"] = getattr(cluster, part)
    return found, review


def never_smaller_in_silence(whole, fewer, what):
    for name, cost in fewer.items():
        before = whole[name].usd or 0.0
        assert cost.usd is None or cost.at_least or cost.usd >= before - 1e-6, (what, name, str(cost), before)


SOME = [NOW - 2, NOW - 12, NOW - 3, NOW - 9, NOW - 11, NOW - 14, NOW - 15, NOW - 40, *range(NOW - 30, NOW - 16)]


@pytest.mark.release
def test_no_single_point_that_is_lost_makes_a_rise_or_a_number_smaller_without_saying_at_least():
    whole, _ = sums(facts_of(made_of(*PLAIN, today=TODAY)))
    assert not any(cost.at_least for cost in whole.values())
    for index, life in enumerate(PLAIN):
        for metric in METRICS:
            for day in SOME:
                holed = [*PLAIN[:index], replace(life, lost={(metric, day)}), *PLAIN[index + 1 :]]
                fewer, review = sums(facts_of(made_of(*holed, today=TODAY)))
                never_smaller_in_silence(whole, fewer, (life.key, metric, day))
                at_least = thresholds("$5 and 20%")
                hits = anomalies(review.amounts, review.month.month, usd_gib_month=USD, at_least=at_least)
                assert not [hit for hit in hits if not hit.routine], (life.key, metric, day)


def test_what_may_not_be_read_is_said_and_every_sum_says_at_least(made_plain):
    session = connect(region="ap-northeast-1")
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC)

    def read():
        return costs.read(session, moment=None, now=now, ask="bill")

    whole, _ = sums(read())
    denied = {
        "rds:DescribeDBClusterSnapshots": "snapshots could not be looked at",
        "rds:DescribeDBClusterAutomatedBackups": "retained automated backups could not be looked at",
    }
    for action, said in denied.items():
        made_plain.faults.deny(action)
        fewer, review = sums(read())
        made_plain.faults.clear()
        never_smaller_in_silence(whole, fewer, action)
        outlook = costs.look_ahead(session, review, keep_days=35)
        screen = str(show.first_screen(review, outlook))
        assert said in screen
        assert "at least" in screen
        assert not outlook.plan.delete or "Snapshots" not in action
    made_plain.faults.deny("ce:GetCostAndUsage")
    assert "No bill" in read().bill.note
    made_plain.faults.clear()
    for action in ("rds:DescribeDBClusters", "cloudwatch:GetMetricData"):
        made_plain.faults.deny(action)
        with pytest.raises(AccessDenied):
            read()
        made_plain.faults.clear()


def test_denied_snapshot_attributes_cost_the_clean_up_and_not_the_review(made_plain):
    session = connect(region="ap-northeast-1")
    now = datetime(TODAY.year, TODAY.month, TODAY.day, 12, tzinfo=UTC)
    review = costs.review(costs.read(session, moment=None, now=now, ask=""))
    free = costs.look_ahead(session, review, keep_days=10)
    assert free.plan.delete
    made_plain.faults.deny("rds:DescribeDBClusterSnapshotAttributes")
    outlook = costs.look_ahead(session, review, keep_days=10)
    made_plain.faults.clear()
    assert not outlook.plan.delete
    reasons = {kept.reason for kept in outlook.plan.kept}
    assert any("whom it is shared with could not be looked at" in reason for reason in reasons)
    assert show.first_screen(review, outlook).headline == show.headline(review)


@pytest.fixture
def made_plain():
    with behind_aws(made_of(*PLAIN, today=TODAY)) as plane, plane.in_environment():
        yield plane


def test_a_gap_neither_makes_a_rise_nor_hides_one():
    load = {NOW - 6: 900.0}
    lost = {("billed", NOW - 6), ("snapshot", NOW - 8)}
    quiet = Life(key="cluster-quiet", names=[(-999, "quiet")], lost=lost, every=1, keep=20)
    loud = Life(key="cluster-loud", names=[(-999, "loud")], loads=load, lost={("billed", NOW - 6)})
    review = costs.review(facts_of(made_of(quiet, loud, today=TODAY)))
    outlook = costs.look_ahead(connect(region="ap-northeast-1"), review, keep_days=10_000)
    assert [(hit.cluster, hit.part, hit.day) for hit in outlook.anomalies if not hit.routine] == [
        ("loud", "automated", TODAY - timedelta(days=5))
    ]


def test_of_forty_clusters_the_outlier_comes_first_and_apart_from_the_routine():
    forty = [
        Life(key=f"cluster-{number:02d}", names=[(-999, f"c{number:02d}")], volume=300 + 10 * number,
             changes=8.0 + number, every=7, keep=None if number % 2 else 30, first_taken=number % 7)
        for number in range(40)
    ]  # fmt: skip
    forty[17].loads = {NOW - 8: 2500.0}
    made = made_of(*forty, today=TODAY)
    review = costs.review(facts_of(made))
    outlook = costs.look_ahead(connect(region="ap-northeast-1"), review, keep_days=10_000)
    outliers = [hit for hit in outlook.anomalies if not hit.routine]
    assert [(hit.cluster, hit.part) for hit in outliers] == [("c17", "automated")]
    assert outlook.anomalies[0] is outliers[0]
    assert len(outlook.anomalies) > 40
    records, volume = sum(life.changes for life in forty), sum(life.volume for life in forty)
    assert outlook.grid.gib_a_day == pytest.approx(records)
    assert outlook.grid.volume_gib == pytest.approx(volume)
    last = outlook.together[34]
    expected = sum(35 * life.changes for life in forty) * USD
    held = sum(size for story in made.stories for taken, size, _ in story.left.values() if made.settled - taken >= 35)
    assert last.automated_usd == pytest.approx(expected)
    assert last.snapshots_usd == pytest.approx(held * USD)


def test_advice_counts_every_candidate_and_not_only_the_hundred_of_one_plan(made_plain):
    many = Life(key="cluster-many", names=[(-999, "many")], every=2, keep=None, volume=100)
    review = costs.review(facts_of(made_of(many, today=TODAY)))
    keeping = Keeping(region="ap-northeast-1", today=TODAY, usd_gib_month=USD, keep_days=35)
    plan = plan_cleanup(review.held, keeping, shared={})
    assert len(plan.delete) == 100
    assert len(plan.later) > 50
    entry = next(entry for entry in advice(review, plan, {}) if entry.kind == "snapshots")
    assert f"delete {len(plan.delete) + len(plan.later)} snapshots" in entry.what
    assert entry.saves_usd_month == pytest.approx((len(plan.delete) + len(plan.later)) * 100 * USD)
    kinds = [entry.kind for entry in advice(review, plan, {})]
    assert kinds == sorted(kinds, key=lambda kind: kind == "soon")


def test_february_of_a_renamed_cluster_with_gaps_is_a_least_amount_and_not_a_smaller_sum():
    today = date(2026, 3, 20)
    life = Life(key="cluster-feb", names=[(-999, "orders"), (NOW - 25, "orders-v2")], every=14, keep=None,
                lost={("billed", NOW - 40), ("volume", NOW - 40)})  # fmt: skip
    made = made_of(life, today=today)
    review = costs.review(facts_of(made, month=Month(2026, 2)))
    usd, missing = made.cost(made.stories[0], 2026, 2)
    assert missing == 1
    assert review.month.backup.usd == pytest.approx(usd)
    assert str(review.month.backup).startswith("at least $")
    assert review.clusters[0].cluster == "orders-v2"
    assert all(holding.of_living_cluster for holding in review.held)
    verdicts = {str(entry.month): entry for entry in show.bill.comparisons(review)}
    assert verdicts["2026-02"].not_comparable
    assert not verdicts["2026-02"].is_off


def test_a_month_whose_retention_the_metrics_do_not_tell_is_not_comparable_and_not_red():
    flaw = Life(
        key="cluster-flaw", names=[(-999, "flaw")], retention=[(-999, 7), (NOW - 20, 1), (NOW - 18, 7)], changes=50
    )
    review = costs.review(facts_of(made_of(flaw, today=TODAY)))
    november = show.bill.comparisons(review)[-1]
    assert not november.is_off
    assert november.incomparable_days >= 1
    assert review.month.backup.at_least is False


def test_the_bill_is_asked_for_the_fourteen_months_that_cost_explorer_has(tmp_path):
    made = made_of(PLAIN[0])
    now = datetime.now(UTC)
    with behind_aws(made) as plane, plane.in_environment():
        session = connect(region="ap-northeast-1")
        moment = now - timedelta(days=360)  # its thirteen months begin two years ago
        facts = costs.read(session, moment=moment, now=now, ask="bill")
    assert facts.bill.note == ""
    assert facts.bill.months[0].first == Month.holding(now).plus(-13).first
