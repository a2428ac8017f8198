"""Accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import class_logits, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Accuracy:
    """Percentage of examples whose largest output is that of the true class; of equal ones the first counts."""

    CACHE_VERSION = 1
    UNIT, BETTER = "%", "higher"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The accuracy of outputs (n, classes) for labels (n,) int64, in percent."""
        return 100.0 * int((class_logits(outputs, targets).argmax(1) == targets).sum()) / len(targets)

    def worst(self, classes: int) -> float:
        """What a network gets that knows nothing, or that diverged."""
        return 100.0 / max(classes, 2)
