"""Predictive entropy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import log_probabilities, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Entropy:
    """Mean entropy of softmax in nats: 0 for a network that is sure, log(classes) for one that knows nothing."""

    CACHE_VERSION = 1
    UNIT = "nats"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The mean entropy of logits (n, classes), in nats."""
        logarithms = log_probabilities(outputs, targets)
        probabilities = logarithms.exp()
        return -(probabilities * logarithms.where(probabilities > 0, 0)).sum(1).mean().item()
