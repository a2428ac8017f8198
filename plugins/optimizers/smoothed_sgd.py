"""Gradient descent on a loss that is smoothed by a Gaussian whose width falls to 0."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import Count, NonNegative, Positive, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class SmoothedSgd:
    """Descent of E L(w + s e), e standard normal, while the width s falls from `width` to 0: continuation.

    Moré & Wu 1997, "Global continuation for distance geometry problems", after Pardalos, Shalloway
    & Xue 1994. One gradient a step, at w + s e with new e, is an unbiased estimate of the smoothed
    one. While s is not 0, rows are such places, not w; after `steps` they are w and this is plain
    descent.

    Args:
        lr: learning rate.
        width: standard deviation of the Gaussian at the start, in units of the weights.
        steps: after which it is 0; in between it falls linearly.
    """

    CACHE_VERSION = 1

    state = ("shift",)
    noisy = True

    def __init__(self, *, lr: Positive = 0.1, width: NonNegative = 0.1, steps: Count = 1000) -> None:
        self.lr, self.width, self.steps = lr, width, steps

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update in place of the centre w = theta - shift, and another place near it."""
        width = self.width * (1 - step.to(theta.dtype) / self.steps).clamp(min=0)
        theta.sub_(state["shift"]).add_(grad, alpha=-lr)
        state["shift"].copy_(state["noise"] * width)
        theta.add_(state["shift"])
