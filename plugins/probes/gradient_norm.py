"""Norm of the gradient."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import Count, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class GradientNorm:
    """The L2 norm of the gradient of the training loss on a split, without the optimizer's weight decay.

    Args:
        examples: how many of the split, from its start; null for all.
    """

    CACHE_VERSION = 1

    on_split = True

    def __init__(self, *, examples: Count | None = None) -> None:
        self.examples = examples

    def __call__(self, point: Point) -> float:
        """The norm."""
        return point.grad(self.examples).norm().item()
