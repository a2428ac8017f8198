"""Sharpness as weights feel it whose scale does not matter."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from expzoo.plugin import Count, Positive, register, top_eigenvalues

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class EffectiveSharpness:
    """The squared norm of weights times the largest eigenvalue of the Hessian over them.

    Weights before batch normalisation can be scaled without changing the function, which divides
    the Hessian by the square of the factor: their sharpness at norm 1 is what stays (van Laarhoven
    2017, arXiv:1706.05350; Lobacheva et al. 2021). Averages over batches are held in place. NaN if
    the loss overflows.

    Args:
        without: a shell pattern of the names of parameters to leave out, such as "last.*".
        examples: how many of the split, from its start; null for all.
        tolerance: relative accuracy of the eigenvalue.
    """

    CACHE_VERSION = 1

    on_split = True

    def __init__(self, *, without: str = "", examples: Count | None = None, tolerance: Positive = 1e-2) -> None:
        self.without, self.examples, self.tolerance = without, examples, tolerance

    def __call__(self, point: Point) -> float:
        """The product."""
        places = point.named(without=self.without)
        hessian = point.hessian(self.examples)

        def product(vector: torch.Tensor) -> torch.Tensor:
            return hessian(torch.zeros_like(point.row).index_copy(0, places, vector))[places]

        try:
            [value] = top_eigenvalues(product, len(places), tolerance=self.tolerance)
        except ArithmeticError:
            return math.nan
        return (value * point.row[places].square().sum()).item()
