"""Intervals and tests by resampling seeds, clusters, rows or signs. Deterministic: equal values, equal answer.

The bootstrap's intervals are BCa (Efron 1987) at a level expanded for small n, as in Hesterberg
(2014, "What Teachers Should Know about the Bootstrap", arXiv:1411.5279); without that a nominal 95
% covers about 88 % at n = 8.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from expzoo.science.statistics import (
    ROUNDING,
    Estimate,
    Method,
    finite_values,
    no_interval,
    point_interval,
    student_interval,
    t_quantile,
)
from expzoo.system.randomness import stable_hash

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped
    from numpy.typing import ArrayLike

Statistic = Callable[[np.ndarray], Any]
"""Of a sample, one number; where many samples are taken at once, an array of them."""

TOGETHER = 1000  # resamples whose statistic is found at once

SIGN_FLIP_LIMIT = 40  # 2**20 sums for each half of the values


def bca(
    values: ArrayLike,
    statistic: Statistic,
    *,
    level: float = 0.95,
    draws: int = 9999,
    seed: int = 0,
    vectorized: bool = False,
) -> Estimate:
    """The statistic of values (n, ...) with the bootstrap interval over the first axis.

    `statistic` takes an array like `values` and gives one number, so that arms and settings of a seed stay together.
    If `vectorized` it takes many of them, (resamples, n, ...), and gives a number for each.
    """
    sample = finite_values(values)
    method: Method = "BCa bootstrap"
    if not vectorized:
        return _bootstrap(lambda chosen: statistic(sample[chosen]), len(sample), method, level, draws, seed)

    def of_many(chosen: Int[np.ndarray, "*resamples n"], axis: int = -1) -> Float[np.ndarray, "*resamples"]:
        flat = chosen.reshape(-1, chosen.shape[axis])
        parts = [statistic(sample[flat[start : start + TOGETHER]]) for start in range(0, len(flat), TOGETHER)]
        return np.concatenate(parts).reshape(chosen.shape[:-1])

    return _bootstrap(of_many, len(sample), method, level, draws, seed, vectorized=True)


def cluster_bootstrap(
    clusters: Sequence[ArrayLike], statistic: Statistic, *, level: float = 0.95, draws: int = 9999, seed: int = 0
) -> Estimate:
    """The statistic of all clusters' values, each (size, ...), with the interval over resampled whole clusters."""
    parts = [finite_values(cluster) for cluster in clusters]

    def of_clusters(chosen: Int[np.ndarray, " clusters"]) -> float:
        return statistic(np.concatenate([parts[index] for index in chosen]))

    return _bootstrap(of_clusters, len(parts), "cluster bootstrap", level, draws, seed)


def row_permutation(
    tables: Shaped[np.ndarray, "units rows columns"],
    statistic: Callable[[np.ndarray], np.ndarray],
    *,
    level: float = 0.95,
    draws: int = 999,
    seed: int = 0,
) -> Estimate:
    """How far the statistic exceeds its mean when every row is permuted by itself, and the one-sided p value of that.

    `statistic` maps tables to one number for each unit. The p value is that of the mean over units;
    the interval is Student's over the units' excesses. So neither rows of uneven density nor one
    unit decide.
    """
    units = len(tables)
    if not units:
        return no_interval(math.nan, 0, level, "row permutation")
    observed = finite_values(statistic(tables))
    if observed.shape != (units,):
        raise ValueError(f"the statistic of {units} tables has shape {observed.shape}, not ({units},)")
    rng = _generator("row permutation", seed)
    null = np.stack([finite_values(statistic(rng.permuted(tables, axis=-1))) for _ in range(draws)])
    scale = max(np.abs(observed).max(), np.abs(null).max())
    reached = np.sum(null.mean(axis=1) >= observed.mean() - ROUNDING * scale)
    return replace(
        student_interval(observed - null.mean(axis=0), scale, level, "row permutation"),
        p=float((1 + reached) / (1 + draws)),
    )


def sign_flip_p(differences: ArrayLike, alternative: Literal["greater", "less", "two-sided"] = "greater") -> float:
    """The exact p value of the mean of differences (n,), n <= 40, when each sign is as likely as its opposite.

    Fisher's randomisation test. All 2**n sums are counted by meeting in the middle: two halves, one of them sorted.
    """
    sample = finite_values(differences)
    if len(sample) > SIGN_FLIP_LIMIT:
        raise ValueError(f"{len(sample)} differences are more than the {SIGN_FLIP_LIMIT} that can be counted exactly")
    total = {"greater": sample.sum(), "less": -sample.sum(), "two-sided": abs(sample.sum())}[alternative]
    first, second = _signed_sums(sample[::2]), np.sort(_signed_sums(sample[1::2]))
    threshold = total - ROUNDING * np.abs(sample).sum()
    reached = len(second) * len(first) - int(np.searchsorted(second, threshold - first).sum())
    p = reached / 2 ** len(sample)
    return min(1.0, 2 * p) if alternative == "two-sided" else p


def _bootstrap(
    statistic: Callable[..., Any],
    n: int,
    method: Method,
    level: float,
    draws: int,
    seed: int,
    *,
    vectorized: bool = False,
) -> Estimate:
    """BCa over indices 0..n-1, so that a unit may be anything; NaN where the statistic or its spread is undefined."""
    from scipy.special import ndtr
    from scipy.stats import bootstrap

    effect = float(statistic(np.arange(n))) if n else math.nan
    if n < 2 or not math.isfinite(effect):
        return no_interval(effect, n, level, method)
    expanded = 1 - 2 * float(ndtr(-math.sqrt(n / (n - 1)) * t_quantile(level, n - 1)))
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")  # SciPy warns where it returns the NaN that is handled here
        result = bootstrap(
            (np.arange(n),), statistic, n_resamples=draws, vectorized=vectorized, confidence_level=expanded,
            rng=_generator(method, seed),
        )  # fmt: skip
    if np.ptp(result.bootstrap_distribution) <= ROUNDING * abs(effect):
        return point_interval(effect, n, level, method)
    low, high = (float(end) for end in result.confidence_interval)
    if not (math.isfinite(low) and math.isfinite(high)) and _is_flat(statistic, n):
        tail = (1 - expanded) / 2
        low, high = (float(end) for end in np.quantile(result.bootstrap_distribution, (tail, 1 - tail)))
    if not (math.isfinite(low) and math.isfinite(high)):
        return no_interval(effect, n, level, method)
    return Estimate(effect, low, high, level, n, method)


def _is_flat(statistic: Statistic, n: int) -> bool:
    """Whether no single unit matters, as where a height is zero: BCa, which measures skew by that, is undefined there.

    The bootstrap's own percentiles are not.
    """
    every = np.arange(n)
    with np.errstate(all="ignore"):
        return float(np.ptp([statistic(np.delete(every, one)) for one in every])) == 0


def _generator(purpose: str, seed: int) -> np.random.Generator:
    return np.random.default_rng(stable_hash("statistics", purpose, seed))


def _signed_sums(values: Float[np.ndarray, " n"]) -> Float[np.ndarray, " sums"]:
    sums = np.zeros(1)
    for value in values:
        sums = np.concatenate([sums + value, sums - value])
    return sums
