"""Classification margin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from expzoo.plugin import class_logits, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Margin:
    """The smallest margin of all examples, the true logit minus the largest other one: positive if all are right.

    It is that of the outputs, not divided by any norm of the weights.
    """

    CACHE_VERSION = 1
    UNIT, BETTER = "", "higher"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The smallest margin of logits (n, classes) for labels (n,) int64, in the unit of the outputs."""
        logits, true = class_logits(outputs, targets), targets.unsqueeze(1)
        others = logits.scatter(1, true, -torch.inf).amax(1)
        return (logits.gather(1, true).squeeze(1) - others).min().item()
