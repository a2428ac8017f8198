"""What a number of seeds can see: the effect at which a decision rule says so four times in five."""

from __future__ import annotations

from typing import Any

POWER = 0.8  # Cohen 1988, "Statistical power analysis for the behavioral sciences", section 2.4


def detectable_by_t(n: int, level: float, power: float = POWER) -> float:
    """How many standard deviations beyond a bound an effect must lie for a t interval of n units to exclude the bound.

    NaN for fewer than two units. The interval is two-sided at `level`, of which one side decides.
    """
    from scipy.optimize import brentq
    from scipy.stats import nct, t

    if n < 2:
        return float("nan")
    critical = t.ppf((1 + level) / 2, n - 1)
    beyond: Any = brentq(lambda d: nct.sf(critical, n - 1, d * n**0.5) - power, 0.0, 100.0)
    return float(beyond)


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
