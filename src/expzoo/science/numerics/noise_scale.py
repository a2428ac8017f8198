"""How large gradient noise is beside the gradient, without bias, from per-example gradients.

McCandlish, Kaplan, Amodei et al. (2018), "An empirical model of large-batch training", arXiv:1812.06162.
|mean of a batch|^2 is on average |G|^2 plus the noise that is left of it, so both are estimated together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float


class Noise(NamedTuple):
    """The trace of the covariance of one example's gradient, and the square of the gradient of all."""

    trace: float
    square: float

    @property
    def scale(self) -> float:
        """B_simple = tr Sigma / |G|^2, in examples; inf where no gradient is left to be seen."""
        return self.trace / self.square if self.square > 0 else float("inf")


def gradient_noise(total: Float[np.ndarray, " size"], squares: float, count: int, size: int | None = None) -> Noise:
    """From `count` >= 2 gradients, their sum and the sum of their squared norms.

    They are drawn without replacement from `size` examples, None for without end; of all of them it is exact. A batch
    of B of these has a mean whose squared distance from G is trace * (1 / B - 1 / size).
    """
    mean = total / count
    trace = (squares - count * float(mean @ mean)) / (count - 1)
    return Noise(trace, float(mean @ mean) - trace * (1 / count - (1 / size if size else 0.0)))


def fit_hyperbola(batches: Float[np.ndarray, " k"], steps: Float[np.ndarray, " k"]) -> tuple[float, float]:
    """S_min and E_min of (S / S_min - 1) (E / E_min - 1) = 1 with E = B S, that is S = S_min + E_min / B.

    Eq. 2.11 there: the fit is of log S by least squares, as the paper's. B_crit is E_min / S_min.
    """
    from scipy.optimize import least_squares

    batches, log_steps = np.asarray(batches, float), np.log(np.asarray(steps, float))

    def residuals(logs: np.ndarray) -> np.ndarray:
        return np.logaddexp(logs[0], logs[1] - np.log(batches)) - log_steps

    start = np.array([log_steps.min(), (log_steps + np.log(batches)).min()])
    fewest, examples = np.exp(least_squares(residuals, start).x)
    return float(fewest), float(examples)
