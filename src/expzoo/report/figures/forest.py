"""The forest plot: every claim's effect with its interval, zero, and the smallest effect that matters."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from expzoo.report.figures.colours import INK, MUTED, PAPER
from expzoo.report.figures.draw import Series
from expzoo.report.figures.figure import Figure
from expzoo.report.figures.style import VERDICTS, canvas
from expzoo.science import wording

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from expzoo.science.verdicts import Verdict

_CAPTION = (
    "Each claim's effect with its interval. The upright line is no effect; the small stroke in each row is the "
    "smallest effect that matters: a claim is supported where its whole interval lies beyond the stroke."
)


def forest(verdicts: Sequence[Verdict | Mapping[str, Any]]) -> Figure:
    """The verdicts, or their JSON objects, as a figure named `verdicts`; claims of one unit share an axis."""
    claims = wording.as_verdicts(verdicts)
    units = list(dict.fromkeys(claim.unit for claim in claims)) or [""]
    groups = [[claim for claim in claims if claim.unit == unit] for unit in units]
    ratios = [len(group) + 0.2 for group in groups]
    height = 0.34 * sum(ratios) + 0.62 * len(units)
    figure, panels = canvas(len(units), height=height, height_ratios=ratios)
    for axes, unit, group in zip(panels, units, groups, strict=True):
        _panel(axes, unit, group)
    return Figure("verdicts", "Every claim's effect", _CAPTION, figure, _data(claims))


def _panel(axes: Axes, unit: str, claims: Sequence[Verdict]) -> None:
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)
    axes.axvline(0, color=MUTED, linewidth=0.9, zorder=1)
    axes.set_ylim(len(claims) - 0.4, -0.6)
    for row, claim in enumerate(claims):
        _row(axes, row, claim)
    axes.set_yticks(range(len(claims)), [claim.claim.rpartition(".")[2].replace("_", " ") for claim in claims])
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel(f"effect ({unit})" if unit else "effect")
    axes.margins(x=0.08)
    axes.locator_params(axis="x", nbins=4)  # labels such as -0.025 are wide
    axes.autoscale_view(scaley=False)


def _row(axes: Axes, row: int, claim: Verdict) -> None:
    look, low, high = VERDICTS[claim.verdict], *claim.interval
    ends = wording.thresholds(claim)
    axes.vlines(ends, row - 0.27, row + 0.27, color=INK, linewidth=1.1, zorder=2)
    axes.hlines(row, low, high, color=look.colour, linewidth=2.2, zorder=3)
    point = Series(
        np.array([claim.effect]),
        np.array([row]),
        low=np.array([low]),
        high=np.array([high]),
        names=[claim.claim],
        across=True,
        label=claim.verdict,
        linestyle="none",
        color=look.colour,
        marker=look.marker,
        markersize=7.5,
        markeredgecolor=PAPER,
        zorder=4,
    )
    axes.add_line(point)
    axes.text(
        1.02,
        row,
        claim.verdict,
        transform=axes.get_yaxis_transform(),
        va="center_baseline",
        color=look.colour,
        fontsize=9,
    )


def _data(claims: Sequence[Verdict]) -> pl.DataFrame:
    numbers = {
        "effect": pl.Float64,
        "low": pl.Float64,
        "high": pl.Float64,
        "smallest_effect": pl.Float64,
        "n": pl.Int64,
    }
    words = {"claim": pl.String, "unit": pl.String, "direction": pl.String, "verdict": pl.String}
    rows = [
        claim.to_json() | dict(zip(("low", "high"), map(_or_none, claim.interval), strict=True)) for claim in claims
    ]
    return pl.DataFrame([{name: row[name] for name in (words | numbers)} for row in rows], schema=words | numbers)


def _or_none(number: float) -> float | None:
    return None if math.isnan(number) else number
