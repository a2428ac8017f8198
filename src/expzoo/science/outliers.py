"""Values that do not belong to the others, and tests that no single value decides."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from expzoo.science.resampling import SIGN_FLIP_LIMIT, sign_flip_p
from expzoo.science.statistics import ROUNDING, t_quantile

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float

LEVEL = 0.99  # of the test for outliers


def outliers(values: Sequence[float]) -> list[int]:
    """The indices of outliers among normal values, at most a quarter of them, in increasing order.

    The generalised extreme studentised deviate test (Rosner 1983, "Percentage points for a
    generalized ESD many-outlier procedure"), which several outliers cannot hide from by widening
    the spread.
    """
    sample, left = np.asarray(values, np.float64), list(range(len(values)))
    removed: list[int] = []
    found = 0
    for _ in range(len(sample) // 4):
        rest = sample[left]
        n, deviation = len(rest), float(rest.std(ddof=1))
        if n < 4 or deviation <= ROUNDING * float(np.abs(rest).max()):
            break
        furthest = int(np.abs(rest - rest.mean()).argmax())
        t = t_quantile(1 - (1 - LEVEL) / n, n - 2)
        critical = (n - 1) * t / math.sqrt(n * (n - 2 + t**2))
        extreme = abs(rest[furthest] - rest.mean()) / deviation > critical
        removed.append(left.pop(furthest))
        found = len(removed) if extreme else found
    return sorted(removed[:found])


def beyond_p(values: Sequence[float], bound: float, *, above: bool) -> float:
    """The exact p value, by flipping signs, that the values' mean lies on this side of the bound; NaN for too many."""
    sample: Float[np.ndarray, " n"] = np.asarray(values, np.float64) - bound
    if len(sample) > SIGN_FLIP_LIMIT:
        return math.nan
    return sign_flip_p(sample, "greater" if above else "less")


def sign_p(values: Sequence[float], failures: int, bound: float, *, above: bool) -> float:
    """The p value of the sign test that more than half of the units lie on this side, `failures` more on the other."""
    from scipy.special import bdtrc

    sample = np.asarray(values, np.float64)
    successes = int(((sample > bound) if above else (sample < bound)).sum())
    return float(bdtrc(successes - 1, len(sample) + failures, 0.5)) if successes else 1.0
