"""What metrics share: outputs as logits, probabilities and right cells."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Float64, Int, Int64, Shaped
    from torch import Tensor


class Metric(Protocol):
    """Sees what ONE network gives on a whole split.

    One that has `worst(classes)` says what a network gets that knows nothing: one that diverged
    counts as that, where it would otherwise have no value.
    """

    def __call__(
        self, outputs: Float[Tensor, "n outputs"], targets: Int64[Tensor, " n"] | Float[Tensor, " n *targets"]
    ) -> float:
        """A number from outputs and targets, which are labels or floating numbers."""
        ...


def class_logits(outputs: Float[Tensor, "n outputs"], targets: Int[Tensor, " n"]) -> Float[Tensor, "n classes"]:
    """The outputs as logits of the classes; one output alone is the logit of class 1 against class 0.

    Raises ValueError if the targets are not class labels, of one of these classes each.
    """
    if targets.dim() != 1 or targets.is_floating_point():
        raise ValueError(f"targets of shape {tuple(targets.shape)} and {targets.dtype} are not class labels")
    logits = torch.cat([torch.zeros_like(outputs), outputs], 1) if outputs.shape[1] == 1 else outputs
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[1]:
        raise ValueError(f"targets from {targets.min()} to {targets.max()} are not labels of {logits.shape[1]} classes")
    return logits


def log_probabilities(outputs: Float[Tensor, "n outputs"], targets: Int[Tensor, " n"]) -> Float64[Tensor, "n classes"]:
    """The logarithm of the probability that softmax gives each class."""
    return class_logits(outputs, targets).double().log_softmax(1)


def right_cells(
    outputs: Float[Tensor, "n outputs"], targets: Int[Tensor, " n"] | Shaped[Tensor, "n outputs"]
) -> Bool[Tensor, "n outputs"]:
    """Whether each output rounds to its target of 0 or 1; labels are taken as one-hot."""
    if targets.dim() < outputs.dim():
        targets = targets.unsqueeze(1) == torch.arange(outputs.shape[1])
    return outputs.round() == targets
