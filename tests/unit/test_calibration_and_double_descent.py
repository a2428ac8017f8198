"""What calibration does to the bump of the error, which is an identity."""

from __future__ import annotations

import numpy as np
from expzoo.plugins.analyses.calibration_and_double_descent import REMOVES_ERROR, _lowered, bump

from expzoo.claims import decide


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
