"""Random walks against what is known of them: Lyapunov's equation, exact recursions, posteriors, occupation times."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.linalg import solve_discrete_lyapunov
from scipy.optimize import minimize
from scipy.stats import kstest

from expzoo.analysis.studies.langevin import walks

PROBLEMS = [walks.Quadratic, walks.Logistic]


@pytest.mark.parametrize("problem", [kind(3, 60) for kind in PROBLEMS])
def test_minimum_hessian_and_covariance_are_those_of_the_examples(problem: walks.Problem) -> None:
    """By central differences of the gradient of all examples, and by the gradients of single ones."""
    everything, single = np.arange(60)[None], np.arange(60)[:, None]

    def gradient(x: np.ndarray) -> np.ndarray:
        return problem.gradient(x[None], everything)[0]

    assert np.abs(gradient(problem.minimum)).max() < 1e-12
    columns = [gradient(problem.minimum + step) - gradient(problem.minimum - step) for step in 1e-5 * np.eye(3)]
    np.testing.assert_allclose(np.stack(columns) / 2e-5, problem.hessian, atol=1e-8)
    each = problem.gradient(np.tile(problem.minimum, (60, 1)), single)
    np.testing.assert_allclose(np.cov(each.T, bias=True), problem.covariance, atol=1e-12)


def test_logistic_regression_is_solved() -> None:
    problem = walks.Logistic(1, 80)
    found = minimize(
        lambda w: np.logaddexp(0, -problem.signed @ w).mean() + walks.RIDGE / 2 * w @ w, np.zeros(3), tol=1e-12
    )
    np.testing.assert_allclose(found.x, problem.minimum, atol=1e-5)


@pytest.mark.parametrize("kind", PROBLEMS)
def test_the_stationary_covariance_solves_lyapunovs_equation(kind: type) -> None:
    """And is what the exact recursion S = (1 - r H) S (1 - r H) + r^2 C / b has at small rates."""
    problem, rate, batch = kind(2, 100), 1e-4, 7
    found = walks.stationary(problem, rate, batch)
    np.testing.assert_allclose(
        problem.hessian @ found + found @ problem.hessian, rate / batch * problem.covariance, rtol=1e-8, atol=1e-18
    )
    shrink = np.eye(3) - rate * problem.hessian
    exact = solve_discrete_lyapunov(shrink, rate**2 / batch * problem.covariance)
    np.testing.assert_allclose(found, exact, rtol=1e-3, atol=1e-3 * np.abs(exact).max())


def test_sgd_on_a_quadratic_has_the_covariance_of_the_exact_recursion() -> None:
    """At a rate at which the limit of small ones is 10 % off in the sharpest direction."""
    problem, rate = walks.Quadratic(0, 50), 0.2
    found = walks.covariance_of_sgd(problem, walks.independent(0, 50, 5, 64, 3000), rate, 64, 300)
    shrink = np.eye(3) - rate * problem.hessian
    exact = solve_discrete_lyapunov(shrink, rate**2 / 5 * problem.covariance)
    np.testing.assert_allclose(np.diag(found), np.diag(exact), rtol=0.06)
    assert np.diag(walks.stationary(problem, rate, 5))[0] < 0.92 * exact[0, 0]


def test_an_epoch_has_each_example_once() -> None:
    steps = list(walks.epochs(4, 12, 3, 5, 8))
    for epoch in (steps[:4], steps[4:]):
        for walker in np.concatenate(epoch, 1):
            assert sorted(walker) == list(range(12))
    assert not np.array_equal(steps[0], steps[4])
    assert all(chosen.shape == (5, 3) and chosen.max() < 12 for chosen in walks.independent(4, 12, 3, 5, 8))


def test_langevin_dynamics_with_all_examples_has_the_variance_of_the_posterior() -> None:
    """With the whole sample in each batch but for the draw, whose noise is of second order in the step."""
    problem = walks.Quadratic(0, 200)
    last = walks.langevin(problem, 1, 5e-4, 200, 1000, 500)
    scaled = (last - problem.minimum) * np.sqrt(200 * walks.CURVATURES)
    for direction in scaled.T:
        assert kstest(direction, "norm").pvalue > 1e-3
    twice = walks.langevin(problem, 1, 5e-4, 200, 1000, 500, noise=2.0)
    np.testing.assert_allclose(twice.var(0) / last.var(0), 2, rtol=0.2)


@pytest.mark.parametrize(("midpoint", "power"), [(False, -1.0), (True, -0.5)])
def test_walks_are_where_they_move_little(midpoint: bool, power: float) -> None:
    """Densities as 1 / variance by Ito, as its root by Stratonovich; reflecting walls."""
    bins = 10
    shares = walks.occupation(0, 1.0, midpoint=midpoint, walkers=300, steps=6000, step_size=4e-4, bins=bins)
    fine = (np.arange(200) + 0.5) / 200
    density = np.exp(power * walks.log_variance(fine, 1.0)).reshape(bins, -1).mean(1)
    np.testing.assert_allclose(shares, density / density.sum(), rtol=0.15)


def test_places_are_mirrored_at_the_walls() -> None:
    np.testing.assert_allclose(walks._reflected(np.array([-0.3, 0.4, 1.2, 2.1])), [0.3, 0.4, 0.8, 0.1])
