"""Intervals and tests against other implementations, printed tables, and data whose right answer is known."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats.multitest import multipletests
from statsmodels.stats.proportion import proportion_confint
from statsmodels.stats.weightstats import ttost_paired

from expzoo.science.statistics import (
    Estimate,
    clopper_pearson,
    complete,
    holm,
    mean_interval,
    mean_t,
    newcombe,
    pair_on_seed,
    paired_t,
    tost,
    welch_t,
)

SIMULATIONS = 2000
numbers = st.floats(-1e3, 1e3).map(lambda value: round(value, 3))
levels = st.sampled_from([0.5, 0.8, 0.9, 0.95, 0.99, 0.999])


def coverage(estimates: list[Estimate], truth: float) -> float:
    return float(np.mean([estimate.low <= truth <= estimate.high for estimate in estimates]))


def varied(values: list[float]) -> bool:
    return float(np.ptp(values)) > 1e-2


@given(st.lists(st.tuples(numbers, numbers), min_size=2, max_size=30), levels)
def test_paired_t_is_scipys(pairs: list[tuple[float, float]], level: float) -> None:
    first, second = np.array(pairs).T
    estimate = paired_t(first, second, level=level)
    if not varied(first - second):
        return
    expected = stats.ttest_rel(first, second).confidence_interval(level)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), rel=1e-8, abs=1e-9)
    assert estimate == Estimate(
        float(np.mean(first - second)), estimate.low, estimate.high, level, len(first), "paired t"
    )
    alone = mean_t(first - second, level=level)
    assert (alone.low, alone.high, alone.method) == (estimate.low, estimate.high, "one-sample t")


@given(
    st.lists(numbers, min_size=2, max_size=20).filter(varied),
    st.lists(numbers, min_size=2, max_size=20).filter(varied),
    levels,
)
def test_welch_t_is_scipys(first: list[float], second: list[float], level: float) -> None:
    estimate = welch_t(first, second, level=level)
    expected = stats.ttest_ind(first, second, equal_var=False).confidence_interval(level)
    assert (estimate.low, estimate.high) == pytest.approx((expected.low, expected.high), rel=1e-8, abs=1e-8)
    assert estimate.n == min(len(first), len(second))


def test_t_intervals_cover_as_often_as_they_say() -> None:
    rng = np.random.default_rng(1)
    draws = rng.normal(3, 2, (SIMULATIONS, 6))
    assert 0.935 < coverage([mean_t(row) for row in draws], 3) < 0.965
    assert 0.885 < coverage([mean_t(row, level=0.9) for row in draws], 3) < 0.915
    shared = rng.normal(0, 10, (SIMULATIONS, 6))
    assert 0.935 < coverage([paired_t(row + other, other) for row, other in zip(draws, shared, strict=True)], 3) < 0.965
    others = rng.normal(1, 5, (SIMULATIONS, 9))
    assert 0.935 < coverage([welch_t(row, other) for row, other in zip(draws, others, strict=True)], 2) < 0.965


@given(
    st.lists(st.tuples(numbers, numbers), min_size=5, max_size=30),
    st.floats(-50, 50),
    st.floats(0.1, 100),
    st.sampled_from([0.8, 0.9, 0.95]),
)
def test_tost_is_statsmodels_and_agrees_with_its_interval(
    pairs: list[tuple[float, float]], low: float, width: float, level: float
) -> None:
    first, second = np.array(pairs).T
    if not varied(first - second):
        return
    estimate = tost(first, second, low, low + width, level=level)
    assert estimate.p == pytest.approx(ttost_paired(first, second, low, low + width)[0], rel=1e-7, abs=1e-12)
    assert (estimate.low, estimate.high) == pytest.approx(
        (paired_t(first, second, level=level).low, paired_t(first, second, level=level).high)
    )
    margin = min(estimate.low - low, low + width - estimate.high)
    if abs(margin) > 1e-9:
        assert (margin > 0) == (estimate.p < (1 - level) / 2)


def test_tost_errs_as_seldom_as_it_says_at_the_bound() -> None:
    rng = np.random.default_rng(2)
    wrong = [tost(rng.normal(1, 1, 40), np.zeros(40), -1, 1).p <= 0.05 for _ in range(SIMULATIONS)]
    assert 0.035 < np.mean(wrong) < 0.065


# One decimal of a per cent, as a table of replicates is usually printed.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [(0, 20, 0.0, 16.8), (2, 20, 1.2, 31.7), (3, 64, 1.0, 13.1), (12, 20, 36.1, 80.9), (19, 20, 75.1, 99.9),
     (20, 20, 83.2, 100.0)],
)  # fmt: skip
def test_clopper_pearson_gives_the_published_table(successes: int, trials: int, low: float, high: float) -> None:
    per_cent = clopper_pearson(successes, trials).scaled(100)
    assert (round(per_cent.low, 1), round(per_cent.high, 1)) == (low, high)


def test_how_many_failures_it_takes_to_say_below_five_per_cent() -> None:
    assert clopper_pearson(0, 20, level=0.9).high == pytest.approx(0.139, abs=5e-4)  # the one-sided bound
    assert clopper_pearson(0, 59, level=0.9).high < 0.05 < clopper_pearson(0, 58, level=0.9).high
    assert clopper_pearson(0, 72).high < 0.05 < clopper_pearson(0, 71).high


@given(st.integers(1, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), levels)
def test_clopper_pearson_is_statsmodels(counts: tuple[int, int], level: float) -> None:
    estimate = clopper_pearson(*counts, level=level)
    expected = proportion_confint(*counts, alpha=1 - level, method="beta")
    assert (estimate.low, estimate.high) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("rate", [0.02, 0.1, 0.5, 0.93])
def test_clopper_pearson_never_covers_less_than_it_says(rate: float) -> None:
    """Exact, not simulated: the binomial probability of the outcomes whose interval holds the rate."""
    covered = [n for n in range(21) if clopper_pearson(n, 20).low <= rate <= clopper_pearson(n, 20).high]
    assert stats.binom.pmf(covered, 20, rate).sum() >= 0.95


# Newcombe 1998, "Interval estimation for the difference between independent proportions", table II, method 10.
@pytest.mark.parametrize(
    ("successes", "trials", "low", "high"),
    [((56, 48), (70, 80), 0.0524, 0.3339), ((9, 3), (10, 10), 0.1705, 0.8090), ((6, 2), (7, 7), 0.0582, 0.8062),
     ((5, 0), (56, 29), -0.0381, 0.1926), ((0, 0), (10, 20), -0.1611, 0.2775), ((10, 0), (10, 10), 0.6075, 1.0)],
)  # fmt: skip
def test_newcombe_gives_the_published_table(
    successes: tuple[int, int], trials: tuple[int, int], low: float, high: float
) -> None:
    estimate = newcombe(successes, trials)
    assert (round(estimate.low, 4), round(estimate.high, 4)) == (low, high)
    assert estimate.effect == pytest.approx(successes[0] / trials[0] - successes[1] / trials[1])


@settings(max_examples=10)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_holm_is_statsmodels(p_values: list[float]) -> None:
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


def test_curve_intervals_are_those_of_every_point() -> None:
    values = np.random.default_rng(3).normal(5, 2, (7, 3, 4))
    mean, low, high = mean_interval(values, level=0.9)
    for point in np.ndindex(3, 4):
        estimate = mean_t(values[(slice(None), *point)], level=0.9)
        assert (mean[point], low[point], high[point]) == pytest.approx((estimate.effect, estimate.low, estimate.high))
    agreeing = mean_interval(np.ones((3, 2)))
    assert all(np.array_equal(curve, [1, 1]) for curve in agreeing)
    one_seed, *ends = mean_interval(np.array([[1.0, 2.0]]))
    assert np.array_equal(one_seed, [1, 2])
    assert np.isnan(ends).all()


EDGES = [[0, 5e-324], [100, 99.99999999999999], [98.5, 98.5, 98.50000000000001], [0, 100], [0, 0], [100.0] * 5]


@pytest.mark.parametrize("values", [*EDGES, *(100 * np.random.default_rng(4).beta(0.2, 0.2, (40, 3)))])
def test_an_interval_of_a_percentage_stays_within_its_bounds_around_the_mean(values: Any) -> None:
    mean, low, high = mean_interval(values, bounds=(0, 100))
    assert 0 <= low <= mean + 1e-9 <= high + 2e-9 <= 100 + 3e-9


def test_within_bounds_that_are_far_an_interval_is_students() -> None:
    values = np.random.default_rng(1).normal(50, 0.1, (6, 3))
    for free, bounded in zip(mean_interval(values), mean_interval(values, bounds=(0, 100)), strict=True):
        assert bounded == pytest.approx(free, abs=1e-3)
    beyond = [-1.0, 4.0]  # so these are no bounds
    assert mean_interval(beyond, bounds=(0, 100)) == mean_interval(beyond)


def test_near_a_bound_an_interval_covers_the_mean_as_often_as_its_level() -> None:
    draws = 100 * np.random.default_rng(2).beta(18, 2, (8, 4000))  # a mean of 90 %
    plain, bounded = mean_interval(draws), mean_interval(draws, bounds=(0, 100))
    covered = [float(((low <= 90) & (high >= 90)).mean()) for _, low, high in (plain, bounded)]
    assert plain[2].max() > 100 >= bounded[2].max()
    assert covered[1] >= max(0.93, covered[0] - 0.01)


@pytest.mark.parametrize("sample", [[], [1.5]])
def test_fewer_than_two_values_have_no_interval(sample: list[float]) -> None:
    for estimate in (mean_t(sample), paired_t(sample, sample), welch_t(sample, [1, 2, 3]), tost(sample, sample, -1, 1)):
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)
        assert estimate.n == len(sample)
    assert math.isnan(clopper_pearson(0, 0).low)
    assert math.isnan(newcombe((0, 1), (0, 3)).low)


def test_equal_values_give_a_point_only_when_there_are_enough_of_them() -> None:
    assert math.isnan(mean_t([0.7] * 5).low)
    assert (mean_t([0.7] * 6).low, mean_t([0.7] * 6).high) == pytest.approx((0.7, 0.7))
    assert math.isnan(tost([1.0] * 4, [1.0] * 4, -1, 1).low)
    assert tost([1.0] * 5, [1.0] * 5, -1, 1).p == 1 / 32
    assert tost([3.0] * 5, [1.0] * 5, -1, 1).p == 1
    assert math.isnan(welch_t([1.0] * 5, [2.0] * 9).low)
    assert welch_t([1.0] * 6, [2.0] * 9).high == -1
    rounded = welch_t([0.1 + 0.2, 0.3] * 3, [0.2] * 6)
    assert rounded.low == rounded.high
    noisy = np.array([0.1, 0.2, 0.3, 75.6, 75.7, 33.3])  # the differences are 0.1, up to rounding
    assert paired_t(noisy + 0.1, noisy).low == paired_t(noisy + 0.1, noisy).high


@settings(max_examples=30)
@given(st.sampled_from([math.nan, math.inf, -math.inf, 1e200]), st.integers(0, 4))
def test_diverged_values_are_refused_or_dropped_and_counted(bad: float, index: int) -> None:
    values = np.arange(5.0)
    values[index] = bad
    for method in (mean_t, mean_interval, holm, lambda sample: paired_t(sample, sample), lambda s: welch_t(s, s)):
        with pytest.raises(ValueError, match="1 of 5 values have diverged"):
            method(values)
    (kept, other), dropped = complete(values, np.arange(10.0).reshape(5, 2))
    assert (len(kept), other.shape, dropped) == (4, (4, 2), 1)
    arm = dict(enumerate(values))
    first, second, dropped = pair_on_seed(arm, {4: 4.0, 3: 3.0, 2: 2.0, 1: 1.0, 0: 0.0, 9: 9.0})
    assert np.array_equal(first, second)
    assert (len(first), dropped) == (4, 2)


def test_pairs_are_made_by_seed_whatever_the_order() -> None:
    first, second, dropped = pair_on_seed({7: 1.0, 3: 2.0, 5: 3.0}, {5: 30.0, 7: 10.0, 4: 0.0})
    assert (first.tolist(), second.tolist(), dropped) == ([3.0, 1.0], [30.0, 10.0], 2)
    assert pair_on_seed({}, {1: 1.0})[2] == 1


def test_impossible_arguments_are_refused() -> None:
    with pytest.raises(ValueError, match="as many values in both samples, not 2 and 3"):
        paired_t([1, 2], [1, 2, 3])
    with pytest.raises(ValueError, match=r"shape \(n,\), not \(2, 2\)"):
        mean_t([[1, 2], [3, 4]])
    with pytest.raises(ValueError, match="21 successes of 20 trials"):
        clopper_pearson(21, 20)
    with pytest.raises(ValueError, match=r"\(1, -1\) is not a range"):
        tost([1, 2], [3, 4], 1, -1)
    with pytest.raises(ValueError, match=r"level 1\.5"):
        clopper_pearson(0, 0, level=1.5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        holm([0.1, 1.1])
    with pytest.raises(ValueError, match="factor 0"):
        mean_t([1, 2]).scaled(0)
