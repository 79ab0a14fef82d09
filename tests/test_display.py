"""What is shown reads the same as text and as HTML, and cannot be broken by what it shows."""

from __future__ import annotations

import base64
from datetime import timedelta

from runbook_lib.backups import Held
from runbook_lib.display import Result, Table
from runbook_lib.display.backups import ways_table, window_figure
from runbook_lib.display.timeline import happened_sheet, proposal_sheet, timeline_figure
from runbook_lib.looking import Seen
from runbook_lib.restore import propose_second, ways_back
from runbook_lib.times import zone_named
from tests.builders import NOW, asked, cluster, dropped, glue_run, snapshot, timeline


def test_a_table_escapes_what_it_shows() -> None:
    html = Table(title="<b>", columns=("a",), rows=(("<script>alert(1)</script>",),)).html()
    assert "<script>" not in html
    assert "&lt;script&gt;" in html


def test_a_text_table_aligns_wide_characters_and_several_lines() -> None:
    text = str(Table(title="t", columns=("name", "rows, count"), rows=(("東京", 12), ("a\nb", 3000))))
    assert text.splitlines() == [
        "t",
        "name  rows, count",
        "────  ───────────",
        "東京           12",
        "a           3,000",
        "b",
    ]


def test_a_table_says_how_many_rows_it_left_out() -> None:
    table = Table(title="", columns=("a",), rows=((1,),), left_out=1234)
    assert "1,234 more rows" in str(table)
    assert "1,234 more rows" in table.html()


def test_a_result_is_text_html_and_json_at_once() -> None:
    result = Result(notebook="n", outcome="planned", headline="h", plan_id="abc", next=("do it",))
    bundle = result._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html", "application/json"}
    assert bundle["application/json"]["runbook_result"]["outcome"] == "planned"
    assert bundle["application/json"]["runbook_result"]["plan_id"] == "abc"
    assert "Planned, nothing was changed" in bundle["text/plain"]


def test_the_window_figure_is_a_png_that_also_says_it_in_words() -> None:
    figure = window_figure(
        cluster(),
        [snapshot(created=NOW - timedelta(days=2))],
        asked=NOW - timedelta(days=9),
        zone=zone_named("Asia/Tokyo"),
        now=NOW,
    )
    bundle = figure._repr_mimebundle_()
    assert base64.b64decode(bundle["image/png"]).startswith(b"\x89PNG")
    assert "outside the window" in bundle["text/plain"]


def test_the_board_says_what_could_not_be_looked_at_and_fits_a_terminal() -> None:
    blind = Held(
        snapshots=Seen(why_not="could not be looked at: permission x"), retained=Seen(), recovery_points=Seen()
    )
    ways = ways_back(cluster(), blind, asked=asked(NOW - timedelta(days=1)), now=NOW)
    board = ways_table(ways, cost_note="none", zone=zone_named("Asia/Tokyo"), now=NOW)
    text = str(board)
    assert "not looked at" in text
    assert "permission x" in text
    assert "Recommended: point-in-time restore" in text
    assert max(len(line) for line in text.splitlines()) <= 175


def test_a_timeline_is_shown_with_its_proposal_and_with_what_was_not_read() -> None:
    wiped = NOW - timedelta(hours=2)
    facts = timeline(
        runs=(glue_run(started=wiped - timedelta(minutes=1), state="FAILED"),),
        destructions=dropped(wiped, "rooms"),
        unread={"CloudWatch": "could not be looked at: permission cloudwatch:GetMetricData"},
    )
    zone, proposal = zone_named("Asia/Tokyo"), propose_second(facts)
    text = str(happened_sheet(facts, zone=zone))
    assert "1 × DROP TABLE; 1 not made again" in text
    assert "1 of 7 sources could not be read" in text
    assert "permission cloudwatch:GetMetricData" in text
    shown = str(proposal_sheet(proposal, window=cluster().window, asked=None, zone=zone, now=NOW))
    assert 'timestamp="2026-11-22T09:59:59Z"' in shown
    assert "one minute before" in shown
    picture = timeline_figure(facts, proposal, zone=zone)
    assert picture.png.startswith(b"\x89PNG")
    assert "Proposed: 2026-11-22 09:59:59 UTC" in picture.words


def test_a_timeline_of_nothing_is_shown_too() -> None:
    facts = timeline(log=False)
    proposal = propose_second(facts)
    assert "No second is proposed" in str(
        proposal_sheet(proposal, window=None, asked=None, zone=zone_named("UTC"), now=NOW)
    )
    assert timeline_figure(facts, proposal, zone=zone_named("UTC")).words.endswith("No second is proposed.")
