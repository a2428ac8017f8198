"""What losses and metrics share: labels as targets, outputs as logits, probabilities and right cells.

One output alone is always that of class 1 against class 0: its logit, or its probability.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


LEAST_LOG = -100.0  # of a probability, as torch.nn.BCELoss has it
_ARE_PROBABILITIES = ContextVar("outputs are probabilities", default=False)


@contextmanager
def outputs_are_probabilities(answer: bool) -> Iterator[None]:  # noqa: FBT001 - it is what the name asks
    """Inside, `class_logits` takes one output alone as the probability of class 1, or else as its logit."""
    token = _ARE_PROBABILITIES.set(answer)
    try:
        yield
    finally:
        _ARE_PROBABILITIES.reset(token)


def as_targets(
    outputs: Float[Tensor, "*outputs"], targets: Int[Tensor, " n"] | Shaped[Tensor, "n ..."]
) -> Shaped[Tensor, "*outputs"]:
    """Targets like the outputs: labels as one-hot (bool), of one output as whether it is class 1.

    Targets that have the axes of the outputs stay as they are. ValueError for floating targets of another shape.
    """
    if targets.dim() >= outputs.dim():
        return targets
    if targets.is_floating_point():
        if targets.numel() != outputs.numel():
            raise ValueError(f"targets {tuple(targets.shape)} do not fit outputs {tuple(outputs.shape)}")
        return targets.view(outputs.shape)
    classes = outputs.shape[-1]
    return targets.unsqueeze(-1) == (1 if classes == 1 else torch.arange(classes, device=outputs.device))


def class_logits(outputs: Float[Tensor, "n outputs"], targets: Int[Tensor, " n"]) -> Float[Tensor, "n classes"]:
    """The outputs as logits of the classes; one output alone is the logit of class 1 against class 0.

    Where the training loss says that outputs are probabilities, one output alone is that of class
    1, and the logits are the logarithms of both, in float64. Raises ValueError if the targets are
    not class labels, of one of these classes each.
    """
    if targets.dim() != 1 or targets.is_floating_point():
        raise ValueError(f"targets of shape {tuple(targets.shape)} and {targets.dtype} are not class labels")
    logits = _two_classes(outputs) if outputs.shape[1] == 1 else outputs
    if len(targets) and not 0 <= int(targets.min()) <= int(targets.max()) < logits.shape[1]:
        raise ValueError(f"targets from {targets.min()} to {targets.max()} are not labels of {logits.shape[1]} classes")
    return logits


def _two_classes(outputs: Float[Tensor, "n 1"]) -> Float[Tensor, "n 2"]:
    """The logits of class 0 and class 1 of what one output says."""
    if not _ARE_PROBABILITIES.get():
        return torch.cat([torch.zeros_like(outputs), outputs], 1)
    probability = outputs.double().clamp(0, 1)
    return torch.cat([1 - probability, probability], 1).log().clamp_min(LEAST_LOG)


def log_probabilities(outputs: Float[Tensor, "n outputs"], targets: Int[Tensor, " n"]) -> Float64[Tensor, "n classes"]:
    """The logarithm of the probability that softmax gives each class."""
    return class_logits(outputs, targets).double().log_softmax(1)


def right_cells(
    outputs: Float[Tensor, "n outputs"], targets: Int[Tensor, " n"] | Shaped[Tensor, "n outputs"]
) -> Bool[Tensor, "n outputs"]:
    """Whether each output rounds to its target of 0 or 1; labels are taken as `as_targets` says."""
    return outputs.round() == as_targets(outputs, targets)
