"""Squared error."""

from __future__ import annotations

import torch
from torch import Tensor

from expzoo.plugin import register


@register
class Mse:
    """Mean over examples and outputs of the squared error; class labels are taken as one-hot vectors."""

    CACHE_VERSION = 1

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, a 0-d tensor, of outputs (batch, outputs) and labels (batch,) int64 or targets like the outputs."""
        if targets.dim() < outputs.dim():
            classes = torch.arange(outputs.shape[-1], device=outputs.device)
            targets = (targets.unsqueeze(-1) == classes).to(outputs.dtype)
        return (outputs - targets).square().mean()

    def worst(self, classes: int) -> float:
        """The loss of the best constant on one-hot targets; a network that diverged counts as that."""
        return (classes - 1) / classes**2 if classes > 1 else float("nan")
