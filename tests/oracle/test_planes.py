"""Planes through weights against NumPy and scikit-learn's definition, by hand, and against theory."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from expzoo.science.numerics.planes import filter_normalised, principal_plane, random_walk_share


def test_the_plane_of_a_trajectory_is_that_of_its_covariance() -> None:
    rows = torch.randn(9, 30, generator=torch.Generator().manual_seed(0), dtype=torch.float64).cumsum(0)
    plane = principal_plane(rows)
    values, vectors = np.linalg.eigh(np.cov(rows.numpy(), rowvar=False))
    assert plane.shares == pytest.approx(values[::-1][:2] / values.sum(), abs=1e-12)
    for own, other in zip(plane.directions.numpy(), vectors.T[::-1], strict=False):
        assert abs(own @ other) == pytest.approx(1, abs=1e-9)


def test_what_lies_in_a_plane_lies_there_wholly() -> None:
    corners = torch.tensor([[1.0, 0, 0, 2], [0, 3, 0, 0]])
    rows = torch.tensor([[0.0, 0], [1, 0], [1, 1], [-2, 5]]) @ corners
    assert principal_plane(rows).share == pytest.approx(1)
    with pytest.raises(ValueError, match="rows that do not vary span no plane"):
        principal_plane(torch.ones(4, 3))
    with pytest.raises(ValueError, match="2 rows span no plane: give at least 3"):
        principal_plane(torch.eye(2))


def test_filters_of_a_direction_are_as_long_as_those_of_the_weights() -> None:
    weights = {"conv": torch.randn(3, 2, 5), "linear": torch.randn(4, 7), "bias": torch.randn(4)}
    direction = filter_normalised({name: torch.randn_like(value) for name, value in weights.items()}, weights)
    for name in ("conv", "linear"):
        lengths = [value.flatten(1).norm(dim=1) for value in (direction[name], weights[name])]
        torch.testing.assert_close(*lengths)
    assert direction["bias"].abs().sum() == 0


def test_a_long_walk_has_three_quarters_of_its_variance_in_two_directions() -> None:
    assert random_walk_share(10_000) == pytest.approx(1.25 * 6 / np.pi**2, abs=1e-3)
    steps = np.random.default_rng(0).standard_normal((25, 50_000))
    walk = torch.from_numpy(np.vstack([np.zeros(50_000), steps.cumsum(0)]))
    assert principal_plane(walk).share == pytest.approx(random_walk_share(25), abs=5e-3)
