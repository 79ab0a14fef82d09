"""What is shown reads the same as text and as HTML, and cannot be broken by what it shows."""

from __future__ import annotations

import base64
from datetime import timedelta

from runbook_lib.display import Result, Table
from runbook_lib.display.backups import window_figure
from runbook_lib.times import zone_named
from tests.builders import NOW, cluster, snapshot


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
