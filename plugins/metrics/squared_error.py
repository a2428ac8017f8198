"""Mean squared error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@register
class SquaredError:
    """Mean over examples and outputs of the squared distance to the target."""

    CACHE_VERSION = 1
    BETTER = "lower"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The error of outputs (n, outputs) for targets like them, or (n,) where there is one output."""
        return (outputs.double() - targets.double().reshape(outputs.shape)).square().mean().item()

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """That of the best constant answer: the variance of the targets."""
        return float(targets.reshape(len(targets), -1).var(axis=0).mean())
