"""Ghost batch normalisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

if TYPE_CHECKING:
    from torch import Tensor


class GhostBatchNorm1d(nn.BatchNorm1d):
    """Normalises each part of a batch by the part's own mean and variance (Hoffer, Hubara & Soudry 2017, algorithm 1).

    The parts, ghost batches, are neighbours of as nearly equal size as possible, none smaller than
    `size` unless the whole batch is. Averages for evaluation are over ghost batches.
    """

    def __init__(self, channels: int, size: int) -> None:
        """For inputs (batch, channels), in ghost batches of `size` examples; ValueError below 2."""
        if size < 2:
            raise ValueError(f"a ghost batch of {size} has no variance: take at least 2 examples")
        super().__init__(channels)
        self.size = size

    def forward(self, input: Tensor) -> Tensor:
        """The same shape; in evaluation mode as nn.BatchNorm1d."""
        if not self.training:
            return super().forward(input)
        ghosts = input.tensor_split(max(len(input) // self.size, 1))
        return torch.cat([super(GhostBatchNorm1d, self).forward(ghost) for ghost in ghosts])
