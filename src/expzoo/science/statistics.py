"""Intervals and tests over seeds: numbers in, an `Estimate` out. What it means for a claim is decided in `claims`.

The unit is one seed (or cluster, or trial). Diverged values are refused: `complete` drops and
counts them, and whoever calls reports the count. An interval that the values cannot carry is NaN:
fewer than two values, or too few equal ones. SciPy and statsmodels are imported inside the
functions: they take seconds, which reading a verdict must not cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from numpy.typing import ArrayLike

Method = Literal[
    "one-sample t",
    "paired t",
    "Welch t",
    "TOST",
    "BCa bootstrap",
    "cluster bootstrap",
    "Clopper-Pearson",
    "Newcombe",
    "row permutation",
    "enumeration",
]
ROUNDING = 1e-12  # values closer than this, relative to the largest, differ by rounding alone
LARGEST = 1e70  # beyond, fourth powers overflow: such a value counts as diverged


@dataclass(frozen=True)
class Estimate:
    """An effect and its two-sided interval at `level`.

    `n` counts independent units (of the smaller group, where there are two). `p` is the one-sided p
    value of the test that the method names, NaN where there is only an interval. `low` and `high`
    are both NaN without one. `values` are the units' own effects if the effect is their mean, logarithms if
    their `geometric` mean; `counts` the successes and trials of each group of rates, of which one is `unit` large.
    """

    effect: float
    low: float
    high: float
    level: float
    n: int
    method: Method
    p: float = math.nan
    values: tuple[float, ...] = field(default=(), compare=False, repr=False)
    counts: tuple[tuple[int, int], ...] = field(default=(), compare=False, repr=False)
    unit: float = field(default=1.0, compare=False, repr=False)
    geometric: bool = field(default=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not 0 < self.level < 1:
            raise ValueError(f"level {self.level} is not a number between 0 and 1")
        if math.isnan(self.low) != math.isnan(self.high) or self.low > self.high:
            raise ValueError(f"[{self.low}, {self.high}] is not an interval")

    def scaled(self, factor: float) -> Estimate:
        """The same estimate in another unit, such as factor=100 from a fraction to per cent."""
        if not 0 < factor < math.inf:
            raise ValueError(f"factor {factor} is not a positive number")
        ends = {"effect": self.effect * factor, "low": self.low * factor, "high": self.high * factor}
        return replace(self, **ends, unit=self.unit * factor, values=tuple(value * factor for value in self.values))


def complete(*samples: ArrayLike) -> tuple[list[Float[np.ndarray, "n ..."]], int]:
    """The samples without the units (first axis) at which any of them has diverged, and how many units that were.

    Diverged is what is not finite or is beyond 1e70. Dropping is a selection, so whoever drops must say how many.
    """
    arrays = [np.asarray(sample, dtype=np.float64) for sample in samples]
    lengths = {len(array) for array in arrays}
    if len(lengths) > 1:
        raise ValueError(f"samples of one set of seeds have one length, not {sorted(lengths)}")
    keep = np.all([_usable(array).all(axis=tuple(range(1, array.ndim))) for array in arrays], axis=0)
    return [array[keep] for array in arrays], int(np.sum(~keep))


def pair_on_seed(
    treatment: Mapping[int, float], baseline: Mapping[int, float]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"], int]:
    """Both arms' values in the order of the seeds that have two finite ones, and how many seeds do not."""
    seeds = sorted(treatment.keys() & baseline.keys())
    (first, second), diverged = complete([treatment[seed] for seed in seeds], [baseline[seed] for seed in seeds])
    return first, second, diverged + len(treatment.keys() ^ baseline.keys())


def mean_t(values: ArrayLike, *, level: float = 0.95) -> Estimate:
    """The mean of values (n,) with Student's interval."""
    sample = _sample(values)
    return student_interval(sample, np.abs(sample).max(initial=0), level, "one-sample t")


def paired_t(treatment: ArrayLike, baseline: ArrayLike, *, level: float = 0.95) -> Estimate:
    """The mean of treatment - baseline, both (n,) and in the same order of seeds, with Student's interval."""
    differences, scale = _differences(treatment, baseline)
    return student_interval(differences, scale, level, "paired t")


def welch_t(treatment: ArrayLike, baseline: ArrayLike, *, level: float = 0.95) -> Estimate:
    """The difference of the means of independent samples (n,), (m,); degrees of freedom of Welch and Satterthwaite."""
    first, second = _sample(treatment), _sample(baseline)
    n = min(len(first), len(second))
    effect = _mean(first) - _mean(second)
    if n < 2:
        return no_interval(effect, n, level, "Welch t")
    scale = max(np.abs(first).max(), np.abs(second).max())
    if max(np.ptp(first), np.ptp(second)) <= ROUNDING * scale:
        return point_interval(effect, n, level, "Welch t")
    errors = np.array([first.var(ddof=1) / len(first), second.var(ddof=1) / len(second)])
    freedom = errors.sum() ** 2 / np.sum(errors**2 / [len(first) - 1, len(second) - 1])
    half = t_quantile(level, freedom) * math.sqrt(errors.sum())
    return Estimate(effect, effect - half, effect + half, level, n, "Welch t")


def tost(treatment: ArrayLike, baseline: ArrayLike, low: float, high: float, *, level: float = 0.90) -> Estimate:
    """Two one-sided tests (Schuirmann 1987) that the mean of treatment - baseline lies between `low` and `high`.

    `p` is the larger of the two p values; it is below (1 - level) / 2 exactly if the interval lies within (low, high).
    """
    from scipy.special import stdtr

    if not low < high:
        raise ValueError(f"({low}, {high}) is not a range of equivalence")
    differences, scale = _differences(treatment, baseline)
    interval = student_interval(differences, scale, level, "TOST")
    if math.isnan(interval.low):
        return interval
    if interval.low == interval.high:  # the sign test, of which this interval is the inversion
        return replace(interval, p=0.5**interval.n if low < interval.effect < high else 1.0)
    error = differences.std(ddof=1) / math.sqrt(interval.n)
    nearest = min(interval.effect - low, high - interval.effect)
    return replace(interval, p=float(stdtr(interval.n - 1, -nearest / error)))


def clopper_pearson(successes: int, trials: int, *, level: float = 0.95) -> Estimate:
    """The rate successes / trials, a fraction, with the exact interval of Clopper and Pearson (1934)."""
    from scipy.special import betaincinv

    _check_count(successes, trials)
    if trials == 0:
        return no_interval(math.nan, 0, level, "Clopper-Pearson")
    tail = (1 - level) / 2
    failures = trials - successes
    low = float(betaincinv(successes, failures + 1, tail)) if successes else 0.0
    high = float(betaincinv(successes + 1, failures, 1 - tail)) if failures else 1.0
    counts = ((successes, trials),)
    return Estimate(successes / trials, low, high, level, trials, "Clopper-Pearson", counts=counts)


def enumeration(wrong: int, cases: int, *, level: float = 0.95) -> Estimate:
    """How many of all possible cases are wrong: nothing is sampled, so the interval is the number itself."""
    _check_count(wrong, cases)
    return Estimate(float(wrong), float(wrong), float(wrong), level, cases, "enumeration")


def newcombe(successes: tuple[int, int], trials: tuple[int, int], *, level: float = 0.95) -> Estimate:
    """The first rate minus the second, fractions, with the hybrid score interval (Newcombe 1998, method 10)."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    for count, total in zip(successes, trials, strict=True):
        _check_count(count, total)
    if min(trials) == 0:
        return no_interval(math.nan, 0, level, "Newcombe")
    effect = successes[0] / trials[0] - successes[1] / trials[1]
    ends = confint_proportions_2indep(
        successes[0], trials[0], successes[1], trials[1], method="newcomb", compare="diff", alpha=1 - level
    )
    low, high = np.asarray(ends, dtype=np.float64)
    counts = tuple(zip(successes, trials, strict=True))
    return Estimate(effect, float(low), float(high), level, min(trials), "Newcombe", counts=counts)


def holm(p_values: ArrayLike) -> Float[np.ndarray, " m"]:
    """The p values (m,) adjusted for m tests by Holm's (1979) step-down method, in the order given."""
    p = _sample(p_values)
    if np.any((p < 0) | (p > 1)):
        raise ValueError(f"p values lie between 0 and 1, not {p.min()} to {p.max()}")
    order = np.argsort(p, kind="stable")
    adjusted = np.empty_like(p)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)))
    return adjusted


def mean_interval(
    values: ArrayLike, *, level: float = 0.95, bounds: tuple[float, float] | None = None
) -> tuple[
    Float[np.ndarray | np.float64, "*points"],
    Float[np.ndarray | np.float64, "*points"],
    Float[np.ndarray | np.float64, "*points"],
]:
    """Mean, low and high of a curve: Student's interval over the first axis of values (seeds, points).

    For pictures: pointwise, and of width zero where all seeds agree. Low and high are NaN for fewer than two seeds.
    Of a measure that lies within `bounds`, the interval of the mean's logit (delta method), which stays within them.
    """
    sample = finite_values(values)
    if len(sample) < 2:
        mean = sample.mean(axis=0) if len(sample) else np.full(sample.shape[1:], np.nan)
        return mean, np.full_like(mean, np.nan), np.full_like(mean, np.nan)
    mean = sample.mean(axis=0)
    half = t_quantile(level, len(sample) - 1) * sample.std(axis=0, ddof=1) / math.sqrt(len(sample))
    if bounds is None or sample.size == 0 or sample.min() < bounds[0] or sample.max() > bounds[1]:
        return mean, mean - half, mean + half
    return mean, _within(bounds, mean, -half), _within(bounds, mean, half)


def _within(
    bounds: tuple[float, float],
    mean: Float[np.ndarray | np.float64, "*points"],
    half: Float[np.ndarray | np.float64, "*points"],
) -> Float[np.ndarray | np.float64, "*points"]:
    """The mean moved by `half` to first order, on the scale of the logit; the mean itself where it is a bound."""
    from scipy.special import expit, logit

    size = bounds[1] - bounds[0]
    part = (mean - bounds[0]) / size
    inside = (part > 0) & (part < 1)
    safe = np.where(inside, part, 0.5)
    moved = expit(logit(safe) + half / size / (safe * (1 - safe)))
    return np.where(inside, bounds[0] + size * moved, mean)


def finite_values(values: ArrayLike) -> Float[np.ndarray, "n ..."]:
    """The values as float64; ValueError if any of them has diverged."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim == 0:
        raise ValueError(f"{array} is one number, not a sample")
    if bad := int(np.sum(~_usable(array))):
        raise ValueError(f"{bad} of {array.size} values have diverged: drop them with `complete` and report how many")
    return array


def student_interval(values: Float[np.ndarray, " n"], scale: float, level: float, method: Method) -> Estimate:
    """Student's interval; `scale` is the size of the numbers whose rounding errors are no spread."""
    n, effect = len(values), _mean(values)
    own = tuple(values.tolist())
    if n < 2:
        return replace(no_interval(effect, n, level, method), values=own)
    if np.ptp(values) <= ROUNDING * scale:
        return replace(point_interval(effect, n, level, method), values=own)
    half = t_quantile(level, n - 1) * float(values.std(ddof=1)) / math.sqrt(n)
    return Estimate(effect, effect - half, effect + half, level, n, method, values=own)


def point_interval(effect: float, n: int, level: float, method: Method) -> Estimate:
    """Equal values leave no spread to estimate; then [min, max], a point, is the sign test's interval of the median.

    It covers with probability 1 - 2**(1 - n): 95 % needs six equal values, 90 % five; fewer give no interval.
    """
    if 1 - 2.0 ** (1 - n) < level:
        return no_interval(effect, n, level, method)
    return Estimate(effect, effect, effect, level, n, method)


def no_interval(effect: float, n: int, level: float, method: Method) -> Estimate:
    """An estimate whose interval the values cannot carry."""
    return Estimate(effect, math.nan, math.nan, level, n, method)


def t_quantile(level: float, freedom: float) -> float:
    """How many standard errors an interval of this level reaches to either side."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, (1 + level) / 2))


def _differences(treatment: ArrayLike, baseline: ArrayLike) -> tuple[Float[np.ndarray, " n"], float]:
    first, second = _sample(treatment), _sample(baseline)
    if len(first) != len(second):
        raise ValueError(f"pairs need as many values in both samples, not {len(first)} and {len(second)}")
    return first - second, max(np.abs(first).max(initial=0), np.abs(second).max(initial=0))


def _usable(values: Float[np.ndarray, "*axes"]) -> Bool[np.ndarray, "*axes"]:
    return np.abs(values) <= LARGEST


def _sample(values: ArrayLike) -> Float[np.ndarray, " n"]:
    array = finite_values(values)
    if array.ndim != 1:
        raise ValueError(f"a sample has the shape (n,), not {array.shape}")
    return array


def _check_count(successes: int, trials: int) -> None:
    if not 0 <= successes <= trials:
        raise ValueError(f"{successes} successes of {trials} trials cannot be")


def _mean(values: Float[np.ndarray, " n"]) -> float:
    return float(values.mean()) if len(values) else math.nan
