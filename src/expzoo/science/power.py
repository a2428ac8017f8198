"""How many units would settle a question: the smallest n at which the rule decides in four of five runs.

The effect and the spread are taken to be those that were found. Student's intervals have the
non-central t distribution, rates are counted out exactly (sums over binomials), and a bootstrap's
interval is taken for one of Student's with the half-width on its own side.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from expzoo.science.statistics import t_quantile

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from expzoo.science.statistics import Estimate

POWER = 0.8
MOST = 1_000_000  # units: what needs more is out of reach
MOST_COUNTED = 20_000  # trials in each of two groups, for which all pairs of counts are still summed over
SPREAD = 8  # standard deviations of a count beyond which its probability, below 1e-15, is left out


def units_needed(estimate: Estimate, bounds: Sequence[float], *, power: float = POWER) -> int | None:
    """The least n > estimate.n at which the interval excludes all of these bounds, on their sides of the effect.

    None if the effect lies on a bound, if there is no interval, or if n would be out of reach.
    """
    if any(estimate.effect == bound for bound in bounds) or math.isnan(estimate.low):
        return None
    if len(estimate.counts) == 1:
        found = [_trials(estimate, bound, power) for bound in bounds]
        return None if None in found else max(n for n in found if n)
    if len(estimate.counts) == 2:
        return _least(lambda n: _both(_groups(estimate, bound, n) for bound in bounds), estimate.n, MOST_COUNTED, power)
    return _least(lambda n: _both(_student(estimate, bound, n) for bound in bounds), estimate.n, MOST, power)


def detectable(n: int, level: float, *, power: float = POWER) -> float:
    """The bias, in standard deviations, that a t interval of n values excludes 0 for with this power; NaN for n < 2."""
    if n < 2:
        return math.nan
    low, high = 0.0, 1e4
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (low, middle) if _beyond(n, middle, level) >= power else (middle, high)
    return high


def detectable_difference(
    rate: float, trials: tuple[int, int], level: float, *, limit: float = 0.0, power: float = POWER
) -> float:
    """The difference of two rates around this one whose Newcombe interval lies above `limit` with this power, in 1/100.

    NaN if not even 0 against 1 is found.
    """
    for difference in np.arange(max(math.floor(100 * limit), -100) + 1, 101) / 100:
        high = min(1.0 + min(difference, 0.0), max(difference, rate + difference / 2, 0.0))
        counts = ((high * trials[0], trials[0]), ((high - difference) * trials[1], trials[1]))
        if _pairs(counts, level, limit, trials, above=True) >= power:
            return float(difference)
    return math.nan


def detectable_rate(n: int, bound: float, level: float, *, above: bool, power: float = POWER) -> float:
    """The rate nearest to `bound` whose exact binomial interval from n trials excludes the bound with this power.

    NaN if not even a perfect result excludes it.
    """
    from scipy.stats import beta, binom

    tail = (1 - level) / 2
    if above:
        won = next((k for k in range(n + 1) if k and beta.ppf(tail, k, n - k + 1) > bound), None)
        rates = (bound + (1 - bound) * step / 1000 for step in range(1, 1001))
        return next((r for r in rates if won is not None and binom.sf(won - 1, n, r) >= power), float("nan"))
    lost = next((k for k in range(n, -1, -1) if k < n and beta.ppf(1 - tail, k + 1, n - k) < bound), None)
    rates = (bound * (1 - step / 1000) for step in range(1, 1001))
    return next((r for r in rates if lost is not None and binom.cdf(lost, n, r) >= power), float("nan"))


def _both(chances: object) -> float:
    """At least how likely it is that all of some events happen (Bonferroni)."""
    return 1 - sum(1 - chance for chance in chances)  # type: ignore[attr-defined]


def _least(chance: Callable[[int], float], n: int, most: int, power: float) -> int | None:
    """The least number above n with this chance, which is taken to grow; None if it is above `most`."""
    low, high = n, n + 1
    while chance(high) < power:
        if high >= most:
            return None
        low, high = high, min(2 * high, most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if chance(middle) >= power else (middle, high)
    return high


def _student(estimate: Estimate, bound: float, n: int) -> float:
    """How likely an interval of n units excludes the bound."""
    half = abs(estimate.effect - (estimate.low if bound < estimate.effect else estimate.high))
    if not half:
        return 1.0
    deviation = half / t_quantile(estimate.level, estimate.n - 1) * math.sqrt(estimate.n)
    return _beyond(n, abs(estimate.effect - bound) / deviation, estimate.level)


def _beyond(n: int, distance: float, level: float) -> float:
    """How likely Student's interval of n normal values excludes a bound so many standard deviations from their mean."""
    from scipy.special import nctdtr, ndtr

    shift = distance * math.sqrt(n)
    if shift > 30 or n > 10_000:  # the t distribution is as good as normal, or the chance as good as one
        return float(ndtr(shift - t_quantile(level, n - 1)))
    return 1 - float(nctdtr(n - 1, shift, t_quantile(level, n - 1)))


def _trials(estimate: Estimate, bound: float, power: float) -> int | None:
    """The least number of trials at which the exact binomial interval excludes the bound with this power."""
    from scipy.stats import binom

    [(successes, trials)] = estimate.counts
    rate, limit, tail = successes / trials, bound / estimate.unit, (1 - estimate.level) / 2
    if rate > limit:  # the same question, of failures
        rate, limit = 1 - rate, 1 - limit
    first = trials + 1
    while first <= MOST:
        n = np.arange(first, 2 * first + 100)
        highest = binom.ppf(tail, n, limit) - 1  # counts up to which the interval's upper end is below the limit
        if (enough := binom.cdf(highest, n, rate) >= power).any():
            return int(n[enough.argmax()])
        first = int(n[-1]) + 1
    return None


def _groups(estimate: Estimate, bound: float, n: int) -> float:
    """How likely Newcombe's interval of n trials in the smaller group excludes the bound."""
    first, second = (math.ceil(n * group / estimate.n) for _, group in estimate.counts)
    limit, above = bound / estimate.unit, estimate.effect > bound
    return _pairs(estimate.counts, estimate.level, limit, (first, second), above=above)


def _pairs(
    counts: Sequence[tuple[float, int]], level: float, limit: float, trials: tuple[int, int], *, above: bool
) -> float:
    """How likely Newcombe's interval of so many trials lies above, or below, a limit at the rates of these counts."""
    from scipy.special import erfinv
    from scipy.stats import binom

    rates = [successes / group for successes, group in counts]
    z = math.sqrt(2) * float(erfinv(level))
    ks = [_likely(rate, count) for rate, count in zip(rates, trials, strict=True)]
    (a, (low_a, high_a)), (b, (low_b, high_b)) = (
        (k / count, _wilson(k, count, z)) for k, count in zip(ks, trials, strict=True)
    )
    difference = a[:, None] - b
    if above:
        decided = difference - np.hypot((a - low_a)[:, None], high_b - b) > limit
    else:
        decided = difference + np.hypot((high_a - a)[:, None], b - low_b) < limit
    first, second = (binom.pmf(k, count, rate) for k, count, rate in zip(ks, trials, rates, strict=True))
    return float(first @ decided @ second)


def _likely(rate: float, trials: int) -> Int[np.ndarray, " counts"]:
    around, spread = rate * trials, SPREAD * math.sqrt(trials * rate * (1 - rate)) + 1
    return np.arange(max(0, math.floor(around - spread)), min(trials, math.ceil(around + spread)) + 1)


def _wilson(
    successes: Int[np.ndarray, " counts"], trials: int, z: float
) -> tuple[Float[np.ndarray, " counts"], Float[np.ndarray, " counts"]]:
    """Wilson's score interval (1927) of each count."""
    rate = successes / trials
    middle = (rate + z**2 / (2 * trials)) / (1 + z**2 / trials)
    half = z / (1 + z**2 / trials) * np.sqrt(rate * (1 - rate) / trials + z**2 / (4 * trials**2))
    return middle - half, middle + half
