"""Stochastic gradient Langevin dynamics."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from expzoo.plugin import NonNegative, Positive, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Sgld:
    """theta <- theta - lr (gradient + weight_decay theta) + sqrt(2 lr temperature) noise.

    Welling & Teh 2011, eq. 4, with step size 2 lr and the gradient of the mean loss: at a constant
    learning rate it samples from exp(-loss / temperature), up to discretisation and batch noise.
    The posterior of n examples is temperature 1 / n, the default that of the 4000 of MNIST-1D.

    Args:
        lr: learning rate, half of the paper's step size.
        temperature: of the noise; 0 is plain gradient descent.
        weight_decay: coefficient of the L2 penalty, a Gaussian prior.
    """

    CACHE_VERSION = 1

    state = ()
    noisy = True

    def __init__(
        self, *, lr: Positive = 0.01, temperature: NonNegative = 0.00025, weight_decay: NonNegative = 0.0
    ) -> None:
        self.lr, self.temperature, self.weight_decay = lr, temperature, weight_decay

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update in place, with standard normal numbers in `state["noise"]`."""
        if self.weight_decay:
            theta.mul_(1 - lr * self.weight_decay)
        theta.add_(grad, alpha=-lr).add_(state["noise"], alpha=math.sqrt(2 * lr * self.temperature))
