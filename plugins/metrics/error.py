"""Classification error."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import class_logits, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Error:
    """Percentage of examples whose largest output is not that of the true class: 100 - accuracy."""

    CACHE_VERSION = 1
    UNIT, BETTER = "%", "lower"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The error of outputs (n, classes) for labels (n,) int64, in percent."""
        return 100.0 * int((class_logits(outputs, targets).argmax(1) != targets).sum()) / len(targets)

    def worst(self, classes: int) -> float:
        """What a network gets that knows nothing, or that diverged."""
        return 100.0 - 100.0 / max(classes, 2)
