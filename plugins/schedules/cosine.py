"""Cosine annealing."""

from __future__ import annotations

import math

from expzoo.plugin import Fraction, Natural, register


@register
class Cosine:
    """From the full learning rate to `floor` of it along half a cosine (Loshchilov & Hutter 2017, eq. 5, no restart).

    Args:
        warm_up: steps of a linear rise before it.
        floor: the fraction of the learning rate at the end.
    """

    CACHE_VERSION = 1

    def __init__(self, *, warm_up: Natural = 0, floor: Fraction = 0.0) -> None:
        self.warm_up, self.floor = warm_up, floor

    def factor(self, step: int, steps: int) -> float:
        """The factor of step 0..steps-1."""
        if step < self.warm_up:
            return (step + 1) / self.warm_up
        done = (step - self.warm_up) / max(steps - self.warm_up, 1)
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * done)) / 2
