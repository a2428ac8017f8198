"""Random walks whose stationary distribution is known: SGD near a minimum, Langevin dynamics, a walk between walls.

Walkers (walkers, dimensions) go side by side; their random numbers are functions of seed and step.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol

import numpy as np

from expzoo.system.randomness import integers, normals, uniforms

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Float, Int

    Batches = Iterator[Int[np.ndarray, "walkers batch"]]

CURVATURES = np.array([1.0, 0.5, 0.2])  # of the quadratic
SPREADS = np.array([2.0, 1.0, 0.7])  # of the inputs of logistic regression
RIDGE = 0.1  # of logistic regression, whose minimum is finite by it


class Problem(Protocol):
    """A mean of losses of `size` examples near its minimum, where its Hessian and the gradients' covariance are."""

    size: int
    minimum: Float[np.ndarray, " d"]
    hessian: Float[np.ndarray, "d d"]
    covariance: Float[np.ndarray, "d d"]

    def gradient(
        self, x: Float[np.ndarray, "walkers d"], chosen: Int[np.ndarray, "walkers batch"]
    ) -> Float[np.ndarray, "walkers d"]:
        """Of the mean loss of each walker's batch."""
        ...


class Quadratic:
    """Losses (x - z)' A (x - z) / 2 of normal examples z, A diagonal: gradients differ by as much everywhere."""

    def __init__(self, seed: int, size: int) -> None:
        self.size, self.examples = size, normals(seed, "quadratic", 0, 3 * size).reshape(size, 3)
        self.minimum, self.hessian = self.examples.mean(0), np.diag(CURVATURES)
        self.covariance = self.hessian @ np.cov(self.examples.T, bias=True) @ self.hessian

    def gradient(
        self, x: Float[np.ndarray, "walkers d"], chosen: Int[np.ndarray, "walkers batch"]
    ) -> Float[np.ndarray, "walkers d"]:
        """Of the mean loss of each walker's batch."""
        return CURVATURES * (x - self.examples[chosen].mean(1))


class Logistic:
    """Logistic regression with a ridge on labels that a random direction gives, with noise; solved by Newton."""

    def __init__(self, seed: int, size: int) -> None:
        self.size = size
        inputs = SPREADS * normals(seed, "logistic inputs", 0, 3 * size).reshape(size, 3)
        logits = inputs @ normals(seed, "logistic direction", 0, 3)
        signs = np.where(uniforms(seed, "logistic labels", 0, size) < _sigmoid(logits), 1.0, -1.0)
        self.signed = signs[:, None] * inputs
        x = np.zeros(3)
        for _ in range(50):
            wrong = _sigmoid(-self.signed @ x)
            self.hessian = (self.signed.T * (wrong * (1 - wrong))) @ self.signed / size + RIDGE * np.eye(3)
            x = x - np.linalg.solve(self.hessian, RIDGE * x - wrong @ self.signed / size)
        self.minimum, each = x, -_sigmoid(-self.signed @ x)[:, None] * self.signed
        self.covariance = np.cov(each.T, bias=True)

    def gradient(
        self, x: Float[np.ndarray, "walkers d"], chosen: Int[np.ndarray, "walkers batch"]
    ) -> Float[np.ndarray, "walkers d"]:
        """Of the mean loss of each walker's batch."""
        seen = self.signed[chosen]
        wrong = _sigmoid(-(seen * x[:, None]).sum(2))
        return RIDGE * x - (wrong[..., None] * seen).mean(1)


def _sigmoid(x: Float[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]:
    return 1 / (1 + np.exp(-x))


def independent(seed: int, size: int, batch: int, walkers: int, steps: int) -> Batches:
    """Batches drawn with replacement."""
    for step in range(steps):
        yield integers(seed, "batches", step, walkers * batch, size).reshape(walkers, batch)


def epochs(seed: int, size: int, batch: int, walkers: int, steps: int) -> Batches:
    """Batches of shuffled epochs, each example once in each; `batch` must divide `size`."""
    each, order = size // batch, np.empty((walkers, size), np.int64)
    for step in range(steps):
        if step % each == 0:
            order = uniforms(seed, "epochs", step, walkers * size).reshape(walkers, size).argsort(1)
        yield order[:, step % each * batch : (step % each + 1) * batch]


def covariance_of_sgd(
    problem: Problem, batches: Batches, rate: float, walkers: int, burn_in: int
) -> Float[np.ndarray, "d d"]:
    """Of all walkers' places after `burn_in` steps of gradient descent on these batches, from the minimum on."""
    x = np.tile(problem.minimum, (walkers, 1))
    total, product, count = np.zeros(len(problem.minimum)), np.zeros_like(problem.hessian), 0
    for step, chosen in enumerate(batches):
        x = x - rate * problem.gradient(x, chosen)
        if step >= burn_in:
            apart = x - problem.minimum
            total, product, count = total + apart.sum(0), product + apart.T @ apart, count + walkers
    mean = total / count
    return product / count - np.outer(mean, mean)


def stationary(problem: Problem, rate: float, batch: int) -> Float[np.ndarray, "d d"]:
    """The covariance S that SGD has in the limit of small rates: H S + S H = rate / batch * C (Mandt et al. 2017)."""
    from scipy.linalg import solve_continuous_lyapunov

    return np.asarray(solve_continuous_lyapunov(problem.hessian, rate / batch * problem.covariance))


def langevin(
    problem: Quadratic, seed: int, step_size: float, batch: int, walkers: int, steps: int, *, noise: float = 1.0
) -> Float[np.ndarray, "walkers d"]:
    """Where walkers are after so many steps of stochastic gradient Langevin dynamics (Welling & Teh 2011, eq. 4).

    x <- x - step_size / 2 * n * gradient + N(0, noise * step_size), which samples exp(-n * mean loss).
    """
    x = np.tile(problem.minimum, (walkers, 1))
    for step, chosen in enumerate(independent(seed, problem.size, batch, walkers, steps)):
        drawn = normals(seed, "langevin", step, x.size).reshape(x.shape)
        x = x - step_size / 2 * problem.size * problem.gradient(x, chosen) + math.sqrt(noise * step_size) * drawn
    return x


def log_variance(x: Float[np.ndarray, "*axes"], height: float) -> Float[np.ndarray, "*axes"]:
    """The logarithm of the variance that a walk has at places between 0 and 1, largest at both walls."""
    return height * np.cos(2 * math.pi * x)


def occupation(
    seed: int, height: float, *, midpoint: bool, walkers: int, steps: int, step_size: float, bins: int
) -> Float[np.ndarray, " bins"]:
    """The share of time, in its second half, that walks with this variance and reflecting walls spend in each part.

    The variance of a step is that at its start (Ito), or with `midpoint` the mean deviation of both
    ends counts (Stratonovich, by Heun's method).
    """
    x, counts = uniforms(seed, "starts", 0, walkers), np.zeros(bins)
    for step in range(steps):
        drawn = math.sqrt(step_size) * normals(seed, f"walk {midpoint}", step, walkers)
        deviation = np.exp(log_variance(x, height) / 2)
        if midpoint:
            ahead = _reflected(x + deviation * drawn)
            deviation = (deviation + np.exp(log_variance(ahead, height) / 2)) / 2
        x = _reflected(x + deviation * drawn)
        if step >= steps // 2:
            counts += np.bincount(np.minimum((x * bins).astype(int), bins - 1), minlength=bins)
    return counts / counts.sum()


def _reflected(x: Float[np.ndarray, " walkers"]) -> Float[np.ndarray, " walkers"]:
    """Places mirrored at 0 and 1."""
    return 1 - np.abs(1 - np.abs(x) % 2)


def slope(x: Float[np.ndarray, " points"], y: Float[np.ndarray, " points"]) -> float:
    """Of the least-squares line."""
    return float(np.polyfit(x, y, 1)[0])
