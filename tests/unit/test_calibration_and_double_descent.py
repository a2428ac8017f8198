"""What calibration does to a bump, and that it cannot change an error."""

from __future__ import annotations

import numpy as np
from expzoo.plugins.analyses.calibration_and_double_descent import NO_BUMP, _removed, _unchanged, bump


def test_errors_that_differ_by_rounding_are_no_difference() -> None:
    """A temperature cannot change which class is predicted: what finds another error has a fault."""
    generator = np.random.default_rng(0)
    before = 40 + generator.normal(size=(8, 9))
    after = before + generator.choice([-1.4e-14, 0.0, 1.4e-14], before.shape)
    assert _unchanged({"error": before, "calibrated_error": after}).passed
    after[3, 4] += 0.01
    assert not _unchanged({"error": before, "calibrated_error": after}).passed


def test_a_bump_has_the_height_above_its_lowest_points() -> None:
    falling = np.linspace(50, 30, 9)
    risen = falling.copy()
    risen[4] += 10
    assert bump(risen) == 10 + falling[4] - falling[3]
    assert bump(falling) == 0


def test_what_is_removed_of_a_bump_that_counts_as_none_is_undefined() -> None:
    falling = np.linspace(2, 1, 9) + np.random.default_rng(1).normal(0, 1e-3, (8, 1))
    before, low = falling.copy(), falling.copy()
    before[:, 4] += 1
    low[:, 4] += NO_BUMP / 2 + falling[0, 3] - falling[0, 4]
    assert 0 < bump(low.mean(0)) < NO_BUMP
    assert _removed(before, falling)(level=0.95).effect == 100
    assert np.isnan(_removed(low, falling)(level=0.95).effect)
