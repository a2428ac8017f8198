"""Whether the directions in which the loss is curved most stay the same."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

from expzoo.plugin import Count, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class TopOverlap:
    """How much of the Hessian's k leading eigenvectors at the first weights lies in the span of those here, in percent.

    The mean of their squared projections: overlap of Gur-Ari, Roberts & Dyer 2018, "Gradient descent
    happens in a tiny subspace", arXiv:1812.04754, equation 5. A network that is trained on from a
    moment of another one starts there. Of random directions it is 100 k / parameters. NaN if the loss
    overflows.

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
        k = min(self.k or int(point.data(self.examples)[1].max()) + 1, len(point.places))
        first = replace(point, row=point.first, _found={})
        try:
            (_, before), (_, now) = first.top(k, self.examples), point.top(k, self.examples)
        except ArithmeticError:
            return math.nan
        return 100 * (now @ before.T).square().sum().item() / k
