"""Accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import class_logits, register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@register
class Accuracy:
    """Percentage of examples whose largest output is that of the true class; of equal ones the first counts."""

    CACHE_VERSION = 1
    UNIT, BETTER = "%", "higher"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The accuracy of outputs (n, classes) for labels (n,) int64, in percent."""
        return 100.0 * int((class_logits(outputs, targets).argmax(1) == targets).sum()) / len(targets)

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The expected accuracy of a guess that is uniform over the classes, in percent."""
        return 100.0 / max(outputs, 2)
