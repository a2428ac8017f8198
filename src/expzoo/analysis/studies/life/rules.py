"""The Game of Life and its relatives: outer-totalistic rules, applied to many boards at once.

Boards are arrays of 0 and 1 of type uint8 with the n boards on the last axis: neighbours are then
whole runs of memory, and a step of all boards is a dozen sums.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np

from expzoo.system.randomness import stream_words

if TYPE_CHECKING:
    from jaxtyping import UInt8

Neighbourhood = Literal["von_neumann", "moore"]
Edge = Literal["dead", "torus"]
NEIGHBOURS = {"von_neumann": 4, "moore": 8}
KERNEL = 3  # a neighbourhood spans this many cells each way
DENSITY_BITS = 16
MOST_PATTERNS_BITS = 13  # of an enumeration: two von Neumann steps see 13 cells, two Moore steps 25
MOST_ENUMERATED = {"von_neumann": 2, "moore": 1}  # steps within that

CONWAY = "B3/S23"  # Conway's rule, which is also that of Firner's essay; the one whose network is known

_RULE = re.compile(r"B(\d*)/S(\d*)")
_NEARLY = re.compile(r"\s*B(\d*)\W*S(\d*)\s*", re.IGNORECASE)


@dataclass(frozen=True)
class LifeRule:
    """With how many living neighbours a dead cell comes alive, and with how many a living one stays so."""

    birth: frozenset[int]
    survival: frozenset[int]

    @classmethod
    def parse(cls, text: str, neighbourhood: str) -> Self:
        """The rule written as B3/S23; ValueError if it is written otherwise or counts more neighbours than there are.

        In the neighbourhood of Firner's essay, of 4 cells, B3/S23 is alive next = 3 neighbours, or
        2 and alive. A rule has one text, since a network's key holds it: each number stands once,
        and in order.
        """
        most, found = NEIGHBOURS[neighbourhood], _RULE.fullmatch(text)
        if found is None or text != _in_order(found) or any(int(digit) > most for digit in "".join(found.groups())):
            near = _NEARLY.fullmatch(text)
            meant = _in_order(near) if near else ""
            raise ValueError(
                f"rule {text!r} must be written like {CONWAY}, with numbers of neighbours from 0 to {most} "
                f"of the {neighbourhood} neighbourhood, each once and in order"
                + (f": did you mean {meant}?" if meant and meant != text else "")
            )
        birth, survival = (frozenset(map(int, digits)) for digits in found.groups())
        return cls(birth, survival)

    def next(
        self, boards: UInt8[np.ndarray, "*games height width n"], counts: UInt8[np.ndarray, "*games height width n"]
    ) -> UInt8[np.ndarray, "*games height width n"]:
        """The boards after one step, given how many neighbours of each cell live."""
        alive = np.zeros(boards.shape, np.uint8)
        for count in sorted(self.birth | self.survival):
            there = (counts == count).view(np.uint8)
            if count not in self.survival:
                there &= boards ^ 1
            elif count not in self.birth:
                there &= boards
            alive |= there
        return alive


def _in_order(rule: re.Match[str]) -> str:
    """The one text of a rule, from a match whose groups are its two numbers."""
    birth, survival = ("".join(sorted({*digits})) for digits in rule.groups())
    return f"B{birth}/S{survival}"


def neighbours(
    boards: UInt8[np.ndarray, "*games height width n"], neighbourhood: str, edge: str
) -> UInt8[np.ndarray, "*games height width n"]:
    """How many neighbours of each cell live; beyond a dead edge nothing does."""
    vertical = _both_sides(boards, -3, edge)
    if neighbourhood == "von_neumann":
        return vertical + _both_sides(boards, -2, edge)
    vertical += boards
    return vertical + _both_sides(vertical, -2, edge) - boards


def _both_sides(
    values: UInt8[np.ndarray, "*games height width n"], axis: int, edge: str
) -> UInt8[np.ndarray, "*games height width n"]:
    """The sum of each cell's two neighbours along an axis."""
    if edge == "torus":
        return np.roll(values, 1, axis) + np.roll(values, -1, axis)
    total = np.zeros_like(values)
    source, target = np.moveaxis(values, axis, 0), np.moveaxis(total, axis, 0)
    target[1:] = source[:-1]
    target[:-1] += source[1:]
    return total


@dataclass(frozen=True)
class World:
    """A rule with all that decides what a board becomes."""

    rule: LifeRule
    neighbourhood: str
    edge: str
    steps: int

    def after(
        self, boards: UInt8[np.ndarray, "*games height width n"], steps: int | None = None
    ) -> UInt8[np.ndarray, "*games height width n"]:
        """The boards after so many steps, by default the world's own."""
        for _ in range(self.steps if steps is None else steps):
            boards = self.rule.next(boards, neighbours(boards, self.neighbourhood, self.edge))
        return boards

    def patterns(self) -> UInt8[np.ndarray, "side side patterns"]:
        """Every state of what a cell sees in all steps, on otherwise dead boards.

        The cell is the middle one, the side 2 steps + 1: 512 squares for one step, whatever the
        neighbourhood, since a 3 x 3 kernel sees the corners too; 8192 diamonds of 13 cells for two
        von Neumann steps. ValueError beyond.

        One step is tried in full, edges and corners of a board included. The diamonds are all that
        decides a cell two or more from a dead edge; two kernels of 3 x 3 see twelve cells more, so
        a network that was not built by hand may be right on every diamond and wrong elsewhere.
        """
        side = 2 * self.steps + 1
        across = np.abs(np.arange(side) - self.steps)
        is_diamond = self.neighbourhood == "von_neumann" and self.steps > 1
        seen = across[:, None] + across <= self.steps if is_diamond else np.ones((side, side), bool)
        if (count := int(seen.sum())) > MOST_PATTERNS_BITS:
            raise ValueError(f"{self.steps} steps see {count} cells: their 2**{count} states are too many to enumerate")
        boards = np.zeros((side, side, 2**count), np.uint8)
        boards[seen] = (np.arange(2**count) >> np.arange(count)[:, None]) & 1
        return boards


def coin_flips(
    seed: int, purpose: str, start: int, stop: int, count: int, density: float
) -> UInt8[np.ndarray, "steps bytes"]:
    """For each of the steps start..stop-1, `count` independent cells that live with this probability.

    Packed as by `np.packbits`, a row a step. The density is rounded to a multiple of 2**-16: its
    binary digits say how words of fair bits are combined, last digit first, by "or" for 1 and by
    "and" for 0, so that a half takes one bit a cell and 0.38 all sixteen.
    """
    digits = list(_digits(density))
    size = -(-count // 256) * 4  # words for one digit of one step
    drawn = stream_words(seed, purpose, start * size * len(digits), (stop - start) * size * len(digits))
    flips = np.full((stop - start, size), 0 if digits or density < 0.5 else 2**64 - 1, np.uint64)
    for digit, layer in zip(digits, drawn.reshape(stop - start, -1, size).swapaxes(0, 1), strict=True):
        flips = flips | layer if digit else flips & layer
    return flips.astype("<u8", copy=False).view(np.uint8)


def _digits(density: float) -> Iterator[bool]:
    """The binary digits of a density after the point, the last that is 1 first; none of 0 and of 1."""
    whole = round(density * 2**DENSITY_BITS)
    shift = (whole & -whole).bit_length() - 1 if whole else DENSITY_BITS
    for bit in range(shift, DENSITY_BITS):
        yield bool(whole >> bit & 1)
