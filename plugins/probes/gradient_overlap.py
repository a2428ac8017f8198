"""Whether the Hessian keeps the direction of the gradient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from expzoo.plugin import Count, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class GradientOverlap:
    """The cosine of the angle between the gradient g and the Hessian times g: 1 for an eigenvector of a positive value.

    g' H g / (|g| |H g|) of Gur-Ari, Roberts & Dyer 2018, arXiv:1812.04754, equation 6. Both of the
    training loss over all examples of the split, in float64, of what the mask leaves. NaN if the loss
    overflows, or where one of them is 0.

    Args:
        examples: how many of the split, from its start; null for all.
    """

    CACHE_VERSION = 1

    on_split = True

    def __init__(self, *, examples: Count | None = None) -> None:
        self.examples = examples

    def __call__(self, point: Point) -> float:
        """The cosine."""
        gradient = point.grad(self.examples)
        product = point.hessian(self.examples)(gradient)
        lengths = gradient.norm() * product.norm()
        return (gradient @ product / lengths).item() if 0 < lengths < math.inf else math.nan
