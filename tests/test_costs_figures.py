"""The pictures: nothing cut off, no labels over each other, told apart without colour, a table under each."""

from __future__ import annotations

import io
from datetime import date
from itertools import combinations

import numpy as np
import pytest
from matplotlib import image

from runbook_lib import costs
from runbook_lib.aws import connect
from runbook_lib.display import Figure, Table
from runbook_lib.display import costs as show
from runbook_lib.display import figure as drawing
from tests.costs_world import Sim, facts_of
from tests.matrix import release

TODAY = date(2026, 11, 22)


def sims(count):
    return [
        Sim(
            name=f"cluster-{number:03d}-with-a-rather-long-name-for-a-label"[: 12 + number % 30].rstrip("-"),
            volume=50 + number * 37 % 900,
            changes=number % 7 * 8,
            retention=(7, 1, 14, 35)[number % 4],
            keep=(30, None, 60)[number % 3],
            every=(7, 30)[number % 2],
        )
        for number in range(count)
    ]


@pytest.fixture(scope="module", params=[release(1), 12, release(200)])
def seen(request):
    """Return every sheet of a review, and the axes each figure was painted on."""
    axes_of, plain = {}, drawing.draw

    def watched(paint, *, title, **options):
        def watching(axes):
            paint(axes)
            axes_of[title] = axes

        return plain(watching, title=title, **options)

    with pytest.MonkeyPatch.context() as patch:
        for module in ("months", "clusters", "protection", "retention"):
            patch.setattr(f"runbook_lib.display.costs.{module}.draw", watched)
        review = costs.review(facts_of(sims(request.param), today=TODAY))
        # so many days to keep that there is no candidate, and nobody to ask whom it is shared with
        outlook = costs.look_ahead(connect(region="ap-northeast-1"), review, keep_days=10_000)
        sheets = [
            show.months_sheet(review),
            show.protection_sheet(outlook),
            show.retention_sheet(review, outlook),
            show.clusters_sheet(review, outlook),
        ]
    return sheets, axes_of


def figures(sheets):
    return [part for sheet in sheets for part in sheet.tables if isinstance(part, Figure)]


@pytest.mark.thorough
def test_no_labels_lie_over_each_other(seen):
    _, axes_of = seen
    assert len(axes_of) == 6
    for title, axes in axes_of.items():
        axes.figure.draw_without_rendering()  # at its own resolution again: the picture was saved at another
        renderer = axes.figure.canvas.get_renderer()
        legends = [text for legend in axes.figure.legends for text in legend.get_texts()]
        labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), *axes.texts, *legends, axes.title]
        labels += [axes.xaxis.label, axes.yaxis.label]
        shown = [label for label in labels if label.get_visible() and label.get_text()]
        boxes = [(label.get_text(), label.get_window_extent(renderer)) for label in shown]
        for (label, box), (other, second) in combinations(boxes, 2):
            assert not box.overlaps(second), f"{title}: {label!r} lies over {other!r}"


def test_nothing_is_cut_off_at_the_picture_s_edge(seen):
    sheets, _ = seen
    for figure in figures(sheets):
        pixels = image.imread(io.BytesIO(figure.png))[..., :3]
        for edge in (pixels[:2], pixels[-2:], pixels[:, :2], pixels[:, -2:]):
            assert edge.min() > 0.98, figure.title


def test_every_figure_asks_a_question_says_it_in_words_names_its_units_and_has_a_table_under_it(seen):
    sheets, axes_of = seen
    for sheet in sheets:
        for part, following in zip(sheet.tables, sheet.tables[1:], strict=False):
            if isinstance(part, Figure):
                assert "?" in part.title
                assert part.words
                assert isinstance(following, Table)
        assert isinstance(sheet.tables[-1], Table)
    for title, axes in axes_of.items():
        said = f"{title} {axes.get_xlabel()} {axes.get_ylabel()}"
        assert "USD" in said or "GiB" in said, title


def test_the_parts_of_a_stack_are_told_apart_in_grey_by_their_hatches(seen):
    _, axes_of = seen
    for title in ("What did Aurora's backups cost, month by month?", "What was billed on each day of 2026-11?"):
        hatches = [container.patches[0].get_hatch() for container in axes_of[title].containers if container.patches]
        drawn = [hatch for hatch in hatches if hatch]
        assert len(drawn) == len(set(drawn)) >= 2


def test_the_lines_of_a_chart_are_told_apart_by_their_strokes(seen):
    _, axes_of = seen
    lines = axes_of["What would another retention cost?"].get_lines()
    strokes = {line.get_label(): line.get_linestyle() for line in lines if not line.get_label().startswith("_")}
    assert len(set(strokes.values())) == len(strokes) >= 3


def test_the_heat_maps_numbers_are_readable_on_their_shade(seen):
    _, axes_of = seen
    axes = axes_of["What does protection cost by retention, and by snapshots? (USD a month)"]
    shades = axes.images[0]
    for text in axes.texts:
        column, row = text.get_position()
        rgb = np.array(shades.cmap(shades.norm(shades.get_array()[int(row), int(column)]))[:3])
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4) @ [0.2126, 0.7152, 0.0722]
        ink = 1.0 if text.get_color() == "white" else 0.0
        assert (max(ink, linear) + 0.05) / (min(ink, linear) + 0.05) >= 4.5  # WCAG's contrast for text


def test_long_tables_say_how_many_rows_they_leave_out(seen):
    sheets, _ = seen
    table = next(part for part in sheets[3].tables if isinstance(part, Table))
    assert len(table.rows) + table.left_out in (1, 12, 200)
    assert len(table.rows) <= 50
