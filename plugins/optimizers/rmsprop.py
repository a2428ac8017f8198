"""RMSprop."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import Fraction, NonNegative, Positive, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class RmsProp:
    """RMSprop (Tieleman & Hinton 2012, lecture 6.5), uncentred, as `torch.optim.RMSprop`.

    Args:
        lr: learning rate.
        alpha: decay of the mean of squared gradients (torch: 0.99).
        eps: added to its root.
        momentum: the fraction of the last update that is kept.
        weight_decay: coefficient of the L2 penalty.
    """

    CACHE_VERSION = 1

    state = ("square_avg", "momentum_buffer")

    def __init__(
        self,
        *,
        lr: Positive = 0.01,
        alpha: Fraction = 0.99,
        eps: Positive = 1e-8,
        momentum: Fraction = 0.0,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        self.lr = lr
        self.alpha = alpha
        self.eps = eps
        self.momentum = momentum
        self.weight_decay = weight_decay

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update in place."""
        if self.weight_decay:
            grad = grad.add(theta, alpha=self.weight_decay)
        state["square_avg"].mul_(self.alpha).addcmul_(grad, grad, value=1 - self.alpha)
        root = state["square_avg"].sqrt().add_(self.eps)
        state["momentum_buffer"].mul_(self.momentum).addcdiv_(grad, root)
        theta.add_(state["momentum_buffer"], alpha=-lr)
