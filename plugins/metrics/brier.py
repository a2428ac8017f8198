"""Brier score."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import log_probabilities, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Brier:
    """Mean over examples of the squared distance between softmax and the one-hot label, from 0 to 2.

    Brier 1950, "Verification of forecasts expressed in terms of probability", eq. 2: the sum over
    all classes, two of them included.
    """

    CACHE_VERSION = 1
    UNIT, BETTER = "", "lower"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The score of logits (n, classes) for labels (n,) int64."""
        distance = log_probabilities(outputs, targets).exp()
        distance[range(len(targets)), targets] -= 1
        return distance.square().sum(1).mean().item()

    def worst(self, classes: int) -> float:
        """What a network gets that knows nothing, or that diverged: equal probabilities."""
        return 1.0 - 1.0 / max(classes, 2)
