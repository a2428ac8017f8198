"""Living cells."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register

if TYPE_CHECKING:
    from torch import Tensor


@register
class LivingCells:
    """Percentage of cells that the network says live: 0 for one whose answer is all dead."""

    CACHE_VERSION = 1
    UNIT = "%"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The share of outputs that round to 1, in percent; outputs (n, cells), targets like them or labels (n,)."""
        return 100.0 * outputs.round().ne(0).double().mean().item()
