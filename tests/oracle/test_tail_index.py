"""The tail index against numbers whose index is known, and the bias of the pooled estimate."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import kstest, levy_stable

from expzoo.science.numerics import tail_index


def stable(alpha: float, rng: np.random.Generator, *shape: int) -> np.ndarray:
    return tail_index.stable(alpha, math.pi * (rng.random(shape) - 0.5), rng.exponential(size=shape))


@pytest.mark.parametrize("alpha", [1.2, 1.5, 1.8])
def test_stable_numbers_are_scipys(alpha: float) -> None:
    rng = np.random.default_rng(0)
    drawn, theirs = stable(alpha, rng, 4000), levy_stable.rvs(alpha, 0, size=4000, random_state=1)
    assert kstest(drawn, theirs).pvalue > 1e-3


@pytest.mark.parametrize("alpha", [1.0, 1.3, 1.7, 2.0])
def test_it_finds_the_index_of_stable_numbers(alpha: float) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((1024, 200)) if alpha == 2 else stable(alpha, rng, 1024, 200)
    assert tail_index.by_column(x, 32) == pytest.approx(alpha, abs=0.03)
    assert tail_index.pooled(x) == pytest.approx(alpha, abs=0.06)
    scaled = x * np.exp(2 * rng.standard_normal(200))  # scales of columns change nothing column by column
    assert tail_index.by_column(scaled, 32) == pytest.approx(tail_index.by_column(x, 32), rel=1e-9)


def test_it_is_the_published_formula() -> None:
    """Mohammadi et al., corollary 2.4, written out for one column."""
    x = np.random.default_rng(1).standard_normal(12)
    sums = [x[0:3].sum(), x[3:6].sum(), x[6:9].sum(), x[9:12].sum()]
    logs = sum(math.log(abs(s)) for s in sums) / 4 - sum(math.log(abs(one)) for one in x) / 12
    assert float(tail_index.inverse_index(x, 3)) == pytest.approx(logs / math.log(3), rel=1e-12)


def test_pooled_normal_numbers_of_unequal_scales_look_heavy_tailed() -> None:
    """The wider the logarithms of the scales are spread the heavier; and zeros make it heavier still."""
    rng = np.random.default_rng(2)
    x, spread = rng.standard_normal((256, 256)), rng.standard_normal(256)
    found = [tail_index.pooled(x * np.exp(width * spread)) for width in (0.0, 1.0, 2.0)]
    assert found[0] == pytest.approx(2, abs=0.05)
    assert found[1] < 1.85
    assert found[2] < found[1] - 0.2
    half_dead = x * (np.arange(256) % 2)
    assert tail_index.pooled(half_dead) < 0.5
    assert tail_index.by_column(half_dead, 16) == pytest.approx(2, abs=0.05)


def test_columns_without_a_logarithm_are_left_out() -> None:
    """A number that is 0, or numbers that add up to 0."""
    x = np.random.default_rng(4).standard_normal((64, 3))
    x[5, 0] = 0.0
    x[8:16, 1] = [1, -1, 1, -1, 1, -1, 1, -1]
    assert tail_index.by_column(x, 8) == tail_index.by_column(x[:, 2:], 8)
    assert math.isnan(tail_index.by_column(x[:, :2], 8))


def test_divisors_and_refusals() -> None:
    assert [tail_index.largest_divisor(count) for count in (12, 36, 35)] == [3, 6, 5]
    with pytest.raises(ValueError, match="7 numbers cannot be cut"):
        tail_index.largest_divisor(7)
    with pytest.raises(ValueError, match="sums of 5 numbers do not divide 12 numbers"):
        tail_index.inverse_index(np.ones(12), 5)
