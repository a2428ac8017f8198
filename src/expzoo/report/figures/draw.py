"""The pictures most analyses need: curves with intervals, bars with seeds, masks, and names beside what they name."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.colors import to_rgba
from matplotlib.lines import Line2D
from matplotlib.ticker import AutoLocator, MaxNLocator

from expzoo.report.figures.colours import INK, MUTED, PAPER
from expzoo.report.figures.style import Style, canvas, style

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_GOLDEN = 0.618034


class Series(Line2D):
    """A line that remembers its interval, so that a page can show values where the reader points.

    `low` and `high` bound the value of each point, NaN where there is no interval; `names` say the
    points in words. `across` means that values run along x and points along y, as in a forest plot.
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        *,
        low: np.ndarray | None = None,
        high: np.ndarray | None = None,
        names: Sequence[str] = (),
        across: bool = False,
        **look: Any,
    ) -> None:
        super().__init__(np.asarray(x, float).tolist(), np.asarray(y, float).tolist(), **look)
        empty = np.full(len(x), np.nan)
        self.x, self.y = np.asarray(x, float), np.asarray(y, float)
        self.low = empty if low is None else np.asarray(low, float)
        self.high = empty if high is None else np.asarray(high, float)
        self.names = tuple(names)
        self.across = across
        self.style: Style | None = None


def _look(axes: Axes, label: str) -> Style:
    """The style of an arm that has one in this figure already, or one apart from all others there."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    lines = [line for one in figure.axes for line in one.lines if isinstance(line, Series)]
    looks = {str(line.get_label()): line.style for line in lines if line.style}
    return looks.get(label) or style(label, list(looks.values()))


Bounds = tuple[float, float] | None
"""Between which values a measure lies, such as a percentage, and so its interval; None where there are none."""


def interval(values: np.ndarray, bounds: Bounds = None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean and Student's 95 % interval over seeds of `values` (seeds, points): mean, low and high, each (points,).

    NaN entries (diverged networks) are left out; fewer than two values at a point give no interval there (NaN).
    """
    from expzoo.science.statistics import mean_interval

    columns = [mean_interval(column[np.isfinite(column)], bounds=bounds) for column in np.asarray(values, float).T]
    mean, low, high = np.array(columns, float).reshape(-1, 3).T
    return mean, low, high


def curve(
    axes: Axes,
    x: np.ndarray,
    values: np.ndarray,
    label: str,
    *,
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    markers: int = 16,
    bounds: Bounds = None,
) -> Series:
    """Draw the mean of `values` (seeds, points) over x (points,) with its 95 % interval as a band.

    Values of shape (points,) are a mean already, with `low` and `high` as its band. `markers` is how many at most.
    The band stays within `bounds`.

    Raises:
        ValueError: the last axis of `values` is not that of x.
    """
    x, values = np.asarray(x, float), np.asarray(values, float)
    if values.shape[-1:] != x.shape or values.ndim > 2:
        raise ValueError(f"{label}: values have shape {values.shape}, not (seeds, {len(x)}) or ({len(x)},) as x has")
    mean = values
    if values.ndim == 2:
        mean, low, high = interval(values, bounds)
    look = _look(axes, label)
    if low is not None and high is not None:
        axes.fill_between(x, low, high, color=look.colour, alpha=0.16, linewidth=0)
    line = Series(x, mean, low=low, high=high, color=look.colour, linestyle=look.dash, linewidth=1.8, label=label)
    line.style = look
    line.set(marker=look.marker, markersize=5.5, markeredgecolor=PAPER, markeredgewidth=0.7, zorder=3)
    line.set_markevery(np.unique(np.linspace(0, len(x) - 1, min(markers, len(x))).round().astype(int)).tolist())
    axes.add_line(line)
    axes.autoscale_view()
    if (x == x.round()).all() and isinstance(axes.xaxis.get_major_locator(), AutoLocator):
        axes.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 2.5, 5, 10], integer=True))  # no half steps
    return line


def bars(
    axes: Axes,
    groups: Sequence[str],
    values: np.ndarray,
    label: str,
    *,
    position: tuple[int, int] = (0, 1),
    low: np.ndarray | None = None,
    high: np.ndarray | None = None,
    bounds: Bounds = None,
) -> Series:
    """Draw the means of `values` (seeds, groups) as bars from zero, with 95 % intervals and, to the right, the seeds.

    `position` = (i, k) puts this arm i-th of k beside the others of its group. Values of shape
    (groups,) are means already, with `low` and `high` as the ends of their intervals, which else
    stay within `bounds`.

    Raises:
        ValueError: the last axis of `values` is not that of the groups.
    """
    values = np.asarray(values, float)
    if values.shape[-1:] != (len(groups),) or values.ndim > 2:
        raise ValueError(f"{label}: values have shape {values.shape}, not (seeds, {len(groups)}) as there are groups")
    look, (index, count) = _look(axes, label), position
    width = 0.8 / count
    x = np.arange(len(groups)) + (index - (count - 1) / 2) * width
    mean = values
    if values.ndim == 2:
        mean, low, high = interval(values, bounds)
    axes.bar(x, mean, width * 0.92, color=look.colour, alpha=0.2, linewidth=0, zorder=2)
    jitter = ((np.arange(1, len(values) + 1) * _GOLDEN) % 1 * 0.35 + 0.02) * width
    for centre, column in zip(x, values.T, strict=True) if values.ndim == 2 else ():
        axes.plot(centre + jitter, column, ".", color=look.colour, markersize=4.5, alpha=0.5, zorder=3)
    x = x - width * 0.2
    if low is not None and high is not None:
        axes.vlines(x, low, high, color=look.colour, linewidth=2, zorder=4)
    line = Series(x, mean, low=low, high=high, names=groups, color=look.colour, linestyle="none", label=label)
    line.style = look
    line.set(marker=look.marker, markersize=5.5, markeredgecolor=PAPER, markeredgewidth=0.7, zorder=5)
    axes.add_line(line)
    axes.spines["bottom"].set_visible(False)
    axes.axhline(0, color=MUTED, linewidth=0.8, zorder=1)
    axes.set_xticks(range(len(groups)), list(groups))
    axes.tick_params(axis="x", length=0)
    axes.autoscale_view()
    return line


def name_curves(axes: Axes) -> None:
    """Write each curve's name at its right end in its colour, moved apart where ends meet. Call it last."""
    lines = [line for line in axes.lines if isinstance(line, Series) and np.isfinite(line.y).any()]
    ends = [(line.x[np.isfinite(line.y)][-1], line.y[np.isfinite(line.y)][-1]) for line in lines]
    to_axes = axes.transData + axes.transAxes.inverted()
    heights = [float(to_axes.transform(end)[1]) for end in ends]
    figure = axes.get_figure(root=True)
    assert figure is not None
    gap = 14 / 72 / (figure.get_figheight() * axes.get_position().height)
    for line, end, height in zip(lines, ends, _spread(heights, gap), strict=True):
        axes.annotate(
            _words(line),
            end,
            xytext=(1.045, height),
            textcoords="axes fraction",
            color=line.get_color(),
            fontsize=9.5,
            fontweight="bold",
            verticalalignment="center",
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "linewidth": 0.7, "color": line.get_color(), "shrinkA": 1, "shrinkB": 5},
        )


def legend(axes: Axes, lines: Sequence[Series] = ()) -> None:
    """Name the arms of `axes`, or these lines, above the figure, where names at the ends of curves have no place."""
    lines = [*lines] or [line for line in axes.lines if isinstance(line, Series)]
    names = [_words(line) for line in lines]
    figure = axes.get_figure(root=True)
    assert figure is not None
    widths = [0.073 * len(name) + 0.6 for name in names] or [1.0]  # inches, with the line's sample
    room = figure.get_figwidth()
    columns = len(widths) if sum(widths) <= room else int(room // max(widths))
    figure.legend(
        lines,
        names,
        loc="outside upper left",
        ncols=max(columns, 1),
        frameon=False,
        fontsize=9.5,
        labelcolor=INK,
        borderaxespad=0.2,
        handletextpad=0.4,
        columnspacing=1.6,
    )


def masks(images: Mapping[str, np.ndarray], *, columns: int = 3, x: str = "input", y: str = "unit") -> Figure:
    """A grid of masks (units, inputs) of 0 and 1, each under its caption: 1 is filled, 0 is empty.

    Say "filled" rather than "dark" of it: on a dark page the ink is light.

    Raises:
        ValueError: there is none, or one is not a matrix.
    """
    if wrong := [caption for caption, image in images.items() if np.ndim(image) != 2] or not images:
        raise ValueError(f"masks are matrices of shape (units, inputs); wrong: {wrong if images else 'there is none'}")
    columns = min(columns, len(images))
    rows = math.ceil(len(images) / columns)
    units, inputs = np.shape(next(iter(images.values())))
    height = min(max(6.4 / columns * units / inputs, 1.2), 3.8) + 0.35
    figure, panels = canvas(rows, columns, height=rows * height + 0.3)
    for axes in panels[len(images) :]:
        axes.set_visible(False)
    for number, (axes, (caption, image)) in enumerate(zip(panels, images.items(), strict=False)):
        _mask(axes, caption, np.asarray(image), 74 // columns)
        if number % columns == 0:
            axes.set_ylabel(y)
        if number + columns >= len(images):
            axes.set_xlabel(x)
    return figure


def _mask(axes: Axes, caption: str, image: np.ndarray, width: int) -> None:
    ink = np.zeros((*image.shape, 4))
    ink[image != 0] = to_rgba(INK)
    axes.imshow(ink, aspect="auto", interpolation="nearest")
    axes.set_title("\n".join(textwrap.wrap(caption, width)), loc="left", color=INK, fontsize=9.5)
    axes.set(xticks=[], yticks=[])
    axes.grid(visible=False)
    axes.spines[:].set(visible=True, color=MUTED, linewidth=0.6)


def _words(line: Series) -> str:
    return str(line.get_label()).replace("_", " ")


def _spread(heights: Sequence[float], gap: float) -> list[float]:
    """The heights moved as little as needed to be `gap` apart, in their order: neighbours that meet share a block."""
    order = sorted(range(len(heights)), key=lambda i: heights[i])
    blocks: list[tuple[float, int]] = []
    for i in order:
        block = (heights[i], 1)
        while blocks and block[0] - blocks[-1][0] < gap * (block[1] + blocks[-1][1]) / 2:
            centre, size = blocks.pop()
            block = ((centre * size + block[0] * block[1]) / (size + block[1]), size + block[1])
        blocks.append(block)
    moved = [centre + gap * (i - (size - 1) / 2) for centre, size in blocks for i in range(size)]
    return [height for _, height in sorted(zip(order, moved, strict=True))]
