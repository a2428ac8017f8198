"""The Game of Life: random boards and what becomes of them, without end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

import numpy as np

from expzoo.analysis.studies.life.rules import KERNEL, NEIGHBOURS, LifeRule, World, coin_flips
from expzoo.plugin import Count, Fraction, Natural, Split, memory_faults, refuse, refuse_unknown, register

SPLITS = ("train", "validation", "test", "fresh", "all")
CACHE_BYTES = 2**17  # of boards that are evolved at a time, so that sums stay in the cache
TRAIN_SAMPLE = 1000  # boards in the train split: it is looked at, never trained on


@register
class Life:
    """Random boards x (1, height, width) of 0 and 1 and, flattened, the boards y that they become after `steps`.

    Every member has its own stream of boards, a function of its seed and the step alone. All
    members see the same splits: train is a sample of 1000 boards as they are trained on, test,
    validation and fresh are draws of test boards, and all holds every state of what one cell sees
    (see `World.patterns` of the study of Life). They overlap where small boards repeat themselves.

    Firner's script trains on boards of 10 x 10, half of whose cells live, and tests on 1000 boards
    of 5 x 5; Springer & Kenyon 2020 use 32 x 32 and Conway's rule
    (github.com/bfirner/dnn_game_of_life; arXiv 2009.01398).

    Args:
        neighbourhood: the 4 cells beside a cell, as in Firner's essay, or the 8 around it, as in Conway's game.
        rule: with how many living neighbours a cell is born (B) and survives (S).
        steps: how many steps lie between x and y.
        density: how likely a cell of a training board lives, in steps of 2**-16.
        board: height and width of the training boards.
        edge: beyond the edge all is dead, or the board is a torus.
        batch_size: boards in a batch; the script's default.
        test_board: height and width of the test boards.
        test_size: how many test boards.
        test_density: how likely a cell of a test board lives, whatever the training boards are like.
        seed: of the test boards.
    """

    INPUTS, TARGETS, SCORES = "board", "cells", ("cell_accuracy", "board_success")
    LOSS = "bce"
    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_board", "test_size", "test_density", "seed")

    batch_last = True

    def __init__(
        self,
        *,
        neighbourhood: Literal["von_neumann", "moore"] = "von_neumann",
        rule: str = "B3/S23",
        steps: Count = 1,
        density: Fraction = 0.5,
        board: Count = 10,
        edge: Literal["dead", "torus"] = "dead",
        batch_size: Count = 32,
        test_board: Count = 5,
        test_size: Count = 1000,
        test_density: Fraction = 0.5,
        seed: Natural = 0,
    ) -> None:
        sides = {"board": board, "test_board": test_board}
        refuse(
            f"{name} {side} is smaller than the kernel of {KERNEL} x {KERNEL}"
            for name, side in sides.items()
            if side < KERNEL
        )
        refuse(_too_large(board, batch_size, test_board, test_size))
        refuse_unknown("neighbourhood", neighbourhood, tuple(NEIGHBOURS))
        self.world = World(LifeRule.parse(rule, neighbourhood), neighbourhood, edge, steps)
        self.rule = rule
        self.steps = steps
        self.density = density
        self.board = board
        self.batch_size = batch_size
        self.test_board = test_board
        self.test_size = test_size
        self.test_density = test_density
        self.seed = seed
        self.inputs, self.outputs = (1, board, board), board * board

    def identity(self, seed: int) -> int:
        """The same for all: the splits are shared."""
        return self.seed

    def split(self, name: str, seed: int) -> Split:
        """Boards x (n, 1, side, side) and what they become y (n, side * side), both float32."""
        refuse_unknown("split", name, SPLITS)
        if name == "all":
            boards = self.world.patterns()
        elif name == "train":
            boards = drawn(0, name, self.board, TRAIN_SAMPLE, self.density)
        else:
            boards = drawn(self.seed, name, self.test_board, self.test_size, self.test_density)
        x, y = (np.moveaxis(values, -1, 0).astype(np.float32) for values in (boards, self.world.after(boards)))
        return Split(x[:, None], y.reshape(len(y), -1))

    def batches(self, seeds: Sequence[int], start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """What these members see in these steps: x (steps, members, batch, 1, board, board) and y (..., board**2)."""
        side, cells = self.board, self.board**2
        flips = np.stack(
            [coin_flips(seed, "life", start, stop, cells * self.batch_size, self.density) for seed in seeds], 1
        )
        x = np.empty((stop - start, len(seeds), side, side, self.batch_size), np.uint8)
        y = np.empty_like(x)
        at_once = max(CACHE_BYTES // x[0].nbytes, 1)
        for first in range(0, len(x), at_once):
            some = slice(first, first + at_once)
            alive = np.unpackbits(flips[some], axis=-1, count=cells * self.batch_size, bitorder="little")
            x[some] = alive.reshape(x[some].shape)
            y[some] = self.world.after(x[some])
        y = y.reshape(*x.shape[:2], cells, self.batch_size)
        return np.moveaxis(x, -1, 2)[:, :, :, None], np.moveaxis(y, -1, 2)


def _too_large(board: int, batch_size: int, test_board: int, test_size: int) -> Iterator[str]:
    """What of this does not fit into memory: boards before and after, as they are in a batch and in the splits."""
    asked = {
        f"batch_size {batch_size}, board {board}": (max(batch_size, TRAIN_SAMPLE), board),
        f"test_size {test_size}, test_board {test_board}": (test_size, test_board),
    }
    for told, (size, side) in asked.items():
        yield from (f"{told}: {fault}" for fault in memory_faults(size, 2 * side * side))


def drawn(seed: int, name: str, side: int, size: int, density: float) -> np.ndarray:
    """The boards of a split, (side, side, size) uint8."""
    count = side * side * size
    flips = coin_flips(seed, f"life {name}", 0, 1, count, density)
    return np.unpackbits(flips[0], bitorder="little")[:count].reshape(side, side, size)
