"""Stochastic gradient descent."""

from __future__ import annotations

import torch
from torch import Tensor

from expzoo.plugin import Fraction, NonNegative, Positive, register


@register
class Sgd:
    """Stochastic gradient descent with momentum and L2 regularisation, as `torch.optim.SGD`.

    Args:
        lr: learning rate; 0.01 with momentum 0.9 is the MNIST-1D double-descent notebook's.
        momentum: the fraction of the last update that is kept.
        weight_decay: coefficient of the L2 penalty.
        nesterov: whether the gradient is that at the point where momentum leads (Sutskever et al. 2013).
    """

    CACHE_VERSION = 1

    state = ("momentum_buffer",)

    def __init__(
        self,
        *,
        lr: Positive = 0.01,
        momentum: Fraction = 0.9,
        weight_decay: NonNegative = 0.0,
        nesterov: bool = False,
    ) -> None:
        if nesterov and not momentum:
            raise ValueError("nesterov needs momentum, which is 0")
        self.lr = lr
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.nesterov = nesterov

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update in place. A buffer that starts at zero gives torch's first step, which copies the gradient."""
        torch._fused_sgd_(
            [theta],
            [grad],
            [state["momentum_buffer"]] if self.momentum else [],
            weight_decay=self.weight_decay,
            momentum=self.momentum,
            lr=lr,
            dampening=0.0,
            nesterov=self.nesterov,
            maximize=False,
            is_first_step=False,
        )
