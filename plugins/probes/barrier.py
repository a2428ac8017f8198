"""What lies between a network and where it started."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch

from expzoo.plugin import Count, Range, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class Barrier:
    """How far the training loss on the straight line from the first weights rises above the higher of its ends.

    In the loss's own unit, on a split, in float64; 0 where it never does. A network that was trained
    on from another one starts at that one's weights: is it in the same basin? Averages over batches,
    as those of nn.BatchNorm, are made again at every point.

    Args:
        points: places on the line at which the loss is taken, both ends included.
        examples: how many of the split, from its start; null for all.
    """

    CACHE_VERSION = 1

    on_split = True

    def __init__(self, *, points: Annotated[int, Range(3, 1001)] = 25, examples: Count | None = None) -> None:
        self.points, self.examples = points, examples

    def __call__(self, point: Point) -> float:
        """The rise."""
        fractions = torch.linspace(0, 1, self.points, dtype=torch.float64).unsqueeze(1)
        line = point.first + fractions * (point.row - point.first)
        losses = point.loss.loss(line, *point.data(self.examples))
        return (losses.max() - torch.maximum(losses[0], losses[-1])).item()
