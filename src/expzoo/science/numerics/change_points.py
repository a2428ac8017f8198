"""Lines with breaks between them, and how many of them a curve has by the Bayesian information criterion.

Bai & Perron 1998, "Estimating and testing linear models with multiple structural changes": for each
number of breaks the best places are found by dynamic programming over the costs of all segments.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

FEWEST = 3  # points of a segment: a line through two fits anything
PLACE = 3  # parameters that the place of a break counts for (Hall, Osborn & Sakkas 2013): it was searched for
LEAST = 1e-3  # standard deviation of the residuals, below which a better fit is none


class Segmented(NamedTuple):
    """The best lines of a given number: where segments start, beyond the first, and how well they fit."""

    breaks: tuple[int, ...]
    squares: float
    bic: float


def segmented(x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"], segments: int) -> Segmented:
    """The least-squares fit of so many lines, each over at least three neighbouring points, without joining them.

    Each line costs two parameters, each break `PLACE`, and the variance of the residuals, which is that
    of all segments, one. ValueError for too few points.
    """
    if segments < 1 or len(x) < FEWEST * segments:
        raise ValueError(f"{len(x)} points are too few for {segments} lines of {FEWEST} points each")
    cost, count = _costs(x, y), len(x)
    best: dict[tuple[int, int], tuple[float, tuple[int, ...]]] = {(0, 0): (0.0, ())}
    for number in range(1, segments + 1):
        for stop in range(FEWEST * number, count + 1):
            tried = [
                (best[number - 1, start][0] + cost[start, stop], (*best[number - 1, start][1], start))
                for start in range(stop - FEWEST + 1)
                if (number - 1, start) in best
            ]
            if tried:
                best[number, stop] = min(tried)
    squares, starts = best[segments, count]
    variance = max(squares / count, LEAST**2)
    parameters = 2 * segments + PLACE * (segments - 1) + 1
    return Segmented(starts[1:], squares, count * math.log(variance) + parameters * math.log(count))


def _costs(x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]) -> dict[tuple[int, int], float]:
    """The sum of squares that is left by one line over points start..stop-1."""
    costs = {}
    for start in range(len(x)):
        for stop in range(start + FEWEST, len(x) + 1):
            part = slice(start, stop)
            across, up = x[part] - x[part].mean(), y[part] - y[part].mean()
            steep = (across @ up) / (across @ across)
            costs[start, stop] = float(np.square(up - steep * across).sum())
    return costs
