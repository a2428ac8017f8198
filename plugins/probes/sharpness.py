"""Sharpness."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from expzoo.plugin import Count, Positive, register, top_eigenvalues

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class Sharpness:
    """The largest eigenvalue of the Hessian of the training loss on a split, by Lanczos in float64.

    It is that of the loss without the optimizer's weight decay, over the weights that the mask
    leaves. It costs 20 to 60 products with the Hessian, each about four passes over the examples.
    NaN if the loss overflows.

    Args:
        examples: how many of the split, from its start; null for all.
        tolerance: relative accuracy of the eigenvalue.
    """

    CACHE_VERSION = 1

    on_split = True

    def __init__(self, *, examples: Count | None = None, tolerance: Positive = 1e-3) -> None:
        self.examples, self.tolerance = examples, tolerance

    def __call__(self, point: Point) -> float:
        """The eigenvalue."""
        try:
            [value] = top_eigenvalues(point.hessian(self.examples), len(point.row), tolerance=self.tolerance)
        except ArithmeticError:
            return math.nan
        return value.item()
