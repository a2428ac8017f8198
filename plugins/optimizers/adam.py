"""Adam."""

from __future__ import annotations

import torch

from expzoo.plugin import Fraction, Moments, NonNegative, Positive, register


@register
class Adam(Moments):
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

    fused = torch._fused_adam_

    def __init__(
        self,
        *,
        lr: Positive = 0.01,
        beta1: Fraction = 0.9,
        beta2: Fraction = 0.999,
        eps: Positive = 1e-8,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        super().__init__(lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)
