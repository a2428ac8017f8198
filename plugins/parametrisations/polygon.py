"""A polygonal chain between two networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from expzoo.plugin import Layout


@register
class Polygon:
    """Trains the corner z of a chain of two straight lines between two fixed networks, at a random place in each step.

    w(t) = a + 2 t (z - a) for t up to 1/2, z + (2 t - 1) (b - z) beyond, with t uniform in [0, 1):
    Garipov et al. 2018, "Loss surfaces, mode connectivity, and fast ensembling of DNNs", eq. 3. It
    starts at the middle of the chord.
    """

    CACHE_VERSION = 1

    maps = True
    num_fixed = 2
    middle = 0.5

    def size(self, layout: Layout) -> int:
        """A corner is a row of weights."""
        return layout.size

    def trainable(self, layout: Layout) -> np.ndarray | None:
        """All of it."""
        return None

    def start(self, first: Tensor, fixed: Tensor) -> Tensor:
        """The middle of the chord."""
        return fixed.mean(0)

    def weights(self, z: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """Points on the chains: z (members, size), fixed (members, 2, size), place (members,) -> (members, size)."""
        t = 2 * place.unsqueeze(1)
        return (1 - t).clamp(min=0) * fixed[:, 0] + (1 - (t - 1).abs()) * z + (t - 1).clamp(min=0) * fixed[:, 1]

    def pull_back(self, grad: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """dw/dz is 1 - |2 t - 1|."""
        return (1 - (2 * place - 1).abs()).unsqueeze(1) * grad
