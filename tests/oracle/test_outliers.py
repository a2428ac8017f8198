"""Outliers: against a printed table, and how often there seem to be some where there are none."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy import stats

from expzoo.science.outliers import beyond_p, outliers, sign_p

ROSNER = [
    -0.25, 0.68, 0.94, 1.15, 1.20, 1.26, 1.26, 1.34, 1.38, 1.43, 1.49, 1.49, 1.55, 1.56, 1.58, 1.65, 1.69, 1.70, 1.76,
    1.77, 1.81, 1.91, 1.94, 1.96, 1.99, 2.06, 2.09, 2.10, 2.14, 2.15, 2.23, 2.24, 2.26, 2.35, 2.37, 2.40, 2.47, 2.54,
    2.62, 2.64, 2.90, 2.92, 2.92, 2.93, 3.21, 3.26, 3.30, 3.59, 3.68, 4.30, 4.64, 5.34, 5.42, 6.01,
]  # fmt: skip


def test_rosners_example() -> None:
    """Rosner (1983): three outliers at 5 %, which at 1 % is none: the statistics 3.119, 2.943, 3.179 are below 3.5."""
    assert outliers(ROSNER) == []
    assert outliers([*ROSNER, 12.0, 13.0]) == [54, 55]


@pytest.mark.parametrize("n", [5, 8, 20])
def test_normal_values_have_an_outlier_once_in_a_hundred(n: int) -> None:
    rng = np.random.default_rng(1)
    found = np.mean([bool(outliers(rng.normal(size=n))) for _ in range(3000)])
    assert found < 0.01 + 3 * np.sqrt(0.01 / 3000) + 0.005 * (n > 8)  # with several tried, its level is approximate


def test_one_in_eight_that_fails_is_seen_and_two_do_not_hide_each_other() -> None:
    rng = np.random.default_rng(2)
    values = rng.normal(size=(200, 8))
    values[:, 3] -= 10
    assert np.mean([3 in outliers(row) for row in values]) > 0.95
    values[:, 5] -= 10
    assert np.mean([{3, 5} <= {*outliers(row)} for row in values]) > 0.85


@pytest.mark.parametrize("values", [[], [1.0], [1.0] * 8, [1.0, 2.0, 3.0]])
def test_too_few_or_equal_values_have_none(values: list[float]) -> None:
    assert outliers(values) == []


def test_the_sign_flip_test_is_the_count_of_all_signs() -> None:
    values = np.array([1.0, 2.5, -0.5, 3.0, 0.7])
    shifted = values - 0.3
    sums = [(np.array(signs) * shifted).sum() for signs in itertools.product([1, -1], repeat=5)]
    assert beyond_p(values, 0.3, above=True) == np.mean(np.array(sums) >= shifted.sum() - 1e-9)
    assert beyond_p(-values, -0.3, above=False) == beyond_p(values, 0.3, above=True)
    assert np.isnan(beyond_p(np.ones(41), 0.0, above=True))


def test_the_sign_test_is_the_binomial_one() -> None:
    values = [1.0, 2.0, 3.0, -1.0, 4.0]
    for failures in (0, 2):
        expected = stats.binomtest(4, 5 + failures, 0.5, alternative="greater").pvalue
        assert sign_p(values, failures, 0.0, above=True) == pytest.approx(expected)
    assert sign_p(values, 1, 0.0, above=False) == pytest.approx(stats.binomtest(1, 6, alternative="greater").pvalue)
    assert sign_p([], 3, 0.0, above=True) == 1.0
