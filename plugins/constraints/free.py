"""No constraint."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.plugin import Layout


@register
class Free:
    """Leaves the weights where the optimizer puts them."""

    CACHE_VERSION = 1

    def project(self, theta: Tensor, layout: Layout) -> None:
        """Nothing."""
