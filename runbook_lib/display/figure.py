"""Static figures: a picture and what it says in words."""

from __future__ import annotations

import base64
import io
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Okabe and Ito's palette: told apart by colour-blind readers; shapes and words say the same again for grey print.
BLUE, ORANGE, GREEN, RED, GREY = "#0072B2", "#E69F00", "#009E73", "#D55E00", "#666666"


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A PNG picture with the same message as text, for readers and machines that do not see it.

    `across` is where its axis begins and ends, as parts of the width: what is laid under it can be lined up.
    """

    title: str
    words: str
    png: bytes = field(repr=False)
    across: tuple[float, float] = (0.0, 1.0)

    def __str__(self) -> str:
        return f"{self.title}\n{self.words}"

    def _repr_mimebundle_(self, **_: Any) -> dict[str, Any]:
        return {"text/plain": str(self), "image/png": base64.b64encode(self.png).decode()}

    def html(self) -> str:
        """Write the picture as self-contained HTML, with its message as the text for those who do not see it."""
        data = base64.b64encode(self.png).decode()
        style = "max-width:100%;background:white"
        return (
            f'<img src="data:image/png;base64,{data}" alt="{escape(f"{self.title} {self.words}")}" style="{style}">'
            f'<div style="font-size:13px;margin:.2em 0 .8em">{escape(self.words)}</div>'
        )


def draw(
    paint: Callable[[Axes], None], *, title: str, words: str, width_in: float = 10, height_in: float = 3
) -> Figure:
    """Paint on fresh axes and give the closed picture. `title` is the question the picture answers.

    No pyplot: a figure it knows would be shown a second time by the notebook.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure as Canvas

    canvas = Canvas(figsize=(width_in, height_in), layout="constrained")
    FigureCanvasAgg(canvas)
    axes = canvas.subplots()
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    axes.set_title(title, loc="left", fontsize=12, fontweight="bold")
    paint(axes)
    buffer = io.BytesIO()
    canvas.savefig(buffer, format="png", dpi=110, facecolor="white")
    place = axes.get_position()
    return Figure(title=title, words=words, png=buffer.getvalue(), across=(place.x0, place.x1))


def time_axis(axes: Any, zone: ZoneInfo) -> None:
    """Write the horizontal axis as times of a zone."""
    from matplotlib import dates

    untyped: Any = dates
    locator = untyped.AutoDateLocator(tz=zone)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(untyped.ConciseDateFormatter(locator, tz=zone))
