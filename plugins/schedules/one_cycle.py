"""The one-cycle schedule."""

from __future__ import annotations

import math

from expzoo.plugin import Fraction, Positive, register


@register
class OneCycle:
    """Up to the full learning rate and down to nearly nothing, each along half a cosine (Smith & Topin 2018).

    The defaults are those of `torch.optim.lr_scheduler.OneCycleLR`; its `max_lr` is the optimizer's learning rate.

    Args:
        rise: the fraction of the steps that the rise takes.
        start_divisor: the first learning rate is the full one divided by this.
        end_divisor: the last is the first divided by this.
    """

    CACHE_VERSION = 1

    def __init__(self, *, rise: Fraction = 0.3, start_divisor: Positive = 25.0, end_divisor: Positive = 1e4) -> None:
        self.rise, self.start_divisor, self.end_divisor = rise, start_divisor, end_divisor

    def factor(self, step: int, steps: int) -> float:
        """The factor of step 0..steps-1."""
        start, end = 1 / self.start_divisor, 1 / self.start_divisor / self.end_divisor
        top = self.rise * steps - 1
        if step <= top:
            return _between(start, 1.0, step / top if top > 0 else 1.0)
        return _between(1.0, end, (step - top) / max(steps - 1 - top, 1))


def _between(first: float, last: float, done: float) -> float:
    return last + (first - last) * (1 + math.cos(math.pi * done)) / 2
