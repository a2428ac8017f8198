"""The weights themselves are trained."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from expzoo.plugin import Layout


@register
class Plain:
    """What is trained is what is evaluated, all of it."""

    CACHE_VERSION = 1

    maps = False
    num_fixed = 0
    middle = 0.0

    def size(self, layout: Layout) -> int:
        """A trained row is a row of weights."""
        return layout.size

    def trainable(self, layout: Layout) -> np.ndarray | None:
        """All of it."""
        return None

    def start(self, first: Tensor, fixed: Tensor) -> Tensor:
        """The initial weights."""
        return first

    def weights(self, z: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """The same."""
        return z

    def pull_back(self, grad: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """The same."""
        return grad
