"""What a sweep found over one swept key, as lines or points with intervals, or over two, as heat maps."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from expzoo.report.figures.colours import INK, MUTED, PAPER
from expzoo.report.figures.draw import Series, legend
from expzoo.report.figures.figure import Figure
from expzoo.report.figures.style import Style, canvas, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes

MOST_SERIES = 8
MOST_CELLS = 200
_LIGHT, _DARK = "#e8eef5", "#0b4a86"

Setting = tuple[Any, ...]

_OF_MEASURE = "Means over seeds with 95 % Student intervals; without an interval there was one seed."
_OF_CLAIM = "The claim's effect with its interval. On an axis, the dashed line is the smallest effect that matters."
_OF_CELLS = " Each cell has the mean and half of the interval's width."


@dataclass(frozen=True)
class SurfacePoint:
    """A mean with its interval, NaN where there is none; n values are behind it."""

    mean: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Surface:
    """One quantity over the settings of a sweep: series -> setting -> point."""

    name: str
    title: str
    unit: str
    axes: tuple[str, ...]
    series: Mapping[str, Mapping[Setting, SurfacePoint]]
    smallest: float | None = None  # the smallest effect that matters, where it is a claim

    def values(self, axis: int) -> list[Any]:
        """The values of one axis, numbers in order before words."""
        found = {setting[axis] for points in self.series.values() for setting in points}
        return sorted(found, key=lambda value: (not _is_number(value), value if _is_number(value) else str(value)))


def draw(surface: Surface) -> Figure | None:
    """The picture of a surface over one or two keys; None over more, of which a table says it."""
    if len(surface.axes) == 1:
        figure = _lines(surface)
    elif len(surface.axes) == 2 and len(surface.values(0)) * len(surface.values(1)) <= MOST_CELLS:
        figure = _maps(surface)
    else:
        return None
    caption = _OF_CLAIM if surface.smallest is not None else _OF_MEASURE
    caption += _OF_CELLS if len(surface.axes) == 2 else ""
    return Figure(surface.name, surface.title, caption, figure, _data(surface))


def _lines(surface: Surface) -> Any:
    """One panel for each setting that an analysis varies by itself, such as sparsity; one line for each arm."""
    panels: dict[str, dict[str, Mapping[Setting, SurfacePoint]]] = {}
    for label, points in surface.series.items():
        arm, _, rest = label.partition(", ")
        panels.setdefault(rest, {})[arm] = points
    columns = min(2, len(panels))
    rows = -(-len(panels) // columns)
    size = {"width": 7.4, "height": 2.9 * rows} if columns > 1 else {}
    figure, grid = canvas(rows, columns, sharey=True, **size)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    for axes, (rest, arms) in zip(grid, panels.items(), strict=False):
        _panel(axes, surface, arms)
        axes.set_title(rest, loc="left", fontsize=10)
    if len(surface.series) > 1:
        named = {line.get_label(): line for axes in grid for line in axes.lines if isinstance(line, Series)}
        legend(grid[0], list(named.values()))
    return figure


def _panel(axes: Axes, surface: Surface, arms: Mapping[str, Mapping[Setting, SurfacePoint]]) -> None:
    values = surface.values(0)
    numbers = all(map(_is_number, values))
    shifts = np.linspace(-0.15, 0.15, len(arms)) if len(arms) > 1 else [0.0]
    for shift, (arm, points) in zip(shifts, arms.items(), strict=True):
        own = [value for value in values if (value,) in points]
        x = np.array(own if numbers else [values.index(value) + shift for value in own], float)
        table = np.array([[p.mean, p.low, p.high] for p in (points[(value,)] for value in own)]).reshape(-1, 3)
        look = style("ticket" if len(surface.series) == 1 else arm)
        _series(axes, x, table, arm, look, names=() if numbers else [str(value) for value in own])
    if not numbers:
        axes.set_xticks(range(len(values)), [str(value) for value in values])
    elif _is_geometric(values):
        axes.set_xscale("log")
        axes.set_xticks(values, [f"{value:g}" for value in values])
        axes.minorticks_off()
    if surface.smallest is not None:
        axes.axhline(0, color=MUTED, linewidth=0.9, zorder=1)
        axes.axhline(surface.smallest, color=INK, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    axes.set(xlabel=surface.axes[0], ylabel=surface.unit)


def _series(axes: Axes, x: np.ndarray, table: np.ndarray, label: str, look: Style, *, names: Sequence[str]) -> None:
    """One arm: a line with a band over numbers, points with strokes over words."""
    mean, low, high = table.T
    if names:
        axes.vlines(x, low, high, color=look.colour, linewidth=1.6, zorder=2)
    else:
        axes.fill_between(x, low, high, color=look.colour, alpha=0.16, linewidth=0)
    line = Series(x, mean, low=low, high=high, names=names, color=look.colour, label=label)
    line.set(marker=look.marker, markersize=5.5, markeredgecolor=PAPER, markeredgewidth=0.7, zorder=3)
    line.set(linestyle="none" if names else look.dash, linewidth=1.8)
    axes.add_line(line)
    axes.autoscale_view()


def _maps(surface: Surface) -> Any:
    from matplotlib.colors import LinearSegmentedColormap, Normalize

    down, across = surface.values(0), surface.values(1)
    labels = list(surface.series)
    columns = min(2, len(labels))
    rows = -(-len(labels) // columns)
    figure, panels = canvas(rows, columns, width=7.2, height=rows * (1.1 + 0.42 * len(down)))
    means = [point.mean for points in surface.series.values() for point in points.values()]
    scale = Normalize(*_range(surface, means))
    colours = LinearSegmentedColormap.from_list("expzoo", [_LIGHT, _DARK])
    for axes in panels[len(labels) :]:
        axes.set_visible(False)
    for axes, label in zip(panels, labels, strict=False):
        points = surface.series[label]
        grid = np.array([[points[a, b].mean if (a, b) in points else np.nan for b in across] for a in down])
        axes.imshow(grid, cmap=colours, norm=scale, aspect="auto", interpolation="nearest")
        for (row, column), mean in np.ndenumerate(grid):
            if np.isfinite(mean):
                point = points[down[row], across[column]]
                ink = PAPER if scale(mean) > 0.55 else INK
                axes.text(column, row, _words(point), ha="center", va="center", color=ink, fontsize=8)
        axes.set_xticks(range(len(across)), [str(value) for value in across])
        axes.set_yticks(range(len(down)), [str(value) for value in down])
        axes.set(xlabel=surface.axes[1], ylabel=surface.axes[0])
        axes.set_title(f"{label}: {surface.unit}" if len(labels) > 1 else surface.unit, loc="left", fontsize=10)
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
    return figure


def _range(surface: Surface, means: Sequence[float]) -> tuple[float, float]:
    """The ends of the colours, one scale for all maps: differences within the usual interval are not stretched."""
    widths = [p.high - p.low for points in surface.series.values() for p in points.values()]
    noise = float(np.median([width for width in widths if np.isfinite(width)] or [0.0]))
    middle, half = (min(means) + max(means)) / 2, max(max(means) - min(means), noise) / 2
    return middle - half, middle + half


def _words(point: SurfacePoint) -> str:
    half = (point.high - point.low) / 2
    return f"{point.mean:.3g}\n\N{PLUS-MINUS SIGN} {half:.2g}" if np.isfinite(half) else f"{point.mean:.3g}"


def _data(surface: Surface) -> pl.DataFrame:
    rows = [
        {key: str(value) for key, value in zip(surface.axes, setting, strict=True)}
        | {"series": label, "mean": p.mean, "low": _or_none(p.low), "high": _or_none(p.high), "n": p.n}
        for label, points in surface.series.items()
        for setting, p in points.items()
    ]
    return pl.DataFrame(rows)


def _or_none(number: float) -> float | None:
    return number if np.isfinite(number) else None


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_geometric(values: Sequence[float]) -> bool:
    """Whether the values are spread over more than a factor of eight."""
    return len(values) > 2 and min(values) > 0 and max(values) / min(values) > 8
