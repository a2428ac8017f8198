"""The pictures of a contrast follow from its words: bars for arms, curves over what is swept, curves over time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.report import figures
from expzoo.report.figures.figure import Figure
from expzoo.science.statistics import clopper_pearson
from expzoo.spec.score import Score
from expzoo.store import records

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from expzoo.analysis.studies.contrast.arms import Cell
    from expzoo.analysis.studies.contrast.published import Published
    from expzoo.analysis.studies.contrast.seen import Seen

CURVE = "curve"  # the measure under which learning curves are kept
LEARNING = "learning_curves"
TUNING = "tuning"  # the measure under which the scores of a tuning are kept
FEWEST_LOG = 3  # levels from which an axis whose ratios are equal is logarithmic
_MEANS = "Means over seeds with 95 % Student intervals"

Spans = tuple[np.ndarray, np.ndarray, np.ndarray]
"""Effects with the lower and upper ends of their intervals."""


@dataclass(frozen=True)
class Shown:
    """What one picture is of: a measure or, with `success`, the share of networks that reach something."""

    of: str
    words: str
    success: str = ""
    published: Published | None = None

    @property
    def axis(self) -> str:
        """What its axis says."""
        return "successful networks (%)" if self.success else self.words

    @property
    def caption(self) -> str:
        """What its intervals are."""
        if not self.success:
            return _MEANS
        sign, _, bound = self.success.partition(" ")
        least = "at most" if sign == "<=" else "at least"
        return f"A network succeeds if its {self.words} is {least} {bound}. Intervals are exact, of 95 %"

    def values(self, cells: Sequence[Cell], seen: Seen) -> tuple[np.ndarray, Spans | None]:
        """Of each cell the seeds' values, (seeds, cells); or the rates, (cells,), with their intervals."""
        if not self.success:
            return np.array([[*seen.values(cell, self.of).values()] for cell in cells]).T, None
        counts = (seen.successes(cell, self.of, self.success)[:2] for cell in cells)
        rates = [clopper_pearson(*count).scaled(100) for count in counts]
        effect, low, high = (np.array([getattr(rate, part) for rate in rates]) for part in ("effect", "low", "high"))
        return effect, (effect, low, high)


def draw(cells: list[Cell], shown: Sequence[Shown], seen: Seen) -> Iterator[Figure]:
    """One picture for each measure or success, and the learning curves if they were looked at."""
    there = [cell for cell in cells if not cell.again and seen.has(cell)]
    names: list[str] = []
    for one in shown:
        swept = _swept(there)
        picture = _over(swept, there, one, seen) if swept else _bars(there, one, seen)
        names.append(_unused(picture.name, [*names, LEARNING]))
        yield replace(picture, name=names[-1])
    curves = records.select(seen.table, measure=CURVE)
    if not curves.is_empty():
        yield _learning(there, curves)


def _swept(cells: list[Cell]) -> str:
    """The first factor whose levels are numbers."""
    names = [factor for factor, level in cells[0].levels if isinstance(level, int | float)] if cells else []
    return next((f for f in names if len({level for cell in cells for g, level in cell.levels if g == f}) > 1), "")


def _series(cell: Cell, without: str = "") -> str:
    """How a cell's line is called."""
    parts = [f"{level}" for factor, level in cell.levels if factor != without]
    return ", ".join([cell.arm.replace("_", " "), *parts])


def _bars(cells: list[Cell], shown: Shown, seen: Seen) -> Figure:
    picture, (axes,) = figures.canvas(height=3.8)
    groups = dict.fromkeys(cell.levels for cell in cells)
    names = list(dict.fromkeys(cell.arm for cell in cells))
    by_place = {(cell.arm, cell.levels): cell for cell in cells}
    marked = False
    for index, levels in enumerate(groups):
        own = [by_place[name, levels] for name in names if (name, levels) in by_place]
        values, spans = shown.values(own, seen)
        label = ", ".join(str(level) for _, level in levels) or "arms"
        labels = [cell.arm.replace("_", " ") for cell in own]
        low, high = spans[1:] if spans else (None, None)
        bars = figures.bars(axes, labels, values, label, position=(index, len(groups)), low=low, high=high)
        marked |= _published(axes, dict(zip(own, bars.x, strict=True)), shown)
    chance = _chance(axes, cells, shown, seen)
    axes.set_ylabel(shown.axis)
    if len(groups) > 1:
        figures.legend(axes)
    dots = "" if shown.success else "; dots are seeds"
    caption = f"{shown.caption}{dots}.{chance}{_told(shown, 'Black dashes') if marked else ''}"
    return Figure(_name(shown), f"{shown.axis} by arm", caption, picture, records.select(seen.table, measure=shown.of))


def _over(factor: str, cells: list[Cell], shown: Shown, seen: Seen) -> Figure:
    picture, (axes,) = figures.canvas(height=4.2)
    lines: dict[str, dict[float, Cell]] = {}
    for cell in cells:
        lines.setdefault(_series(cell, factor), {})[float(dict(cell.levels)[factor])] = cell
    points = sorted({x for line in lines.values() for x in line})
    marked = False
    for label, line in lines.items():
        x = sorted(line)
        values, spans = shown.values([line[place] for place in x], seen)
        low, high = spans[1:] if spans else (None, None)
        curve = figures.curve(axes, np.array(x), values, label, low=low, high=high)
        places = {line[place]: place for place in x}
        marked |= _published(axes, places, shown, curve.get_color())
    chance = _chance(axes, cells, shown, seen)
    if len(points) >= FEWEST_LOG and min(points) > 0 and max(points) / min(points) >= 5:
        axes.set_xscale("log")
        axes.set_xticks(points, [f"{point:g}" for point in points])
        axes.minorticks_off()
    axes.set(xlabel=factor, ylabel=shown.axis)
    figures.name_curves(axes)
    caption = f"{shown.caption}.{chance}{_told(shown, 'Rings') if marked else ''}"
    title = f"{shown.axis} against {factor}"
    return Figure(_name(shown), title, caption, picture, records.select(seen.table, measure=shown.of))


def _published(axes: Axes, places: Mapping[Cell, float], shown: Shown, color: Any = None) -> bool:
    """Mark what was published of these cells: rings of a colour, or black dashes; whether there is anything."""
    values = shown.published.values if shown.published else {}
    there = {x: values[cell] for cell, x in places.items() if cell in values}
    [line] = axes.plot([*there], [*there.values()], "k_", markersize=12, markeredgewidth=1.4, zorder=6)
    if color is not None:
        line.set(marker="o", color=color, markerfacecolor="none", markersize=10, markeredgewidth=1.0)
    return bool(there)


def _told(shown: Shown, marks: str) -> str:
    return f" {marks} are published values, {shown.published.source}." if shown.published else ""


def _learning(cells: list[Cell], curves: pl.DataFrame) -> Figure:
    picture, (axes,) = figures.canvas(height=4.2)
    [metric], [split] = curves["metric"].unique().to_list(), curves["split"].unique().to_list()
    for cell in cells:
        columns = {name: value for name, value in cell.columns().items() if name in curves.columns}
        steps, values = records.pivot(curves, "step", arm=cell.arm, **columns)
        figures.curve(axes, steps, values, _series(cell), markers=8, bounds=Score.bounds(metric))
    axes.set(xlabel="step", ylabel=f"{metric.replace('_', ' ')} on {split} data")
    figures.name_curves(axes)
    return Figure(LEARNING, "Learning curves", f"{_MEANS}.", picture, curves)


def _chance(axes: Axes, cells: list[Cell], shown: Shown, seen: Seen) -> str:
    """Draw the chance levels of the cells; what the caption says of them."""
    if shown.success:
        return ""
    levels = sorted({level for cell in cells if np.isfinite(level := seen.chance(cell, shown.of))})
    for level in levels:
        axes.axhline(level, color="0.6", linewidth=0.8, linestyle=":")
    return f" The dotted {'lines are' if len(levels) > 1 else 'line is'} chance." if levels else ""


def _name(shown: Shown) -> str:
    text = "success" if shown.success else shown.of
    return "".join(letter if letter.isalnum() else "_" for letter in text).strip("_") or "measure"


def _unused(name: str, taken: list[str]) -> str:
    """The name, or the first of name_2, name_3, ... that is not taken."""
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(one for one in names if one not in taken)
