"""How every figure looks: colours, markers and dashes of the arms, and a plain canvas.

Colours are safe for colour-blind readers, and every arm has a marker and a dash of its own, so that
a figure can be read printed in grey. No state is shared: figures are `matplotlib.figure.Figure`
objects, never pyplot's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeVar

from matplotlib.figure import Figure

from expzoo.report.figures.colours import INK, MUTED, OUTCOMES, PAPER, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes

T = TypeVar("T")


@dataclass(frozen=True)
class Style:
    """How one arm looks in every figure."""

    colour: str
    marker: str
    dash: Any = "solid"


ARMS: Mapping[str, Style] = MappingProxyType(
    {
        "dense": Style("#57606a", "s"),
        "ticket": Style("#c2410c", "o"),
        "random": Style("#0969b5", "^", (0, (5, 1.6))),
        "random_nested": Style("#3d9bd9", "v", (0, (2, 1.4))),
        "reinit": Style("#0b8a5f", "D", (0, (6, 1.6, 1.5, 1.6))),
    }
)
_OUTCOME_MARKERS = {"supported": "o", "not supported": "X", "inconclusive": "D", "withheld": "s"}
VERDICTS: Mapping[str, Style] = MappingProxyType(
    {outcome: Style(OUTCOMES[outcome], marker) for outcome, marker in _OUTCOME_MARKERS.items()}
)
_COLOURS = ("#c2410c", "#0969b5", "#0b8a5f", "#8250b8", "#b07d00", "#b83280", "#0e8a94", "#57606a")
_MARKERS = "o^DsvPX<>pdh"
_DASHES = ("solid", (0, (5, 1.6)), (0, (2, 1.4)), (0, (6, 1.6, 1.5, 1.6)))


def style(arm: str, others: Sequence[Style] = ()) -> Style:
    """The colour, marker and dash of an arm, apart from those of the `others` of its picture.

    The arms of `ARMS` look the same in every figure of every run; for another it is where its name starts to choose.
    """
    if arm in ARMS:
        return ARMS[arm]
    start = int.from_bytes(hashlib.sha256(arm.encode()).digest()[:4], "big")
    return Style(
        _free(_COLOURS, start, [other.colour for other in others]),
        _free(_MARKERS, start // 7, [other.marker for other in others]),
        _free(_DASHES, start // 77, [other.dash for other in others]),
    )


def _free(choices: Sequence[T], start: int, taken: Sequence[T]) -> T:
    """The first choice from `start` on that is taken least often."""
    ordered = [choices[(start + i) % len(choices)] for i in range(len(choices))]
    return min(ordered, key=taken.count)


def canvas(
    rows: int = 1, columns: int = 1, *, width: float = 6.4, height: float = 3.7, **options: Any
) -> tuple[Figure, list[Axes]]:
    """A figure of the given size in inches and its axes, row by row, in the house style.

    `options` go to `matplotlib.figure.Figure.subplots` (sharex, sharey, height_ratios, ...).
    """
    figure = Figure(figsize=(width, height), layout="constrained", facecolor=PAPER)
    grid = list(figure.subplots(rows, columns, squeeze=False, **options).flat)
    for axes in grid:
        _dress(axes)
    return figure, grid


def _dress(axes: Axes) -> None:
    axes.set_facecolor("none")
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=MUTED, linewidth=0.8)
    axes.tick_params(color=MUTED, labelcolor=INK, labelsize=9, width=0.8, length=3)
    axes.xaxis.label.set(color=INK, fontsize=10)
    axes.yaxis.label.set(color=INK, fontsize=10)
    axes.title.set(color=INK, fontsize=10.5)
    axes.grid(visible=True, axis="y", color=RULE, linewidth=0.6)
    axes.set_axisbelow(True)
