"""A curve between two networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from expzoo.plugin import Layout


@register
class Curve:
    """Trains the bend z of a quadratic Bezier curve between two fixed networks a and b, at a random place in each step.

    w(t) = (1 - t)**2 a + 2 t (1 - t) z + t**2 b with t uniform in [0, 1): Garipov et al. 2018,
    "Loss surfaces, mode connectivity, and fast ensembling of DNNs", eq. 2 and section 3.1. It
    starts at the middle of the chord.
    """

    CACHE_VERSION = 1

    maps = True
    num_fixed = 2
    middle = 0.5

    def size(self, layout: Layout) -> int:
        """A bend is a row of weights."""
        return layout.size

    def trainable(self, layout: Layout) -> np.ndarray | None:
        """All of it."""
        return None

    def start(self, first: Tensor, fixed: Tensor) -> Tensor:
        """The middle of the chord."""
        return fixed.mean(0)

    def weights(self, z: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """Points on the curves: z (members, size), fixed (members, 2, size), place (members,) -> (members, size)."""
        t = place.unsqueeze(1)
        return (1 - t).square() * fixed[:, 0] + 2 * t * (1 - t) * z + t.square() * fixed[:, 1]

    def pull_back(self, grad: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """dw/dz is 2 t (1 - t)."""
        return (2 * place * (1 - place)).unsqueeze(1) * grad
