"""Pictures of the Game of Life: boards with errors marked, a network at play, the smallest network's weights."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from matplotlib.colors import to_rgb

from expzoo.report import figures
from expzoo.report.figures.colours import INK, MUTED, PAPER, RULE
from expzoo.report.figures.figure import Figure

if TYPE_CHECKING:
    from collections.abc import Mapping

    from jaxtyping import Float, Shaped
    from matplotlib.axes import Axes

WRONG, MISSED = "#c2410c", "#f4b183"  # a cell that a network calls alive and is dead, and the other way round
PIXELS, PAUSE = 8, 160  # of a cell in the animation, and milliseconds between two of its boards
SHOWN = (0, 4, 9, 19)  # the moments of a game that are printed


def strip(
    title: str,
    caption: str,
    boards: Shaped[np.ndarray, "n side side"],
    predicted: Shaped[np.ndarray, "n side side"],
    truth: Shaped[np.ndarray, "n side side"],
) -> Figure:
    """A row for each board of 0 and 1: what the network saw, said, and what is true; errors marked."""
    rows = len(boards)
    picture, grid = figures.canvas(3, rows, width=1.35 * rows + 0.9, height=4.5)
    for index, (name, images) in enumerate((("board", boards), ("network", predicted), ("truth", truth))):
        for number in range(rows):
            axes = grid[index * rows + number]
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


def board_axes(
    axes: Axes, board: Shaped[np.ndarray, "side side"], truth: Shaped[np.ndarray, "side side"] | None = None
) -> None:
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


def coloured(
    board: Shaped[np.ndarray, "side side"], wrong: Shaped[np.ndarray, "side side"] | None = None
) -> Float[np.ndarray, "side side 3"]:
    """A board as colours from 0 to 1."""
    colours = np.where(board[..., None] != 0, to_rgb(INK), to_rgb(PAPER))
    if wrong is None:
        return colours
    marked = np.where(board[..., None] != 0, to_rgb(WRONG), to_rgb(MISSED))
    return np.where(wrong[..., None], marked, colours)


def playing(games: Shaped[np.ndarray, "2 moments side side"], title: str, caption: str, *, stride: int = 1) -> Figure:
    """A game of the network beside the true one, printed at moments and animated.

    Between two moments lie `stride` steps of the game.
    """
    moments = [moment for moment in SHOWN if moment < games.shape[1]]
    picture, grid = figures.canvas(2, len(moments), width=1.7 * len(moments) + 0.5, height=3.9)
    for row, name in enumerate(("network", "true Life")):
        for column, moment in enumerate(moments):
            axes = grid[row * len(moments) + column]
            axes.imshow(coloured(games[row, moment], games[0, moment] != games[1, moment] if row == 0 else None))
            axes.set(xticks=[], yticks=[])
            axes.grid(visible=False)
            axes.spines[:].set(visible=True, color=MUTED, linewidth=0.6)
            if row == 0:
                axes.set_title(f"after {moment * stride} steps", fontsize=9.5)
        grid[row * len(moments)].set_ylabel(name)
    wrong = (games[0] != games[1]).sum((1, 2))
    data = pl.DataFrame({"step": stride * np.arange(len(wrong)), "living": games[1].sum((1, 2)), "wrong": wrong})
    return Figure("playing", title, caption, picture, data, animation(games))


def animation(games: Shaped[np.ndarray, "2 moments side side"]) -> bytes:
    """The two games side by side as an animated GIF that repeats; wrong cells of the network are in other colours."""
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
    picture, panels = figures.canvas(1, 3, width=7.4, height=2.75, width_ratios=(1, 1, 1.1))
    most = float(np.abs(wide).max())
    for number, axes in enumerate(panels[:2]):
        kernel = wide[number, 0]
        axes.imshow(kernel, cmap="RdBu_r", vmin=-1.6 * most, vmax=1.6 * most, alpha=0.6)
        for (row, column), value in np.ndenumerate(kernel):
            axes.text(column, row, _number(value), ha="center", va="center", color=INK, fontsize=9.5)
        axes.set_title(f"h{number + 1} = relu(kernel * board {_term(first[number])})", fontsize=9.5)
        axes.set(xticks=[], yticks=[])
        axes.grid(visible=False)
        axes.spines[:].set(visible=True, color=MUTED, linewidth=0.6)
    a, b = narrow[0, :, 0, 0]
    said = [f"dead = relu({_number(a)} h1 {_term(b)} h2 {_term(second[0])})"]
    said.append(f"next = relu({_number(last[0, 0, 0, 0])} dead {_term(third[0])})")
    panels[2].axis("off")
    panels[2].text(0.0, 0.55, "\n\n".join(said), color=INK, fontsize=10, va="center")
    flat = ((name, array.ravel().tolist()) for name, array in parameters.items())
    rows = [(name, index, value) for name, values in flat for index, value in enumerate(values)]
    data = pl.DataFrame(rows, ["parameter", "place", "value"], orient="row")
    return Figure("minimal_network", title, caption, picture, data)


def _number(value: float) -> str:
    return f"{value:.3g}".replace("-", "\N{MINUS SIGN}")


def _term(value: float) -> str:
    """A number that is added, with its sign apart."""
    return f"{'+' if value >= 0 else chr(0x2212)} {abs(value):.3g}"


def _layers(parameters: Mapping[str, np.ndarray]) -> list[tuple[np.ndarray, np.ndarray]]:
    names = [name for name in parameters if name.endswith("weight")]
    return [(parameters[name], parameters[name.replace("weight", "bias")]) for name in names]
