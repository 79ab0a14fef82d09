"""The proof as a picture: schemas down, verdicts across, each field as dark as its share of the schema's tables."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from runbook_lib.display.figure import BLUE, RED, Figure, draw
from runbook_lib.proof import LOST, VERDICTS, Proof, Verdict

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST = 30
_DARK = 0.55


def heat_map(proof: Proof) -> Figure:
    """Picture what became of the tables of each schema, those that lost most first."""
    schemas = dict(sorted(proof.schemas.items(), key=lambda item: (-_lost(item[1]), item[0]))[:MOST])

    def paint(axes: Axes) -> None:
        from matplotlib.patches import Rectangle

        for row, counts in enumerate(schemas.values()):
            for column, verdict in enumerate(VERDICTS):
                number, share, bad = counts[verdict], counts[verdict] / sum(counts.values()), verdict in LOST
                colour = (RED if bad else BLUE, 0.15 + 0.75 * share) if number else "white"
                # what is lost is hatched as well, so that it tells without colour too
                hatch = "///" if bad and number else None
                axes.add_patch(
                    Rectangle((column, row), 1, 1, facecolor=colour, edgecolor="white", linewidth=2, hatch=hatch)
                )
                axes.text(
                    column + 0.5,
                    row + 0.5,
                    f"{number:,}" if number else "·",
                    ha="center",
                    va="center",
                    color="white" if share > _DARK and not bad else "black",
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5} if hatch else None,
                )
        axes.set_xlim(0, len(VERDICTS))
        axes.set_ylim(len(schemas), 0)
        axes.set_xticks(
            [column + 0.5 for column in range(len(VERDICTS))], [_WORDS.get(word, word) for word in VERDICTS]
        )
        axes.set_yticks([row + 0.5 for row in range(len(schemas))], list(schemas))
        axes.xaxis.tick_top()
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel(f"number of tables; {_legend()}")

    return draw(
        paint,
        title="What became of the tables of each schema?",
        words=_words(proof, len(proof.schemas) - len(schemas)),
        width_in=8,
        height_in=1.5 + 0.36 * max(1, len(schemas)),
    )


_WORDS = {"new since": "rows added"}  # what the picture says for a proof's own word
_SAID = {"new since": "with rows added"}


def _lost(counts: Mapping[Verdict, int]) -> int:
    return sum(number for verdict, number in counts.items() if verdict in LOST)


def _legend() -> str:
    return "the darker, the larger its share of the schema; hatched is lost"


def _words(proof: Proof, left_out: int) -> str:
    lines = []
    for schema, counts in proof.schemas.items():
        seen = {verdict: number for verdict, number in counts.items() if number and verdict != "same"}
        named = [f"{number} {_SAID.get(verdict, verdict)}" for verdict, number in seen.items()]
        if named:
            lines.append(f"{schema}: {', '.join(named)} of {sum(counts.values())} tables")
    more = f" {left_out} more schemas are not in the picture." if left_out else ""
    return ("; ".join(lines) + "." if lines else _same(proof)) + more


def _same(proof: Proof) -> str:
    if proof.unseen:
        return "Every table that could be seen is the same; not all could be."
    return "Every table of every schema is the same."
