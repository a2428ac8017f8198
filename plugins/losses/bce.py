"""Binary cross-entropy."""

from __future__ import annotations

import torch
from torch import Tensor

from expzoo.plugin import as_targets, register


@register
class Bce:
    """Mean binary cross-entropy of logits over examples and outputs, in nats; class labels are taken as one-hot.

    One output alone is the logit of class 1.

    Written as max(x, 0) - x y + log(1 + exp(-|x|)), which does not overflow and whose parts are exact in a crowd.
    """

    CACHE_VERSION = 1

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, a 0-d tensor, of logits (batch, ...) and targets like them in [0, 1], or labels (batch,) int64."""
        truth = as_targets(outputs, targets).to(outputs.dtype)
        return (outputs.clamp_min(0) - outputs * truth + torch.log1p(torch.exp(-outputs.abs()))).mean()
