"""The essay's figures 4 to 7 again: success, boards and cells that are right, against the width of the network."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from expzoo.analysis.studies.life import claims
from expzoo.analysis.studies.life.networks import BOARDS, CELLS, KNOWN, counts
from expzoo.report import figures
from expzoo.report.figures.colours import PAPER
from expzoo.report.figures.figure import Figure
from expzoo.science.statistics import clopper_pearson
from expzoo.store import records

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from matplotlib.axes import Axes

Interval = tuple[np.ndarray, np.ndarray, np.ndarray]
AXIS = "width m (times the smallest network)"
_COLUMNS = ("curve", "x", "successes", "networks", "percent", "low", "high")


@dataclass(frozen=True)
class Curve:
    """Networks that differ in their width only, at `x`, in order; `cell` holds their other columns."""

    label: str
    cell: dict[str, Any]
    x: list[float]


def success(table: pl.DataFrame, *, essay: bool = True) -> Figure:
    """Share of successful networks with exact binomial intervals, one curve for each number of steps.

    Rings show what was published of the essay's game.
    """
    picture, (axes,) = figures.canvas(height=3.8)
    drawn, intervals, rows = curves(table), [], []
    for curve in drawn:
        points = [counts(table, **curve.cell, m=x) for x in curve.x]
        estimates = [clopper_pearson(*point).scaled(100) for point in points]
        effect, low, high = (np.array([getattr(e, part) for e in estimates]) for part in ("effect", "low", "high"))
        intervals.append((effect, low, high))
        numbers = zip(curve.x, *zip(*points, strict=True), effect, low, high, strict=True)
        rows += [dict(zip(_COLUMNS, (curve.label, *row), strict=True)) for row in numbers]
    lines = _draw(axes, drawn, intervals)
    rings = [essay and _rings(axes, line, curve, _published(curve)) for curve, line in zip(drawn, lines, strict=True)]
    axes.set(ylabel="successful networks (%)", ylim=(-4, 104))
    if not _is_one_point(drawn):
        figures.name_curves(axes)
    caption = "A network succeeds if it gets every cell of 1000 boards of 5 x 5 right. Intervals are exact, of 95 %."
    if any(rings):
        caption += " Rings are the essay's, of 20 networks each: its text and figures 4 and 6."
    return Figure("success", "How often a network learns the game", caption, picture, pl.DataFrame(rows))


def correct(table: pl.DataFrame, base: Mapping[int, tuple[float, float]], *, essay: bool = True) -> Figure:
    """Boards and cells that are right, beside what `all dead` gets right, `base` from steps to (cells, boards)."""
    picture, panels = figures.canvas(1, 2, width=7.4, height=3.9, sharex=True)
    ringed, drawn, words = False, curves(table), {BOARDS: "boards right in every cell (%)", CELLS: "cells right (%)"}
    for axes, metric in zip(panels, words, strict=True):
        intervals = []
        for curve in drawn:
            _, values = records.pivot(table, "m", metric=metric, end=True, **curve.cell)
            intervals.append(figures.interval(values))
        lines = _draw(axes, drawn, intervals)
        rings = []
        for curve, line in zip(drawn, lines, strict=True):
            rings.append(essay and metric == BOARDS and _rings(axes, line, curve, _published_boards(curve)))
            cells, boards = base[curve.cell["game_steps"]]
            level = boards if metric == BOARDS else cells
            axes.axhline(level, color=line.get_color(), linewidth=0.9, linestyle=":")
        ringed |= any(rings)
        axes.set(ylabel=words[metric], ylim=(-4, 104))
    if not _is_one_point(drawn):
        figures.legend(panels[0])
    caption = (
        "Means over networks with 95 % Student intervals. Dotted, in each curve's colour: what the answer that every "
        "cell is dead gets right. The essay's figures 5 and 7 say tiles, its script counts whole boards."
    )
    caption += " Rings were read off them, means of 20 networks each." * ringed
    data = records.select(table, metric=[BOARDS, CELLS], end=True).drop("key")
    return Figure("correct", "Boards and cells that are right", caption, picture, data)


def curves(table: pl.DataFrame) -> list[Curve]:
    """The curves of a grid over the widths."""
    trained = table.filter(table["arm"] != KNOWN)
    columns = ["arm", "game_steps"]
    found = []
    for values in trained.select(columns).unique().sort(columns).iter_rows():
        cell = dict(zip(columns, values, strict=True))
        steps = f"{cell['game_steps']} step" + "s" * (cell["game_steps"] > 1)
        words = [steps] * (trained["game_steps"].n_unique() > 1)
        words += [cell["arm"]] * (trained["arm"].n_unique() > 1)
        x = sorted({*records.select(trained, **cell)["m"].to_list()})
        found.append(Curve(", ".join(words) or steps, cell, x))
    return found


def _is_one_point(drawn: Sequence[Curve]) -> bool:
    return len({x for curve in drawn for x in curve.x}) == 1


def _draw(axes: Axes, drawn: Sequence[Curve], intervals: Sequence[Interval]) -> list[figures.Series]:
    """Curves with bands; of curves of one point each, points with bars side by side."""
    lines, looks = [], []
    if _is_one_point(drawn):
        for index, (curve, (effect, low, high)) in enumerate(zip(drawn, intervals, strict=True)):
            looks.append(look := figures.style(curve.label, looks))
            axes.vlines([index], low, high, color=look.colour, linewidth=2)
            line = figures.Series(np.array([index]), effect, low=low, high=high, names=[curve.label], linestyle="none")
            line.set(color=look.colour, marker=look.marker, markersize=7, markeredgecolor=PAPER, label=curve.label)
            lines.append(line)
            axes.add_line(line)
        axes.set_xticks(range(len(drawn)), [curve.label for curve in drawn])
        axes.set_xlim(-0.6, len(drawn) - 0.4)
        return lines
    for curve, (effect, low, high) in zip(drawn, intervals, strict=True):
        lines.append(figures.curve(axes, np.array(curve.x), effect, curve.label, low=low, high=high))
    ticks = sorted({x for curve in drawn for x in curve.x})
    axes.set_xscale("log")
    axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set_xlabel(AXIS)
    return lines


def _rings(axes: Axes, line: figures.Series, curve: Curve, published: Mapping[float, float]) -> bool:
    """Rings at what was published, in percent, of the widths that were trained; whether there are any."""
    x = dict(zip(curve.x, line.x, strict=True))  # a curve of one point has its position among the others
    shown = {x[m]: 100 * rate for m, rate in published.items() if m in x}
    axes.plot([*shown], [*shown.values()], "o", color=line.get_color(), markerfacecolor="none", markersize=10)
    return bool(shown)


def _published(curve: Curve) -> dict[float, float]:
    """The success rates that were published of this curve, by width, where it is the same setting."""
    steps = curve.cell["game_steps"]
    if curve.cell["arm"] == "plain":
        return {1: claims.PUBLISHED_PLAIN} if steps == 1 else {}
    return {**claims.PUBLISHED.get(steps, {})}


def _published_boards(curve: Curve) -> dict[float, float]:
    """The shares of boards that were published of this curve, by width, where it is the same setting."""
    return {**claims.PUBLISHED_BOARDS.get(curve.cell["game_steps"], {})} if curve.cell["arm"] == "smooth" else {}
