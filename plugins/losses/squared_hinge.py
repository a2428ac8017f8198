"""Squared hinge loss."""

from __future__ import annotations

import torch
from torch import Tensor

from expzoo.plugin import register


@register
class SquaredHinge:
    """Mean over examples of half the squared margin violations, max(0, 1 - y f)**2 / 2, summed over outputs.

    Spigler et al. 2019, "A jamming transition from under- to over-parametrization", eq. 2, with
    margin 1. Labels are taken as -1 and +1: of one output, label 0 is -1; of several outputs, the
    true class is +1 and the others -1.
    """

    CACHE_VERSION = 1

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, a 0-d tensor, of outputs (batch, k) and labels (batch,) int64."""
        if outputs.shape[-1] == 1:
            true_class = targets.unsqueeze(-1) == 1
        else:
            true_class = targets.unsqueeze(-1) == torch.arange(outputs.shape[-1], device=outputs.device)
        sign = 2.0 * true_class.to(outputs.dtype) - 1.0
        violation = (1.0 - sign * outputs).clamp_min(0)
        return 0.5 * (violation * violation).sum(-1).mean()
