"""Training in a random subspace."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

import torch

from expzoo.plugin import Count, Natural, normals, register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from expzoo.plugin import Layout

ROW = 64


@register
class Subspace:
    """Trains `dimension` numbers z; the weights are w = w0 + z P with a random P whose rows have unit length.

    Li et al. 2018, "Measuring the intrinsic dimension of objective landscapes", eq. 2. w0 is the
    one fixed row. P has normal entries and is the same for all members; another `draw` is an
    independent one.

    Args:
        dimension: how many numbers are trained.
        draw: which random projection.
    """

    CACHE_VERSION = 1

    maps = True
    num_fixed = 1
    middle = 0.0

    def __init__(self, *, dimension: Count = 100, draw: Natural = 0) -> None:
        self.dimension, self.draw = dimension, draw
        self._projection = cache(self._drawn)

    def size(self, layout: Layout) -> int:
        """The dimension, rounded up to a multiple of 64; what is added stays zero."""
        return -(-self.dimension // ROW) * ROW

    def trainable(self, layout: Layout) -> np.ndarray | None:
        """All of it."""
        return None

    def start(self, first: Tensor, fixed: Tensor) -> Tensor:
        """The origin."""
        return first.new_zeros(-(-self.dimension // ROW) * ROW)

    def weights(self, z: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """(members, size of z), (members, 1, size of w) -> (members, size of w)."""
        projection = self._projection(fixed.shape[-1], fixed.dtype).to(fixed.device)
        return fixed[:, 0] + torch.stack([row @ projection for row in z[:, : self.dimension]])

    def pull_back(self, grad: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """The gradient along each of the directions, zero in the padding."""
        projection = self._projection(fixed.shape[-1], fixed.dtype).to(fixed.device)
        out = grad.new_zeros(len(grad), -(-self.dimension // ROW) * ROW)
        out[:, : self.dimension] = torch.stack([projection @ row for row in grad])
        return out

    def _drawn(self, size: int, dtype: torch.dtype) -> Tensor:
        numbers = normals(self.draw, "subspace", self.dimension, self.dimension * size)
        matrix = torch.from_numpy(numbers).view(self.dimension, size)
        return (matrix / matrix.norm(dim=1, keepdim=True)).to(dtype)
