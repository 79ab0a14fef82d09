"""No number shown or exported becomes smaller without saying "at least": each source, each point lost in turn."""

from __future__ import annotations

import os
import random
import re
from dataclasses import replace
from datetime import date
from itertools import product

import pytest

from runbook_lib import costs
from runbook_lib.aws import connect
from runbook_lib.costs.export import tables
from runbook_lib.display import Figure, Table
from runbook_lib.display import costs as show
from runbook_lib.display.stack import Stack
from tests.costs_days import METRICS, Life, facts_of, lived

DAYS = 430
NOW = DAYS - 1
TODAY = date(2026, 11, 22)
SAID = re.compile(
    r"at least|≥|least amount|not known|not measured|not comparable|by the days measured|not drawn|not all is known",
    re.I,
)
MONEY = re.compile(r"\$[\d,]+\.\d+|[\d,]+(?:\.\d+)? (?:GiB|GB-months)")
LIVES = [
    Life(key="cluster-one", names=[(-999, "one")], every=1, keep=20, tags={"team": "a"}),
    Life(key="cluster-two", names=[(-999, "two"), (NOW - 14, "two-new")], every=10, keep=None, volume=300),
    Life(key="cluster-new", names=[(-999, "new")], born=NOW - 12, changes=9.0),
    Life(key="cluster-bare", names=[(-999, "bare")], changes=11.0, says_nothing_outside=True, tags={"team": "b"}),
]
_LABELS = ("month", "cluster", "owner", "snapshot", "what", "retention_days", "kind")


def seen(facts):
    """Return the whole of a review: every sheet of the notebook, and every table that it exports."""
    review = costs.review(facts)
    session = connect(region="ap-northeast-1")
    outlook = costs.look_ahead(session, review, keep_days=10_000, budget=90.0)  # no candidate: no shares are asked for
    with pytest.MonkeyPatch.context() as patch:  # the pictures' words are looked at, so none is painted
        for module in ("months", "clusters", "protection", "retention"):
            patch.setattr(f"runbook_lib.display.costs.{module}.draw", unpainted)
        sheets = _sheets(review, outlook)
    return sheets, tables(review, outlook, "123456789012")


def unpainted(_paint, *, title, words, **_):
    return Figure(title=title, words=words, png=b"")


def _sheets(review, outlook):
    return {
        "first": show.first_screen(review, outlook),
        "months": show.months_sheet(review),
        "held": show.held_sheet(review),
        "protection": show.protection_sheet(outlook),
        "retention": show.retention_sheet(review, outlook),
        "bill": show.bill_sheet(review, outlook),
        "clusters": show.clusters_sheet(review, outlook),
        "advice": show.advice_sheet(outlook, approve=""),
    }


def amounts(sheets, exported):
    """Return every amount by where it is shown: the number, and whether it or what it is shown in says "at least"."""
    found = {}
    for name, sheet in sheets.items():
        for place, number, said in _shown(sheet, (name,), False):
            found.setdefault(place, (number, said))
    for name, (columns, rows) in exported.items():
        if name.startswith("focus"):
            continue
        for index, row in enumerate(rows):
            label = tuple(str(row[key]) for key in _LABELS if row.get(key) is not None)
            for column, kind in columns.items():
                value = row.get(column)
                if kind == "number" and value is not None and value == value:
                    said = column in (row.get("least_amounts") or "").split() or bool(row.get("is_least_amount"))
                    said = said or any(SAID.search(cell) for cell in row.values() if isinstance(cell, str))
                    place = ("export", name, *(label or (str(index),)), column)
                    found.setdefault(place, (float(value), said))
    return found


def _shown(part, place, said):
    if isinstance(part, Stack):
        said = said or bool(SAID.search(part.headline))
        yield from _of_text(part.headline, (*place, "headline"), said)
        for index, table in enumerate(part.tables):
            yield from _shown(table, (*place, index), said)
    elif isinstance(part, Table):
        said = said or bool(SAID.search(f"{part.title} {part.note}"))
        yield from _of_text(part.title, (*place, "title"), said)
        for row in part.rows:
            row_says = said or any(isinstance(cell, str) and SAID.search(cell) for cell in row)
            for column, cell in zip(part.columns, row, strict=False):
                if isinstance(cell, int | float) and not isinstance(cell, bool):
                    yield (*place, str(row[0]), column), float(cell), row_says
                elif isinstance(cell, str):
                    yield from _of_text(cell, (*place, str(row[0]), column), row_says)
    else:
        yield from _of_text(part.words, (*place, "words"), said or bool(SAID.search(part.words)))


def _of_text(text, place, said):
    for index, number in enumerate(MONEY.findall(text)):
        yield (*place, index), float(re.sub(r"[^\d.]", "", number)), said


def smaller_in_silence(whole, fewer):
    """Return the places whose number became smaller without a word: sums, and rates, means, ranges, differences too.

    A sum says "at least" then. What is no sum may move either way, and says that it is of the days measured.
    """
    return [
        (place, before, fewer[place][0])
        for place, (before, _) in whole.items()
        if place in fewer and not fewer[place][1] and fewer[place][0] < before - 0.006
    ]


ALL = list(product(range(len(LIVES)), METRICS, range(NOW - 40, NOW + 1)))
SEARCHED = int(os.environ.get("RUNBOOK_POINTS", "5"))  # RUNBOOK_POINTS=656 looks at each, in some four minutes


@pytest.fixture(scope="module")
def whole():
    return amounts(*seen(facts_of(lived(LIVES, today=TODAY, days=DAYS))))


@pytest.mark.parametrize("points", [SEARCHED, pytest.param(12 * SEARCHED, marks=pytest.mark.thorough)])
def test_no_point_that_is_lost_makes_anything_shown_or_exported_smaller_in_silence(whole, points):
    for index, metric, day in random.Random(points).sample(ALL, min(points, len(ALL))):
        holed = [replace(life, lost={(metric, day)}) if place == index else life for place, life in enumerate(LIVES)]
        fewer = amounts(*seen(facts_of(lived(holed, today=TODAY, days=DAYS))))
        assert smaller_in_silence(whole, fewer) == [], (LIVES[index].key, metric, day)


@pytest.mark.parametrize(
    "metric", [pytest.param(metric, marks=[pytest.mark.thorough] * (metric != "billed")) for metric in METRICS]
)
def test_no_metric_that_is_lost_makes_anything_shown_or_exported_smaller_in_silence(whole, metric):
    for index in range(len(LIVES)):
        lost = {(metric, day) for day in range(DAYS)}
        holed = [replace(life, lost=lost) if place == index else life for place, life in enumerate(LIVES)]
        fewer = amounts(*seen(facts_of(lived(holed, today=TODAY, days=DAYS))))
        assert smaller_in_silence(whole, fewer) == [], (LIVES[index].key, metric)


@pytest.mark.parametrize("what", ["snapshots", "AWS Backup's snapshots", "retained automated backups"])
def test_no_list_that_is_denied_makes_anything_shown_or_exported_smaller_in_silence(whole, what):
    made = lived(LIVES, today=TODAY, days=DAYS)
    facts = facts_of(made)
    unseen = (f"{what} could not be looked at: AccessDenied",)
    estate = replace(facts.estate, unseen=unseen, snapshots=() if what == "snapshots" else facts.estate.snapshots)
    fewer = amounts(*seen(replace(facts, estate=estate)))
    assert smaller_in_silence(whole, fewer) == []
