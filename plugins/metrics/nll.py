"""Negative log-likelihood."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from expzoo.plugin import log_probabilities, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Nll:
    """Mean negative log-likelihood of the true class under softmax, in nats, whatever the training loss.

    Proper scoring rule (Gneiting & Raftery 2007, section 4.1); log(classes) for a network that knows nothing.
    """

    CACHE_VERSION = 1
    UNIT, BETTER = "nats", "lower"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The cross-entropy of logits (n, classes) for labels (n,) int64, in nats."""
        return -log_probabilities(outputs, targets).gather(1, targets.unsqueeze(1)).mean().item()

    def worst(self, classes: int) -> float:
        """What a network gets that knows nothing; one that diverged counts as that."""
        return math.log(max(classes, 2))
