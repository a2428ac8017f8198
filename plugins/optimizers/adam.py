"""Adam."""

from __future__ import annotations

import torch
from torch import Tensor

from expzoo.plugin import Fraction, NonNegative, Positive, register


@register
class Adam:
    """Adam (Kingma & Ba 2015, algorithm 1) with L2 regularisation added to the gradient, as `torch.optim.Adam`.

    The betas and epsilon are the paper's; the learning rate 0.01 is that of the MNIST-1D notebooks.

    Args:
        lr: learning rate.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        eps: added to the root of the second moment.
        weight_decay: coefficient of the L2 penalty.
    """

    CACHE_VERSION = 1

    state = ("exp_avg", "exp_avg_sq")

    def __init__(
        self,
        *,
        lr: Positive = 0.01,
        beta1: Fraction = 0.9,
        beta2: Fraction = 0.999,
        eps: Positive = 1e-8,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        if beta1 == 1 or beta2 == 1:
            raise ValueError(f"beta1 {beta1} and beta2 {beta2} must be less than 1")
        self.lr, self.beta1, self.beta2, self.eps, self.weight_decay = lr, beta1, beta2, eps, weight_decay

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update in place; `step` counts from 1."""
        torch._fused_adam_(
            [theta],
            [grad],
            [state["exp_avg"]],
            [state["exp_avg_sq"]],
            [],
            [step],
            lr=lr,
            beta1=self.beta1,
            beta2=self.beta2,
            weight_decay=self.weight_decay,
            eps=self.eps,
            amsgrad=False,
            maximize=False,
        )
