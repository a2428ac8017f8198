"""Exact regression on random features against the pseudo-inverse and an augmented system."""

from __future__ import annotations

import numpy as np
import pytest

from expzoo.science.numerics.random_features import directions, fit, one_hot, relu_features

N = 30


@pytest.fixture(params=[8, 30, 70])
def features(request: pytest.FixtureRequest) -> np.ndarray:
    x = np.random.default_rng(0).standard_normal((N, 6))
    return relu_features(x, directions(1, 6, request.param))


TARGETS = np.random.default_rng(1).standard_normal((N, 3))


def test_without_ridge_it_is_the_minimum_norm_solution(features: np.ndarray) -> None:
    assert fit(features, TARGETS) == pytest.approx(np.linalg.pinv(features) @ TARGETS, rel=1e-6, abs=1e-8)


def test_with_ridge_it_is_least_squares_of_an_augmented_system(features: np.ndarray) -> None:
    count = features.shape[1]
    augmented = np.vstack([features, np.sqrt(0.3) * np.eye(count)])
    expected = np.linalg.lstsq(augmented, np.vstack([TARGETS, np.zeros((count, 3))]), rcond=None)[0]
    assert fit(features, TARGETS, 0.3) == pytest.approx(expected, rel=1e-8, abs=1e-10)


def test_more_features_keep_the_first_and_a_negative_ridge_is_refused() -> None:
    assert np.array_equal(directions(5, 4, 9)[:, :3], directions(5, 4, 3))
    with pytest.raises(ValueError, match="ridge -1"):
        fit(TARGETS, TARGETS, -1.0)


def test_targets_are_centred() -> None:
    expected = [[0.75, -0.25, -0.25, -0.25], [-0.25, -0.25, 0.75, -0.25]]
    assert one_hot(np.array([0, 2]), 4) == pytest.approx(np.array(expected))
