"""Adam with decoupled weight decay."""

from __future__ import annotations

import torch

from expzoo.plugin import Fraction, Moments, NonNegative, Positive, register


@register
class AdamW(Moments):
    """AdamW (Loshchilov & Hutter 2019, algorithm 2): weight decay shrinks the weights and stays out of the gradient.

    Betas, epsilon and weight decay default to those of `torch.optim.AdamW`, the learning rate to that of `adam`.

    Args:
        lr: learning rate.
        beta1: decay of the mean of gradients.
        beta2: decay of the mean of squared gradients.
        eps: added to the root of the second moment.
        weight_decay: a step multiplies the weights by 1 - lr * weight_decay.
    """

    CACHE_VERSION = 1

    fused = torch._fused_adamw_

    def __init__(
        self,
        *,
        lr: Positive = 0.01,
        beta1: Fraction = 0.9,
        beta2: Fraction = 0.999,
        eps: Positive = 1e-8,
        weight_decay: NonNegative = 0.01,
    ) -> None:
        super().__init__(lr=lr, beta1=beta1, beta2=beta2, eps=eps, weight_decay=weight_decay)
