"""The bulk of the Hessian's spectrum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from expzoo.plugin import Count, Fraction, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class HessianBulk:
    """How many percent of the eigenvalues of the Hessian of the training loss are about 0.

    That is, of at most `below` of the largest one in size; Sagun et al. 2017, arXiv:1706.04454. All
    eigenvalues in float64, so for up to 4000 weights that the mask leaves. NaN if the loss overflows.

    Args:
        below: of the largest eigenvalue.
        examples: how many of the split, from its start; null for all.
    """

    UNIT = "%"
    CACHE_VERSION = 1

    on_split = True

    def __init__(self, *, below: Fraction = 1e-3, examples: Count | None = None) -> None:
        self.below, self.examples = below, examples

    def __call__(self, point: Point) -> float:
        """The percentage."""
        try:
            values = point.eigenvalues(self.examples)
        except ArithmeticError:
            return math.nan
        return 100.0 * (values.abs() <= self.below * values[0]).double().mean().item()
