"""Mean squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import as_targets, register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@register
class SquaredError:
    """Mean over examples and outputs of the squared distance to the target."""

    CACHE_VERSION = 1
    BETTER = "lower"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The error of outputs (n, outputs) for targets like them; labels (n,) int64 are taken as one-hot."""
        return (outputs.double() - as_targets(outputs, targets).double()).square().mean().item()

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """That of the best constant answer: the variance of the targets."""
        return float(targets.reshape(len(targets), -1).var(axis=0).mean())
