"""Cell accuracy."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register, right_cells

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor


@register
class CellAccuracy:
    """Percentage of cells whose output rounds to the truth, over all boards."""

    CACHE_VERSION = 1
    UNIT, BETTER = "%", "higher"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The share of right cells, in percent; outputs (n, cells), targets like them or labels (n,)."""
        return 100.0 * right_cells(outputs, targets).double().mean().item()

    def chance(self, targets: np.ndarray, outputs: int) -> float:
        """The share of right cells of the better of the answers all dead and all living, in percent."""
        living = 100.0 * float(targets.mean())
        return max(living, 100.0 - living)

    def worst(self, classes: int) -> float:
        """What a network gets that diverged: no output is right."""
        return 0.0
