"""Which claims about Life a grid of networks is too small for, whatever they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.analysis.studies.life import claims
from expzoo.analysis.studies.life.verdicts import LEAST_WIDTHS, MANY

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from expzoo.analysis.studies.life.networks import Cell
    from expzoo.science.claims import Claim


def out_of_reach(units: Mapping[Claim, int]) -> list[str]:
    """The claims that even a perfect result of so many networks would not support."""
    return [claim.name for claim, number in units.items() if not claim.in_reach(number)]


def of_grid(cells: Sequence[Cell], seeds: int) -> dict[Claim, int]:
    """How many networks each claim about a grid has, of so many seeds."""
    return dict.fromkeys(_asked({(cell.arm, cell.steps, cell.m) for cell in cells}), seeds) | pooled(cells, seeds)


def pooled(cells: Sequence[Cell], seeds: int) -> dict[Claim, int]:
    """The claim about all networks for five steps and more, if there are any."""
    many = sum(cell.arm == "smooth" and cell.steps >= MANY for cell in cells)
    return {claims.MANY_STEPS: many * seeds} if many else {}


def _asked(grid: set[tuple[str, int, int]]) -> Iterator[Claim]:
    """The claims about single cells, or pairs of them, that a grid has the networks for."""
    needs = {claims.MINIMAL: ("plain", 1, 1), claims.SMOOTH: ("smooth", 1, 1)}
    yield from (claim for claim, cell in needs.items() if cell in grid)
    widths = {n: {m for arm, steps, m in grid if (arm, steps) == ("smooth", n)} for n in (1, 2, 3)}
    if any(len(widths[n] & widths[n + 1]) >= LEAST_WIDTHS for n in (1, 2)):
        yield claims.WIDTH_GROWS
    if widths[2]:
        yield claims.CELLS_HIDE
