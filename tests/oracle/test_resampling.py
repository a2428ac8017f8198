"""Resampling against full enumeration, and against data whose right answer is known."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from expzoo.science.resampling import bca, cluster_bootstrap, row_permutation, sign_flip_p


def exact_bca(values: np.ndarray, statistic, level: float) -> tuple[float, float]:
    """Efron 1987, equations 2.3 and 6.6, over every one of the n**n resamples, at Hesterberg's expanded level."""
    n = len(values)
    everything = np.sort([statistic(values[list(chosen)]) for chosen in itertools.product(range(n), repeat=n)])
    effect = statistic(values)
    below, equal = np.mean(everything < effect - 1e-12), np.mean(np.abs(everything - effect) <= 1e-12)
    bias = stats.norm.ppf(below + equal / 2)
    left_out = np.array([statistic(np.delete(values, index, axis=0)) for index in range(n)])
    deviations = left_out.mean() - left_out
    acceleration = (deviations**3).sum() / (6 * (deviations**2).sum() ** 1.5)
    ends = []
    for tail in ((1 - level) / 2, (1 + level) / 2):
        z = bias + math.sqrt(n / (n - 1)) * stats.t.ppf(tail, n - 1)
        ends.append(float(np.quantile(everything, stats.norm.cdf(bias + z / (1 - acceleration * z)))))
    return ends[0], ends[1]


@pytest.mark.parametrize("level", [0.5, 0.8, 0.9])  # ends that 20 000 draws resolve at n = 6
@pytest.mark.parametrize("name", ["mean", "ratio", "spread"])
def test_bca_agrees_with_full_enumeration(name: str, level: float) -> None:
    values = np.array([[1.2, 3.0], [0.4, 2.5], [2.6, 4.1], [0.9, 2.2], [2.2, 3.6], [1.0, 2.9]])
    statistic = {
        "mean": lambda rows: float(rows[:, 0].mean()),
        "ratio": lambda rows: float(rows[:, 0].mean() / rows[:, 1].mean()),
        "spread": lambda rows: float(np.ptp(rows[:, 0])),
    }[name]
    estimate = bca(values, statistic, level=level, draws=20000)
    low, high = exact_bca(values, statistic, level)
    assert estimate.effect == statistic(values)
    assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.04 * (high - low))
    assert (estimate.n, estimate.level, estimate.method) == (6, level, "BCa bootstrap")


def test_bootstrap_is_deterministic_and_its_seed_matters() -> None:
    values = np.random.default_rng(1).exponential(size=12)
    assert bca(values, np.mean, draws=499) == bca(values, np.mean, draws=499)
    assert bca(values, np.mean, draws=499) != bca(values, np.mean, draws=499, seed=1)


def test_many_resamples_at_once_are_what_they_are_one_by_one() -> None:
    values = np.random.default_rng(3).standard_normal((8, 3))
    one = bca(values, lambda sample: sample.mean(0).max(), draws=2500)
    many = bca(values, lambda samples: samples.mean(1).max(-1), draws=2500, vectorized=True)
    assert many == one


def test_bca_covers_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(2)
    for truth, sample in ((0.0, lambda: rng.normal(size=8)), (1.0, lambda: rng.exponential(size=20))):
        estimates = [bca(sample(), np.mean, draws=399) for _ in range(250)]
        assert 0.9 <= np.mean([estimate.low <= truth <= estimate.high for estimate in estimates]) <= 0.985


def test_cluster_bootstrap_covers_where_one_over_values_does_not() -> None:
    rng = np.random.default_rng(3)
    clustered, naive = [], []
    for _ in range(120):
        clusters = rng.normal(size=(10, 1)) + 0.3 * rng.normal(size=(10, 6))
        estimate = cluster_bootstrap(list(clusters), np.mean, draws=299)
        clustered.append(estimate.low <= 0 <= estimate.high)
        estimate = bca(clusters.ravel(), np.mean, draws=299)
        naive.append(estimate.low <= 0 <= estimate.high)
    assert 0.88 <= np.mean(clustered) <= 0.99
    assert np.mean(naive) < 0.75


def test_cluster_bootstrap_counts_clusters_and_weighs_values() -> None:
    estimate = cluster_bootstrap([[1.0, 2.0, 3.0], [5.0], [4.0, 6.0]], np.mean, draws=99)
    assert (estimate.effect, estimate.n) == (3.5, 3)


def test_bootstrap_of_degenerate_data_is_a_point_or_no_interval() -> None:
    assert math.isnan(bca([], np.mean).low)
    assert math.isnan(bca([1.0], np.mean).low)
    assert math.isnan(bca([2.0] * 5, np.mean, draws=99).low)
    assert (bca([2.0] * 6, np.mean, draws=99).low, bca([2.0] * 6, np.mean, draws=99).high) == (2.0, 2.0)
    assert math.isnan(bca([0.0, 0.0, 1.0], lambda sample: np.divide(1, sample.sum()), draws=99).low)
    assert math.isnan(bca([0.0, 1.0, 2.0], lambda _: math.nan, draws=99).effect)
    with pytest.raises(ValueError, match="1 of 3 values have diverged"):
        bca([1.0, math.nan, 2.0], np.mean)


@given(st.lists(st.integers(-3, 3) | st.floats(-3, 3).map(lambda x: round(x, 2)), max_size=9))
def test_sign_flip_p_counts_every_sign_pattern(differences: list[float]) -> None:
    sums = [sum(s * d for s, d in zip(signs, differences, strict=True))
            for signs in itertools.product([-1, 1], repeat=len(differences))]  # fmt: skip
    total = sum(differences)
    assert sign_flip_p(differences) == np.mean(np.array(sums) >= total - 1e-9)
    assert sign_flip_p(differences, "less") == np.mean(np.array(sums) <= total + 1e-9)
    assert sign_flip_p(differences, "two-sided") == min(1, np.mean(np.abs(sums) >= abs(total) - 1e-9))


def test_sign_flip_p_of_a_clean_sweep_and_of_too_many() -> None:
    assert sign_flip_p(np.linspace(1, 2, 40)) == 2.0**-40
    with pytest.raises(ValueError, match="41 differences are more than the 40"):
        sign_flip_p(np.ones(41))


def adjacent_pairs(tables: np.ndarray) -> np.ndarray:
    return (tables[..., 1:] & tables[..., :-1]).sum(axis=(1, 2))


def test_row_permutation_agrees_with_full_enumeration() -> None:
    table = np.array([[1, 1, 0, 0, 1], [0, 1, 1, 1, 0]], dtype=bool)
    null = [adjacent_pairs(np.array([[first, second]]))[0]
            for first, second in itertools.product(*(itertools.permutations(row) for row in table))]  # fmt: skip
    estimate = row_permutation(table[None], adjacent_pairs, draws=4000)
    observed = adjacent_pairs(table[None])[0]
    assert estimate.p == pytest.approx(np.mean(np.array(null) >= observed), abs=0.03)
    assert estimate.effect == pytest.approx(observed - np.mean(null), abs=0.05)
    assert math.isnan(estimate.low)  # one table says nothing about tables


def test_row_permutation_is_not_misled_by_rows_of_uneven_density() -> None:
    """Rows of very different density, columns exchangeable: more pairs than in a uniform mask, yet no locality."""
    rng = np.random.default_rng(5)
    densities = np.array([0.02, 0.05, 0.1, 0.9])[None, :, None]
    estimates = [
        row_permutation(rng.random((5, 4, 20)) < densities, adjacent_pairs, draws=99, seed=run) for run in range(200)
    ]
    assert 0.005 <= np.mean([estimate.p <= 0.05 for estimate in estimates]) <= 0.095
    assert np.mean([estimate.low <= 0 <= estimate.high for estimate in estimates]) >= 0.9


def test_row_permutation_sees_planted_locality() -> None:
    rng = np.random.default_rng(6)
    starts = rng.integers(0, 17, (6, 10))
    columns = np.arange(20)
    blocks = (columns >= starts[..., None]) & (columns < starts[..., None] + 3)
    estimate = row_permutation(blocks | (rng.random(blocks.shape) < 0.05), adjacent_pairs, draws=199)
    assert estimate.p == 1 / 200
    assert estimate.low > 0


def test_row_permutation_refuses_a_statistic_of_another_shape() -> None:
    assert row_permutation(np.zeros((0, 2, 3)), adjacent_pairs).n == 0
    with pytest.raises(ValueError, match=r"of 2 tables has shape \(\), not \(2,\)|one number"):
        row_permutation(np.ones((2, 3, 4)), lambda tables: tables.sum())


def test_at_an_edge_where_no_unit_matters_the_interval_is_that_of_percentiles() -> None:
    """A height that is zero whoever is left out: the jackknife has no spread, so BCa's skew is 0 / 0."""
    sample = np.array([-4.0, 2.5, -3.0, 2.0, -2.5, 1.5, -3.5, -0.5])

    def height(values: np.ndarray) -> float:
        return max(float(values.mean()), 0.0)

    assert {height(np.delete(sample, one)) for one in range(8)} == {0.0}
    estimate = bca(sample, height)
    rng = np.random.default_rng(5)
    draws = np.maximum(sample[rng.integers(0, 8, (40000, 8))].mean(1), 0)
    tail = stats.norm.cdf(math.sqrt(8 / 7) * stats.t.ppf(0.025, 7))
    assert (estimate.effect, estimate.low) == (0, 0)
    assert estimate.high == pytest.approx(np.quantile(draws, 1 - tail), abs=0.1)
    assert estimate.high > 0.3
    assert math.isnan(bca(sample, lambda values: height(values) or math.nan).low)
