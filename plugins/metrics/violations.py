"""Margins that are not met."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from expzoo.plugin import class_logits, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class Violations:
    """Percentage of examples whose margin, the true logit minus the largest other one, is below 1.

    Of one output f and labels taken as -1 and +1 these are the examples with y f < 1, the constraints
    of a hinge loss that are not satisfied: N_Delta of Spigler et al. 2019 as a share of all.
    """

    CACHE_VERSION = 1
    UNIT, BETTER = "%", "lower"

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The violations of logits (n, classes), or of one output (n, 1), for labels (n,) int64, in percent."""
        logits, true = class_logits(outputs, targets), targets.unsqueeze(1)
        others = logits.scatter(1, true, -torch.inf).amax(1)
        return 100.0 * int((logits.gather(1, true).squeeze(1) - others < 1).sum()) / len(targets)

    def worst(self, classes: int) -> float:
        """What a network counts as that diverged."""
        return 100.0
