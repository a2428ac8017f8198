"""Squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import as_targets, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Mse:
    """Mean over examples and outputs of the squared error; class labels are taken as one-hot vectors.

    One output alone is the probability of class 1.
    """

    CACHE_VERSION = 1
    of_probabilities = True

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, a 0-d tensor, of outputs (batch, outputs) and labels (batch,) int64 or targets like the outputs."""
        return (outputs - as_targets(outputs, targets).to(outputs.dtype)).square().mean()

    def worst(self, classes: int) -> float:
        """The loss of the best constant on one-hot targets; a network that diverged counts as that."""
        return (classes - 1) / classes**2 if classes > 1 else float("nan")
