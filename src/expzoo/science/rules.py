"""What an estimate says of a claim, what keeps it from saying it, and how many units would settle it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from expzoo.science.outliers import beyond_p, outliers, sign_p
from expzoo.science.power import units_needed
from expzoo.science.statistics import Estimate, Method, clopper_pearson, newcombe, student_interval

if TYPE_CHECKING:
    from collections.abc import Iterator

    from expzoo.science.verdicts import Direction, Outcome

DROPPED_AT_MOST = 0.2  # of the units; beyond, those that are left are a selection
LEAST_FOR_T = 5
LEAST_FOR_BOOTSTRAP = 8  # below, its intervals are too narrow
TOLERANCE = 1e-9  # of a p value
Bounds = tuple[float, float]
"""The effects that are the smallest of interest, on both sides of the reference."""


def position(direction: Direction, bounds: Bounds, estimate: Estimate) -> Outcome:
    """The outcome by where the interval lies alone."""
    lower, upper = bounds
    beyond, short_of = {
        "greater": (estimate.low > upper, estimate.high < upper),
        "less": (estimate.high < lower, estimate.low > lower),
        "equivalent": (lower < estimate.low and estimate.high < upper, estimate.high < lower or upper < estimate.low),
    }[direction]
    return "supported" if beyond else "not supported" if short_of else "inconclusive"


def doubts(direction: Direction, bounds: Bounds, estimate: Estimate, dropped: int, missing: int) -> Iterator[str]:
    """Why this estimate settles nothing, wherever its interval lies."""
    bounds, estimate = _where_it_is_a_mean(bounds, estimate)
    yield from _of_number(estimate, dropped, missing)
    outcome, tail = position(direction, bounds, estimate), (1 - estimate.level) / 2 + TOLERANCE
    if outcome == "supported":
        if estimate.p > tail:
            yield f"p = {estimate.p:.3g}"
        if dropped and not estimate.values:
            yield "those that diverged have no value, and may have changed it"
        elif dropped:
            failing = _with_failures(direction, bounds, estimate, dropped)
            if failing > tail:
                yield f"with those that diverged as failures the sign test has p = {failing:.3g}"
    if outcome != "inconclusive":
        flipped = _if_an_outlier_decides(direction, bounds, estimate, outcome)
        if flipped > tail:
            yield f"an outlier decides, and the exact sign-flip test has p = {flipped:.3g}"


def _of_number(estimate: Estimate, dropped: int, missing: int) -> Iterator[str]:
    """Too few units, too many without a value, or none that vary."""
    if estimate.n < (least := least_units(estimate.method)):
        yield f"n = {estimate.n} is below {least}, the least for a {estimate.method} interval"
    elif math.isnan(estimate.low):
        yield "no interval: the values do not vary, the effect is undefined, or all resamples lie on one side of it"
    if dropped + missing > DROPPED_AT_MOST * (estimate.n + dropped + missing):
        yield f"more than {DROPPED_AT_MOST:.0%} left out"


def outlying(estimate: Estimate) -> str:
    """Which units are outliers, in words; empty if none is, or if the effect is no mean."""
    found = [estimate.values[index] for index in outliers(estimate.values)]
    found = [math.exp(value) for value in found] if estimate.geometric else found
    return f"outlying units: {', '.join(f'{value:.3g}' for value in found)} of {estimate.n}" if found else ""


def least_units(method: Method) -> int:
    """The least n for which the method's interval is as good as its level."""
    if method in ("Clopper-Pearson", "Newcombe", "enumeration"):
        return 1
    return LEAST_FOR_BOOTSTRAP if method in ("BCa bootstrap", "cluster bootstrap") else LEAST_FOR_T


def in_reach(direction: Direction, bounds: Bounds, method: Method, n: int, level: float) -> bool:
    """Whether some result of n units would support a claim; of rates, whose bounds are in per cent, it is the best."""
    if n < least_units(method):
        return False
    if method not in ("Clopper-Pearson", "Newcombe"):
        return True
    if method == "Clopper-Pearson":
        results = (clopper_pearson(k, n, level=level) for k in range(n + 1))
    else:
        results = (newcombe(won, (n, n), level=level) for won in ((n, 0), (0, n), (n, n)))
    return any(position(direction, bounds, result.scaled(100)) == "supported" for result in results)


def needed(direction: Direction, bounds: Bounds, estimate: Estimate) -> int | None:
    """How many units would settle it at 80 % power, more than there are; None if no number is known to."""
    bounds, estimate = _where_it_is_a_mean(bounds, estimate)
    least, (lower, upper) = least_units(estimate.method), bounds
    if estimate.n < least and math.isnan(estimate.low):
        return least
    inside = lower < estimate.effect < upper
    nearest = min(bounds, key=lambda bound: abs(estimate.effect - bound))
    excluded = {"greater": (upper,), "less": (lower,), "equivalent": bounds if inside else (nearest,)}[direction]
    units = units_needed(estimate, excluded)
    return None if units is None else max(units, least)


def _where_it_is_a_mean(bounds: Bounds, estimate: Estimate) -> tuple[Bounds, Estimate]:
    """Bounds and estimate on the scale on which the effect is the mean of its values: logarithms of a geometric one.

    A bound of 0 or less is below every ratio.
    """
    if not estimate.geometric:
        return bounds, estimate
    lower, upper, effect, low, high = (
        math.log(value) if value > 0 else -math.inf if value <= 0 else math.nan
        for value in (*bounds, estimate.effect, estimate.low, estimate.high)
    )
    return (lower, upper), replace(estimate, effect=effect, low=low, high=high, geometric=False)


def _with_failures(direction: Direction, bounds: Bounds, estimate: Estimate, dropped: int) -> float:
    """The p value of the sign test of support in which units without a value are failures."""
    lower, upper = bounds
    tests = {"greater": [(upper, True)], "less": [(lower, False)], "equivalent": [(lower, True), (upper, False)]}
    return max(sign_p(estimate.values, dropped, bound, above=above) for bound, above in tests[direction])


def _if_an_outlier_decides(direction: Direction, bounds: Bounds, estimate: Estimate, outcome: Outcome) -> float:
    """The p value of the outcome by flipping signs if it would be another one without the outliers, else 0."""
    found = outliers(estimate.values)
    if not found:
        return 0.0
    others = np.delete(np.array(estimate.values), found)
    without = student_interval(others, float(np.abs(others).max()), estimate.level, estimate.method)
    if position(direction, bounds, replace(without, n=estimate.n)) == outcome:
        return 0.0
    lower, upper = bounds
    if outcome == "supported":
        tests = {"greater": [(upper, True)], "less": [(lower, False)], "equivalent": [(lower, True), (upper, False)]}
    else:
        short = [(lower, False)] if estimate.high < lower else [(upper, True)]
        tests = {"greater": [(upper, False)], "less": [(lower, True)], "equivalent": short}
    return max(beyond_p(estimate.values, bound, above=above) for bound, above in tests[direction])
