"""Early stopping on validation data."""

from __future__ import annotations

from math import isnan
from typing import Literal

from expzoo.plugin import Count, register


@register
class Early:
    """Training ends when a measure on the validation split has not improved for a number of looks (Prechelt 1998).

    The row of the best look is kept as the event "best". The dataset needs a validation split.

    Args:
        metric: what is watched: the lowest loss or the highest accuracy is best.
        patience: looks without an improvement after which training ends.
        every: steps between two looks.
        at_most: steps after which training ends in any case.
    """

    CACHE_VERSION = 1

    must_end = False

    def __init__(
        self,
        *,
        metric: Literal["loss", "accuracy"] = "loss",
        patience: Count = 5,
        every: Count = 100,
        at_most: Count = 10000,
    ) -> None:
        self.watches = (metric, "validation")
        self.patience, self.every, self.at_most = patience, every, at_most

    def best(self, history: list[float]) -> int:
        """The index of the best look, the first of equal ones."""
        sign = 1 if self.watches[0] == "loss" else -1
        return min(range(len(history)), key=lambda look: (isnan(history[look]), sign * history[look]))

    def done(self, history: list[float]) -> bool:
        """Whether the best look is `patience` looks ago."""
        return len(history) - 1 - self.best(history) >= self.patience
