"""Trace of the Hessian."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from expzoo.plugin import Count, Range, hutchinson_trace, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class HessianTrace:
    """The trace of the Hessian of the training loss on a split, over the weights that the mask leaves, by Hutchinson.

    Unbiased; the standard error falls with the square root of the samples, each of which is a product with the Hessian.

    Args:
        samples: random vectors, the same at every look.
        examples: how many of the split, from its start; null for all.
    """

    CACHE_VERSION = 1

    on_split = True

    def __init__(self, *, samples: Annotated[int, Range(2, 100_000)] = 30, examples: Count | None = None) -> None:
        self.samples, self.examples = samples, examples

    def __call__(self, point: Point) -> float:
        """The estimate."""
        return hutchinson_trace(point.hessian(self.examples), len(point.row), self.samples).value
