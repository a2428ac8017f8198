"""Expected calibration error."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import torch

from expzoo.plugin import Range, log_probabilities, register

if TYPE_CHECKING:
    from torch import Tensor


@register
class CalibrationError:
    """Expected calibration error in percent: mean distance between confidence and accuracy over bins of confidence.

    Guo et al. 2017, "On calibration of modern neural networks", eq. 3: bins ((i - 1) / m, i / m] of
    equal width, each weighted by its examples. The estimate is biased upwards, the more so with
    many bins and few examples.

    Args:
        bins: how many; 15 is the paper's.
    """

    CACHE_VERSION = 1
    UNIT, BETTER = "%", "lower"

    def __init__(self, *, bins: Annotated[int, Range(1, 10_000)] = 15) -> None:
        self.bins = bins

    def __call__(self, outputs: Tensor, targets: Tensor) -> float:
        """The error of logits (n, classes) for labels (n,) int64, in percent."""
        confidence, predicted = log_probabilities(outputs, targets).exp().max(1)
        excess = (predicted == targets).double() - confidence
        bins = (confidence * self.bins).ceil().clamp(1, self.bins).long() - 1
        sums = torch.zeros(self.bins, dtype=torch.float64).index_add_(0, bins, excess)
        return 100.0 * sums.abs().sum().item() / len(targets)
