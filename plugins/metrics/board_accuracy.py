"""Board accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register, right_cells

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@register
class BoardAccuracy:
    """Percentage of boards whose every cell rounds to the truth: the success rate that Firner's script prints."""

    CACHE_VERSION = 1
    UNIT, BETTER = "%", "higher"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The share of wholly right boards, in percent; outputs (n, cells), targets like them or labels (n,)."""
        return 100.0 * right_cells(outputs, targets).all(1).double().mean().item()

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The share of boards on which the answer all dead is right, in percent."""
        return 100.0 * float((targets == 0).all(axis=1).mean())

    def worst(self, classes: int) -> float:
        """What a network gets that diverged: no output is right."""
        return 0.0
