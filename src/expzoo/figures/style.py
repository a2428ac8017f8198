"""How every figure looks: colours, markers and dashes of the arms, and a plain canvas.

Colours are safe for colour-blind readers, and every arm has a marker and a dash of its own, so that a figure can be
read printed in grey. No state is shared: figures are `matplotlib.figure.Figure` objects, never pyplot's.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from matplotlib.figure import Figure

from expzoo.report.colours import INK, MUTED, OUTCOMES, PAPER, RULE

if TYPE_CHECKING:
    from matplotlib.axes import Axes


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
_COLOURS = ("#8250b8", "#b07d00", "#b83280", "#0e8a94", "#6b7f1e", "#a0522d")
_MARKERS = "oPX<>pdh"
_DASHES = ("solid", (0, (5, 1.6)), (0, (2, 1.4)), (0, (6, 1.6, 1.5, 1.6)))


def style(arm: str) -> Style:
    """The colour, marker and dash of an arm: the same in every figure of every run."""
    if arm in ARMS:
        return ARMS[arm]
    digest = hashlib.sha256(arm.encode()).digest()
    return Style(
        _COLOURS[digest[0] % len(_COLOURS)], _MARKERS[digest[1] % len(_MARKERS)], _DASHES[digest[2] % len(_DASHES)]
    )


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
