"""What calibration does to the bump of the error, which is an identity."""

from __future__ import annotations

import numpy as np
from expzoo.plugins.analyses.calibration_and_double_descent import NO_BUMP, REMOVES_ERROR, _lowered, _removed, bump

from expzoo.science.claims import decide


def test_errors_that_differ_by_rounding_have_equal_bumps() -> None:
    generator = np.random.default_rng(0)
    before = 40 + generator.normal(size=(8, 9))
    after = before + generator.choice([-1.4e-14, 0.0, 1.4e-14], before.shape)
    estimate = _lowered(before, after)
    assert (estimate.effect, estimate.low, estimate.high) == (0, 0, 0)
    assert decide(REMOVES_ERROR, estimate).verdict == "not supported"


def test_a_bump_that_is_lowered_by_a_known_height_is_found() -> None:
    falling = np.linspace(50, 30, 9) + np.zeros((8, 1))
    risen = falling.copy()
    risen[:, 4] += 10
    assert bump(risen[0]) == 10 + falling[0, 4] - falling[0, 3]
    assert _lowered(risen, falling).effect == bump(risen[0])


def test_what_is_removed_of_a_bump_that_counts_as_none_is_undefined() -> None:
    falling = np.linspace(2, 1, 9) + np.random.default_rng(1).normal(0, 1e-3, (8, 1))
    before, low = falling.copy(), falling.copy()
    before[:, 4] += 1
    low[:, 4] += NO_BUMP / 2 + falling[0, 3] - falling[0, 4]
    assert 0 < bump(low.mean(0)) < NO_BUMP
    assert _removed(before, falling)(level=0.95).effect == 100
    assert np.isnan(_removed(low, falling)(level=0.95).effect)
