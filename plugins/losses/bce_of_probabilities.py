"""Binary cross-entropy of probabilities."""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn import functional

from expzoo.plugin import as_targets, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class BceOfProbabilities:
    """Mean binary cross-entropy of probabilities over examples and outputs, in nats; labels are taken as one-hot.

    One output alone is the probability of class 1. It is `torch.nn.BCELoss` on outputs clamped to
    [0, 1], as Firner's script has it: a logarithm is at least -100, and an output that is 0 or 1
    exactly has no gradient through a sigmoid or a clamped ReLU. For networks that end in logits
    `bce` is the better choice.
    """

    CACHE_VERSION = 1
    of_probabilities = True

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor:
        """The loss, a 0-d tensor, of outputs (batch, ...) and targets like them in [0, 1], or labels (batch,) int64."""
        return functional.binary_cross_entropy(outputs.clamp(0, 1), as_targets(outputs, targets).to(outputs.dtype))
