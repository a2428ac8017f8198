"""Metrics: (outputs, targets) of one network on a whole split to one number."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

Metric = Callable[[Tensor, Tensor], float]


def accuracy(outputs: Tensor, targets: Tensor) -> float:
    """Percentage of examples whose largest output is the true class: outputs (n, classes), targets (n,) int64."""
    return 100.0 * int((outputs.argmax(1) == targets).sum()) / len(targets)


METRICS: dict[str, Metric] = {"accuracy": accuracy}
