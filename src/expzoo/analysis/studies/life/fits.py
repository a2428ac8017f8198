"""The width at which half of the networks succeed, by logistic regression of success on the logarithm of the width."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from expzoo.science.resampling import bca

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Real

    from expzoo.science.statistics import Estimate

PRIOR = 0.5  # added to successes and to failures at each width (Haldane 1956): the fit is finite where all agree
STEPS, DRAWS = 30, 999


def half_width(
    successes: Real[np.ndarray, " widths"], trials: Real[np.ndarray, " widths"], widths: Real[np.ndarray, " widths"]
) -> float:
    """The width m at which a logistic curve in log m is one half, within the range of widths.

    Newton's method on the binomial likelihood of successes of trials. Where success does not grow
    with the width there is no such width: then the end of the range on the side of the rate is given.
    So what lies beyond the widths tried makes growth look smaller, never larger.
    """
    return _half_width(*(tuple(np.asarray(values, np.float64).tolist()) for values in (successes, trials, widths)))


@lru_cache(maxsize=100_000)  # resamples of the same networks have the same counts again and again
def _half_width(*counted: tuple[float, ...]) -> float:
    successes, trials, widths = (np.array(values) for values in counted)
    x = np.log(widths)
    rate, weight = (successes + PRIOR) / (trials + 2 * PRIOR), trials + 2 * PRIOR
    centred, at = x - x.mean(), np.zeros(2)
    design = np.stack([np.ones_like(x), centred])
    for _ in range(STEPS):
        p = 1 / (1 + np.exp(-np.clip(at @ design, -30, 30)))
        curvature = (design * (weight * p * (1 - p))) @ design.T + 1e-9 * np.eye(2)
        step = np.linalg.solve(curvature, design @ (weight * (rate - p)))
        at = at + np.clip(step, -2, 2)
        if np.abs(step).max() < 1e-6:
            break
    low, high = math.log(widths.min()), math.log(widths.max())
    if at[1] <= 1e-9:
        return math.exp(low if np.average(rate, weights=weight) > 0.5 else high)
    return math.exp(min(max(x.mean() - at[0] / at[1], low), high))


def growth(successes: Real[np.ndarray, "seeds 2 widths"], widths: Sequence[int], *, level: float = 0.95) -> Estimate:
    """How many times wider the second task's half width is than the first's: `successes` of 0 and 1.

    Seeds are resampled whole. The bootstrap is of the logarithm, whose distribution is nearer to symmetric.
    """
    tried = np.asarray(widths, float)

    def logarithm(sample: Real[np.ndarray, "seeds 2 widths"]) -> float:
        trials = np.full(len(tried), float(len(sample)))
        first, second = (half_width(sample[:, task].sum(0), trials, tried) for task in (0, 1))
        return math.log(second / first)

    found = bca(successes, logarithm, level=level, draws=DRAWS)
    effect, low, high = (math.exp(value) for value in (found.effect, found.low, found.high))
    return type(found)(effect, low, high, level, found.n, found.method)
