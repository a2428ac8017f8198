"""How much of the gradient lies where the loss is curved most."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from expzoo.plugin import Count, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class GradientInTop:
    """The share of the gradient's squared length in the span of the Hessian's k leading eigenvectors, in percent.

    f_top of Gur-Ari, Roberts & Dyer 2018, "Gradient descent happens in a tiny subspace",
    arXiv:1812.04754, section 2. Gradient and Hessian are those of the training loss over all
    examples of the split, in float64, of what the mask leaves. A random direction has 100 k / parameters.
    NaN if the loss overflows, or where the gradient is 0.

    Args:
        k: how many eigenvectors; null for the number of classes.
        examples: how many of the split, from its start; null for all.
    """

    UNIT = "%"
    CACHE_VERSION = 1

    on_split = True

    def __init__(self, *, k: Count | None = None, examples: Count | None = None) -> None:
        self.k, self.examples = k, examples

    def __call__(self, point: Point) -> float:
        """The percentage."""
        gradient = point.grad(self.examples)
        k = self.k or int(point.data(self.examples)[1].max()) + 1
        try:
            _, vectors = point.top(min(k, len(point.places)), self.examples)
        except ArithmeticError:
            return math.nan
        squared = gradient.square().sum()
        return (100 * (vectors @ gradient).square().sum() / squared).item() if squared > 0 else math.nan
