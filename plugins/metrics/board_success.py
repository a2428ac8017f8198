"""Success on every board."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register, right_cells

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@register
class BoardSuccess:
    """100 if every cell of every board rounds to the truth, else 0: Firner's training success, on 1000 boards."""

    CACHE_VERSION = 1
    UNIT, BETTER = "%", "higher"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """100 or 0; outputs (n, cells), targets like them or labels (n,)."""
        return 100.0 * bool(right_cells(outputs, targets).all())

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """100 only if every board is dead, in which case the answer all dead succeeds."""
        return 100.0 * bool((targets == 0).all())

    def worst(self, classes: int) -> float:
        """What a network gets that diverged: no output is right."""
        return 0.0
