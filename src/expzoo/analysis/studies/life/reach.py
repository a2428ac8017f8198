"""Which claims about Life a grid of networks is too small for, whatever they do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.analysis.studies.life import claims
from expzoo.analysis.studies.life.verdicts import LEAST_WIDTHS, MANY
from expzoo.science.rules import position
from expzoo.science.statistics import newcombe

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from expzoo.analysis.studies.life.networks import Cell
    from expzoo.science.claims import Claim


def out_of_reach(units: Mapping[Claim, int]) -> list[str]:
    """The claims that even a perfect result of so many networks would not support."""
    return [claim.name for claim, number in units.items() if not _in_reach(claim, number)]


def of_grid(cells: Sequence[Cell], seeds: int) -> dict[Claim, int]:
    """How many networks each claim about a grid has, of so many seeds."""
    return dict.fromkeys(_asked({(cell.arm, cell.steps, cell.m, cell.d) for cell in cells}), seeds) | pooled(
        cells, seeds
    )


def pooled(cells: Sequence[Cell], seeds: int) -> dict[Claim, int]:
    """The claim about all networks for five steps and more, if there are any."""
    many = sum(cell.arm == "smooth" and cell.steps >= MANY for cell in cells)
    return {claims.MANY_STEPS: many * seeds} if many else {}


def _asked(grid: set[tuple[str, int, int, float]]) -> Iterator[Claim]:
    """The claims about single cells, or pairs of them, that a grid has the networks for."""
    narrow, wide = ("smooth", 1, 1, 1.0), ("smooth", 1, 5, 1.0)
    needs: dict[Claim, set[tuple[str, int, int, float]]] = {
        claims.MINIMAL: {("plain", 1, 1, 1.0)},
        claims.SMOOTH: {narrow},
        claims.WIDTH: {narrow, wide},
        claims.WIDE_LEARNS: {narrow, wide},
    }
    yield from (claim for claim, cells in needs.items() if cells <= grid)
    widths = {n: {m for arm, steps, m, d in grid if (arm, steps, d) == ("smooth", n, 1.0)} for n in (1, 2, 3)}
    if any(len(widths[n] & widths[n + 1]) >= LEAST_WIDTHS for n in (1, 2)):
        yield claims.WIDTH_GROWS
    if widths[2]:
        yield claims.CELLS_HIDE
    for arm in ("normalized", "smooth"):
        if deeper := {m for _, _, m, d in grid if {(arm, 1, m, 1.0), (arm, 1, m, 2.0)} <= grid and d > 1}:
            yield claims.DEPTH
            yield from [claims.DEPTH_HURTS] * (5 in deeper)
            return


def _in_reach(claim: Claim, number: int) -> bool:
    if claim != claims.DEPTH:
        return claim.in_reach(number)
    same = newcombe((number, number), (number, number), level=claim.level).scaled(100)  # perfect is no difference
    return position(claim.direction, claim.bounds, same) == "supported"
