"""Rank correlations against SciPy and against the formula of Kendall for one known variable; Simpson's paradox."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from expzoo.science.numerics.rank_correlation import partial_spearman, spearman


@pytest.mark.parametrize("ties", [False, True])
def test_rank_correlations_are_those_of_scipy_and_of_kendall(ties: bool) -> None:
    x, y, z = np.random.default_rng(0).normal(size=(3, 40))
    y, z = y + x, z - 0.5 * x
    if ties:
        x, y, z = (np.round(values) for values in (x, y, z))
    assert spearman(x, y) == pytest.approx(stats.spearmanr(x, y).statistic, abs=1e-12)
    xy, xz, yz = (stats.spearmanr(a, b).statistic for a, b in ((x, y), (x, z), (y, z)))
    kendall = (xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2))
    assert partial_spearman(x, y, z[:, None]) == pytest.approx(kendall, abs=1e-12)


def test_a_paradox_is_seen_through() -> None:
    """Within each setting sharper is better; sharper settings are worse."""
    rng, setting = np.random.default_rng(1), np.repeat(np.arange(5.0), 40)
    own = rng.normal(size=200)
    sharp, wrong = 10 * setting + own, 10 * setting - own + 0.3 * rng.normal(size=200)
    assert spearman(sharp, wrong) > 0.8
    assert partial_spearman(sharp, wrong, setting[:, None]) < -0.8


def test_what_is_known_leaves_nothing_to_correlate() -> None:
    x = np.arange(10.0)
    assert math.isnan(partial_spearman(x, x[::-1], x[:, None]))
    assert math.isnan(spearman(np.ones(5), x[:5]))
