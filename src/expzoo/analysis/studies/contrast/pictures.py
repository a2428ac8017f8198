"""The pictures of a contrast follow from its words: bars for arms, curves over what is swept, curves over time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from expzoo.report import figures
from expzoo.report.figures.figure import Figure
from expzoo.store import records

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from expzoo.analysis.studies.contrast.arms import Cell
    from expzoo.analysis.studies.contrast.seen import Seen

CURVE = "curve"  # the measure under which learning curves are kept
LEARNING = "learning_curves"
TUNING = "tuning"  # the measure under which the scores of a tuning are kept
FEWEST_LOG = 3  # levels from which an axis whose ratios are equal is logarithmic
_CAPTION = "Means over seeds with 95 % Student intervals"


def draw(cells: list[Cell], looks: Mapping[str, str], seen: Seen) -> Iterator[Figure]:
    """One picture for each measure, and the learning curves if they were looked at."""
    there = [cell for cell in cells if not cell.again and seen.has(cell)]
    names: list[str] = []
    for of, words in looks.items():
        swept = _swept(there)
        picture = _over(swept, there, of, words, seen) if swept else _bars(there, of, words, seen)
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


def _bars(cells: list[Cell], of: str, words: str, seen: Seen) -> Figure:
    picture, (axes,) = figures.canvas(height=3.8)
    groups = dict.fromkeys(cell.levels for cell in cells)
    names = list(dict.fromkeys(cell.arm for cell in cells))
    by_cell = {(cell.arm, cell.levels): [*seen.values(cell, of).values()] for cell in cells}
    for index, levels in enumerate(groups):
        own = [name for name in names if (name, levels) in by_cell]
        values = np.array([by_cell[name, levels] for name in own]).T
        label = ", ".join(str(level) for _, level in levels) or "arms"
        labels = [name.replace("_", " ") for name in own]
        figures.bars(axes, labels, values, label, position=(index, len(groups)))
    chance = _chance(axes, cells, of, seen)
    axes.set_ylabel(words)
    if len(groups) > 1:
        figures.legend(axes)
    caption = f"{_CAPTION}; dots are seeds.{chance}"
    return Figure(_name(of), f"{words} by arm", caption, picture, records.select(seen.table, measure=of))


def _over(factor: str, cells: list[Cell], of: str, words: str, seen: Seen) -> Figure:
    picture, (axes,) = figures.canvas(height=4.2)
    lines: dict[str, dict[float, list[float]]] = {}
    for cell in cells:
        line = lines.setdefault(_series(cell, factor), {})
        line[float(dict(cell.levels)[factor])] = [*seen.values(cell, of).values()]
    points = sorted({x for line in lines.values() for x in line})
    for label, line in lines.items():
        x = sorted(line)
        figures.curve(axes, np.array(x), np.array([line[place] for place in x]).T, label)
    chance = _chance(axes, cells, of, seen)
    if len(points) >= FEWEST_LOG and min(points) > 0 and max(points) / min(points) > 5:
        axes.set_xscale("log")
        axes.set_xticks(points, [f"{point:g}" for point in points])
        axes.minorticks_off()
    axes.set(xlabel=factor, ylabel=words)
    figures.name_curves(axes)
    caption = f"{_CAPTION}.{chance}"
    return Figure(_name(of), f"{words} against {factor}", caption, picture, records.select(seen.table, measure=of))


def _learning(cells: list[Cell], curves: pl.DataFrame) -> Figure:
    picture, (axes,) = figures.canvas(height=4.2)
    for cell in cells:
        columns = {name: value for name, value in cell.columns().items() if name in curves.columns}
        steps, values = records.pivot(curves, "step", arm=cell.arm, **columns)
        figures.curve(axes, steps, values, _series(cell), markers=8)
    [metric], [split] = curves["metric"].unique().to_list(), curves["split"].unique().to_list()
    axes.set(xlabel="step", ylabel=f"{metric.replace('_', ' ')} on {split} data")
    figures.name_curves(axes)
    return Figure(LEARNING, "Learning curves", f"{_CAPTION}.", picture, curves)


def _chance(axes: Axes, cells: list[Cell], of: str, seen: Seen) -> str:
    """Draw the chance levels of the cells; what the caption says of them."""
    levels = sorted({level for cell in cells if np.isfinite(level := seen.chance(cell, of))})
    for level in levels:
        axes.axhline(level, color="0.6", linewidth=0.8, linestyle=":")
    return f" The dotted {'lines are' if len(levels) > 1 else 'line is'} chance." if levels else ""


def _name(of: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in of).strip("_") or "measure"


def _unused(name: str, taken: list[str]) -> str:
    """The name, or the first of name_2, name_3, ... that is not taken."""
    names = itertools.chain([name], (f"{name}_{number}" for number in itertools.count(2)))
    return next(one for one in names if one not in taken)
