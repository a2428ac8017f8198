"""Pictures of the Game of Life: curves of success, boards with errors marked, a network at play, weights."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl
from matplotlib.colors import to_rgb

from expzoo import figures, records
from expzoo.analysis import Figure
from expzoo.life import claims
from expzoo.life.networks import BOARDS, CELLS, KNOWN, counts
from expzoo.report.colours import INK, MUTED, PAPER, RULE
from expzoo.statistics import clopper_pearson

if TYPE_CHECKING:
    from collections.abc import Mapping

    from matplotlib.axes import Axes

WRONG = "#c2410c"
PIXELS, PAUSE = 8, 160  # of a cell in the animation, and milliseconds between two of its boards
_COLUMNS = ("curve", "m", "successes", "networks", "percent", "low", "high")
SHOWN = (0, 4, 9, 19)  # the moments of a game that are printed


def success_against_width(table: pl.DataFrame, **chosen: Any) -> Figure:
    """Share of successful networks against m, one curve for each number of steps, with exact binomial intervals."""
    picture, (axes,) = figures.canvas(height=3.8)
    rows = []
    for label, cell, widths in curves(table, **chosen):
        points = [counts(table, **cell, m=m) for m in widths]
        estimates = [clopper_pearson(*point).scaled(100) for point in points]
        effect, low, high = (np.array([getattr(e, part) for e in estimates]) for part in ("effect", "low", "high"))
        figures.curve(axes, np.array(widths), effect, label, low=low, high=high)
        numbers = zip(widths, *zip(*points, strict=True), effect, low, high, strict=True)
        rows += [dict(zip(_COLUMNS, (label, *row), strict=True)) for row in numbers]
        _rings(axes, cell, widths, label)
    _width_axis(axes, [row["m"] for row in rows])
    axes.set(ylabel="successful networks (%)", ylim=(-4, 104))
    figures.name_curves(axes)
    caption = (
        "A network succeeds if it gets every cell of 1000 boards of 5 x 5 right. Bands are exact 95 % intervals "
        "(Clopper-Pearson); rings were read off the essay's figures, of 20 networks each."
    )
    return Figure("success", "How often a network learns the game", caption, picture, pl.DataFrame(rows))


def _rings(axes: Axes, cell: dict[str, Any], widths: list[int], label: str) -> None:
    """What was published for this curve, where it is the same setting."""
    if cell["arm"] == "smooth" and cell["d"] in (1.0, 2.0) and cell.get("density") is None:
        found = claims.PUBLISHED.get((cell["game_steps"], cell["d"]), {})
        shown = {m: rate for m, rate in found.items() if m in widths}
        look = {"markeredgecolor": figures.style(label).colour, "markerfacecolor": "none", "markersize": 10}
        axes.plot(list(shown), [100 * rate for rate in shown.values()], "o", **look)


def correct_against_width(table: pl.DataFrame, base: Mapping[int, tuple[float, float]], **chosen: Any) -> Figure:
    """Boards and cells that are right against m, beside what the answer `all dead` gets right."""
    picture, panels = figures.canvas(1, 2, width=7.4, height=3.9, sharex=True)
    for axes, metric, words, place in zip(
        panels, (BOARDS, CELLS), ("boards right in every cell (%)", "cells right (%)"), (1, 0), strict=True
    ):
        for label, cell, widths in curves(table, **chosen):
            _, values = records.pivot(table, "m", metric=metric, end=True, m=widths, **cell)
            line = figures.curve(axes, np.array(widths), values, label)
            axes.axhline(base[cell["game_steps"]][place], color=line.get_color(), linewidth=0.9, linestyle=":")
        _width_axis(axes, [m for _, _, widths in curves(table, **chosen) for m in widths])
        axes.set(ylabel=words, ylim=(-4, 104))
    figures.legend(panels[0])
    caption = (
        "Means over networks with 95 % Student intervals. Dotted, in each curve's colour: what the answer that every "
        "cell is dead gets right. The essay's caption says tiles; its script counts whole boards."
    )
    data = records.select(table, metric=[BOARDS, CELLS], end=True).drop("key")
    return Figure("correct", "Boards and cells that are right", caption, picture, data)


def curves(table: pl.DataFrame, **chosen: Any) -> list[tuple[str, dict[str, Any], list[int]]]:
    """Of each curve over m: its name, its columns and its widths."""
    trained = records.select(table.filter(table["arm"] != KNOWN), **chosen)
    columns = [name for name in ("arm", "game_steps", "d", "density") if name in trained.columns]
    found = []
    for values in trained.select(columns).unique().sort(columns).iter_rows():
        cell = dict(zip(columns, values, strict=True))
        words = [f"{cell['game_steps']} step" + "s" * (cell["game_steps"] > 1)]
        words += [cell["arm"]] * (trained["arm"].n_unique() > 1)
        words += [f"{cell['d']:g}x deep"] * (trained["d"].n_unique() > 1)
        if cell.get("density") is not None:
            words.append(f"density {cell['density']:g}")
        found.append((", ".join(words), cell, sorted({*records.select(trained, **cell)["m"]})))
    return found


def _width_axis(axes: Axes, widths: list[int]) -> None:
    ticks = sorted({*widths})
    if len(ticks) > 1:
        axes.set_xscale("log")
    axes.set_xticks(ticks, list(map(str, ticks)))
    axes.minorticks_off()
    axes.set_xlabel("width m (times the smallest network)")


def strip(title: str, caption: str, boards: np.ndarray, predicted: np.ndarray, truth: np.ndarray) -> Figure:
    """A row for each board, (n, side, side) of 0 and 1: what the network saw, said, and what is true; errors marked."""
    rows = len(boards)
    picture, grid = figures.canvas(3, rows, width=1.35 * rows + 0.9, height=4.5)
    for place, (name, images) in enumerate((("board", boards), ("network", predicted), ("truth", truth))):
        for number in range(rows):
            axes = grid[place * rows + number]
            board_axes(axes, images[number], truth[number] if name == "network" else None)
            if number == 0:
                axes.set_ylabel(name)
    data = pl.DataFrame(
        {
            "board": np.repeat(np.arange(rows), boards[0].size),
            "cell": np.tile(np.arange(boards[0].size), rows),
            "before": boards.ravel().astype(int),
            "network": predicted.ravel().astype(int),
            "truth": truth.ravel().astype(int),
        }
    )
    return Figure("boards", title, caption, picture, data)


def board_axes(axes: Axes, board: np.ndarray, truth: np.ndarray | None = None) -> None:
    """One board: living cells filled, wrong ones framed."""
    axes.imshow(coloured(board), interpolation="nearest")
    side = len(board)
    axes.set_xticks(np.arange(side + 1) - 0.5, [""] * (side + 1))
    axes.set_yticks(np.arange(side + 1) - 0.5, [""] * (side + 1))
    axes.tick_params(length=0)
    axes.grid(visible=True, axis="both", color=MUTED, linewidth=0.4)
    axes.set_axisbelow(False)
    axes.spines[:].set(visible=True, color=MUTED, linewidth=0.6)
    for row, column in np.argwhere(board != truth) if truth is not None else ():
        axes.plot(column, row, "x", color=WRONG, markersize=7, markeredgewidth=2)


def coloured(board: np.ndarray, wrong: np.ndarray | None = None) -> np.ndarray:
    """A board as colours (side, side, 3) from 0 to 1."""
    colours = np.where(board[..., None] != 0, to_rgb(INK), to_rgb(PAPER))
    return colours if wrong is None else np.where(wrong[..., None], to_rgb(WRONG), colours)


def playing(games: np.ndarray, title: str, caption: str) -> Figure:
    """A game of the network beside the true one, `games` (2, moments, side, side), printed at moments and animated."""
    moments = [moment for moment in SHOWN if moment < games.shape[1]]
    picture, grid = figures.canvas(2, len(moments), width=1.7 * len(moments) + 0.5, height=4.2)
    for row, name in enumerate(("network", "true Life")):
        for column, moment in enumerate(moments):
            axes = grid[row * len(moments) + column]
            axes.imshow(coloured(games[row, moment], games[0, moment] != games[1, moment] if row == 0 else None))
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.spines[:].set(visible=True, color=MUTED, linewidth=0.6)
            if row == 0:
                axes.set_title(f"after {moment}", fontsize=9.5)
        grid[row * len(moments)].set_ylabel(name)
    wrong = (games[0] != games[1]).sum((1, 2))
    data = pl.DataFrame({"step": np.arange(len(wrong)), "living": games[1].sum((1, 2)), "wrong": wrong})
    return Figure("playing", title, caption, picture, data, animation(games))


def animation(games: np.ndarray) -> bytes:
    """The two games side by side as an animated GIF that repeats; wrong cells of the network are in another colour."""
    from PIL import Image

    frames = []
    for own, true in zip(*games, strict=True):
        gap = np.ones((len(own), 1, 3)) * to_rgb(RULE)
        both = np.concatenate([coloured(own, own != true), gap, coloured(true)], 1)
        pixels = np.kron((255 * both).round().astype(np.uint8), np.ones((PIXELS, PIXELS, 1), np.uint8))
        frames.append(Image.fromarray(pixels))
    buffer = io.BytesIO()
    frames[0].save(buffer, "GIF", save_all=True, append_images=frames[1:], duration=PAUSE, loop=0)
    return buffer.getvalue()


def weights(parameters: Mapping[str, np.ndarray], title: str, caption: str) -> Figure:
    """The smallest network: its two kernels with every number, and the two convolutions of 1 x 1 as equations."""
    (wide, first), (narrow, second), (last, third) = _layers(parameters)
    picture, panels = figures.canvas(1, 3, width=7.4, height=2.9, width_ratios=(1, 1, 1.25))
    most = float(np.abs(wide).max())
    for number, axes in enumerate(panels[:2]):
        kernel = wide[number, 0]
        axes.imshow(kernel, cmap="RdBu_r", vmin=-1.6 * most, vmax=1.6 * most, alpha=0.6)
        for (row, column), value in np.ndenumerate(kernel):
            axes.text(column, row, f"{value:.3g}", ha="center", va="center", color=INK, fontsize=9.5)
        axes.set_title(f"h{number + 1} = relu(kernel * board {first[number]:+.3g})", fontsize=9.5)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set(visible=True, color=MUTED, linewidth=0.6)
    a, b = narrow[0, :, 0, 0]
    said = [f"dead = relu({a:.3g} h1 {b:+.3g} h2 {second[0]:+.3g})"]
    said.append(f"next = relu({last[0, 0, 0, 0]:.3g} dead {third[0]:+.3g})")
    panels[2].axis("off")
    panels[2].text(0.0, 0.55, "\n\n".join(said), color=INK, fontsize=10, va="center")
    flat = ((name, array.ravel().tolist()) for name, array in parameters.items())
    rows = [(name, place, value) for name, values in flat for place, value in enumerate(values)]
    data = pl.DataFrame(rows, ["parameter", "place", "value"], orient="row")
    return Figure("minimal_network", title, caption, picture, data)


def _layers(parameters: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    names = [name for name in parameters if name.endswith("weight")]
    return [(parameters[name], parameters[name.replace("weight", "bias")]) for name in names]
