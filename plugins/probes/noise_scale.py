"""The gradient noise scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from expzoo.plugin import Count, gradient_noise, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class NoiseScale:
    """B_simple = tr Sigma / |G|^2, in examples: the batch of which noise is as large as the gradient.

    McCandlish et al. 2018, "An empirical model of large-batch training", eq. 2.9, from the gradients
    of the split's examples one by one, in float64. Sigma is the covariance of one example's
    gradient, G that of the whole split: of `examples` fewer than all, |G|^2 is corrected for what
    noise adds to it. inf where no gradient is seen for noise, NaN if the loss overflows.

    Args:
        examples: how many of the split, from its start, at least 2; null for all.
    """

    CACHE_VERSION = 1

    on_split = True

    def __init__(self, *, examples: Count | None = None) -> None:
        if examples == 1:
            raise ValueError("examples 1: noise is between examples, take at least 2")
        self.examples = examples

    def __call__(self, point: Point) -> float:
        """The scale."""
        x, y = point.data(self.examples)
        total, squares = torch.zeros_like(point.row[point.places]), 0.0
        for part_x, part_y in zip(x.split(CHUNK), y.split(CHUNK), strict=True):
            gradients = point.loss.per_example_grad(point.row[None], part_x, part_y)[0][:, point.places]
            total += gradients.sum(0)
            squares += gradients.square().sum().item()
        if not math.isfinite(squares):
            return math.nan
        return gradient_noise(total.numpy(), squares, len(x), len(point.data()[0])).scale


CHUNK = 128  # examples whose gradients are held at a time
