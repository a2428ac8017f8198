"""The pictures of a contrast follow from its words: bars for arms, curves over what is swept, curves over time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import numpy as np

from expzoo.report import figures
from expzoo.report.figures.figure import Figure
from expzoo.store import records

if TYPE_CHECKING:
    import polars as pl

    from expzoo.analysis.studies.contrast.arms import Cell
    from expzoo.analysis.studies.contrast.judging import Seen

CURVE = "curve"  # the measure under which learning curves are kept
TUNING = "tuning"  # the measure under which the scores of a tuning are kept
FEWEST_LOG = 3  # levels from which an axis whose ratios are equal is logarithmic
_CAPTION = "Means over seeds with 95 % Student intervals"


def draw(cells: list[Cell], looks: Mapping[str, str], seen: Seen) -> Iterator[Figure]:
    """One picture for each measure, and the learning curves if they were looked at."""
    there = [cell for cell in cells if not cell.again and seen.has(cell)]
    for of, words in looks.items():
        swept = _swept(there)
        yield _over(swept, there, of, words, seen) if swept else _bars(there, of, words, seen)
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
    _chance(axes, of, seen)
    axes.set_ylabel(words)
    if len(groups) > 1:
        figures.legend(axes)
    caption = f"{_CAPTION}; dots are seeds.{_chance_words(of, seen)}"
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
    _chance(axes, of, seen)
    if len(points) >= FEWEST_LOG and min(points) > 0 and max(points) / min(points) > 5:
        axes.set_xscale("log")
        axes.set_xticks(points, [f"{point:g}" for point in points])
        axes.minorticks_off()
    axes.set(xlabel=factor, ylabel=words)
    figures.name_curves(axes)
    caption = f"{_CAPTION}.{_chance_words(of, seen)}"
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
    return Figure("learning_curves", "Learning curves", f"{_CAPTION}.", picture, curves)


def _chance(axes: object, of: str, seen: Seen) -> None:
    chance = float(seen.arrays[f"chance/{of}"])
    if np.isfinite(chance):
        axes.axhline(chance, color="0.6", linewidth=0.8, linestyle=":")  # type: ignore[attr-defined]


def _chance_words(of: str, seen: Seen) -> str:
    return " The dotted line is chance." if np.isfinite(float(seen.arrays[f"chance/{of}"])) else ""


def _name(of: str) -> str:
    return "".join(letter if letter.isalnum() else "_" for letter in of).strip("_")
