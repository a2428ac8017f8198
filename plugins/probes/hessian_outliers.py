"""Outliers of the Hessian's spectrum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated

from expzoo.plugin import Count, Fraction, Range, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class HessianOutliers:
    """How many of the largest eigenvalues of the Hessian of the training loss are apart from the others.

    The number i at which the ratio of eigenvalue i to the next one is largest, as in Sagun, Evci,
    Guney, Dauphin & Bottou 2017, arXiv:1706.04454, who count by eye. What is smaller than `floor` of
    the largest eigenvalue belongs to the bulk whatever its size: without that the largest ratio is
    the one to an eigenvalue that only rounding keeps from 0. By Lanczos in float64, over the weights
    that the mask leaves. NaN if the loss overflows.

    Args:
        most: at most so many. It should not depend on the number of classes, or what is found will.
        floor: of the largest eigenvalue; what lies below is the bulk.
        examples: how many of the split, from its start; null for all.
    """

    CACHE_VERSION = 1

    on_split = True

    def __init__(
        self, *, most: Annotated[int, Range(1, 200)] = 30, floor: Fraction = 1e-3, examples: Count | None = None
    ) -> None:
        self.most, self.floor, self.examples = most, floor, examples

    def __call__(self, point: Point) -> float:
        """The number."""
        try:
            values, _ = point.top(min(self.most + 1, len(point.places)), self.examples)
        except ArithmeticError:
            return math.nan
        if values[0] <= 0:
            return 0.0
        raised = values.clamp(min=self.floor * values[0].item())
        return 1.0 + (raised[:-1] / raised[1:]).argmax().item()
