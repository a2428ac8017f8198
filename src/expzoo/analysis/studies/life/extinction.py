"""How many of all boards are dead after so many steps: counted, 64 boards in a word, where there are few enough."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from jaxtyping import UInt64

    from expzoo.analysis.studies.life.rules import World

SIDES = (4, 5)  # 65,536 and 33,554,432 boards
WORD = 6  # a word of 64 bits holds all states of so many cells
BLOCK = 18  # cells whose states are counted at a time: 25 planes of 32 KiB stay in the cache
CORNERS = {(0, 0, 0, 0): 1, (1, 0, 0, 0): 4, (1, 1, 0, 0): 4, (1, 0, 0, 1): 2, (1, 1, 1, 0): 4, (1, 1, 1, 1): 1}
"""The states of the four corners up to the symmetries of the square, and how many states each stands for."""

Planes = list["UInt64[np.ndarray, ' words']"]
"""One bit of each board for each cell of a side x side board, row by row."""


def all_dead(world: World, side: int, moments: Sequence[int]) -> list[float]:
    """The shares of all boards of side x side cells, 4 or 5, that are all dead after so many steps, in order.

    Exact: the boards are enumerated up to turning and mirroring the corners, under which no rule that
    counts neighbours differs.
    """
    if side not in SIDES:
        raise ValueError(f"side {side}: boards of 4 x 4 and 5 x 5 cells are counted")
    beside = [list(_beside(world, side, cell)) for cell in range(side**2)]
    dead = np.zeros(len(moments), np.int64)
    for weight, planes in _boards(side):
        at, alive = 0, planes
        for index, moment in enumerate(moments):
            for _ in range(moment - at):
                alive = _step(world, alive, beside)
            at = moment
            living = np.bitwise_or.reduce(alive)
            dead[index] += weight * int(np.bitwise_count(~living).sum())
    return [float(count) / 2 ** (side**2) for count in dead]


def _boards(side: int) -> Iterator[tuple[int, Planes]]:
    """Blocks of boards, and how many boards each of them stands for."""
    last = side - 1
    corners = [0, last, side * last, side * last + last]
    others = [cell for cell in range(side**2) if cell not in corners]
    inside, outside = others[:BLOCK], others[BLOCK:]
    words = 2 ** (len(inside) - WORD)
    varied = dict(zip(inside, _all_states(len(inside), words), strict=True))
    for (state, weight), rest in itertools.product(CORNERS.items(), itertools.product((0, 1), repeat=len(outside))):
        fixed = dict(zip(corners + outside, state + rest, strict=True))
        same = {cell: np.full(words, -bit, np.int64).view(np.uint64) for cell, bit in fixed.items()}
        yield weight, [(varied | same)[cell] for cell in range(side**2)]


def _all_states(cells: int, words: int) -> Iterator[UInt64[np.ndarray, " words"]]:
    """The planes of cells of which every state occurs once: bit k of a board's number is that of cell k."""
    for cell in range(WORD):
        bits = sum(1 << place for place in range(2**WORD) if place >> cell & 1)
        yield np.full(words, bits, np.uint64)
    for cell in range(WORD, cells):
        yield np.negative(np.arange(words) >> (cell - WORD) & 1).view(np.uint64)


def _beside(world: World, side: int, cell: int) -> Iterator[int]:
    """The neighbours of a cell on the board."""
    row, column = divmod(cell, side)
    for down, right in itertools.product((-1, 0, 1), repeat=2):
        near = abs(down) + abs(right) == 1 if world.neighbourhood == "von_neumann" else (down, right) != (0, 0)
        y, x = row + down, column + right
        if near and (world.edge == "torus" or (0 <= y < side and 0 <= x < side)):
            yield y % side * side + x % side


def _step(world: World, planes: Planes, beside: Sequence[Sequence[int]]) -> Planes:
    """The boards after one step: neighbours are added up in binary, one plane for each digit of the count."""
    after = []
    for cell, neighbours in enumerate(beside):
        digits: Planes = []
        for neighbour in neighbours:
            carry = planes[neighbour]
            for place, digit in enumerate(digits):
                digits[place], carry = digit ^ carry, digit & carry
            if len(digits) < len(neighbours).bit_length():
                digits.append(carry)
        after.append(_next(world, planes[cell], digits))
    return after


def _next(world: World, own: UInt64[np.ndarray, " words"], digits: Planes) -> UInt64[np.ndarray, " words"]:
    rule, alive = world.rule, np.zeros_like(own)
    for count in sorted(rule.birth | rule.survival):
        if count >= 2 ** len(digits):
            continue
        there = ~np.zeros_like(own)
        for place, digit in enumerate(digits):
            there &= digit if count >> place & 1 else ~digit
        if count not in rule.survival:
            there &= ~own
        elif count not in rule.birth:
            there &= own
        alive |= there
    return alive
