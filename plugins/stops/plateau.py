"""Stop when the training loss no longer falls."""

from __future__ import annotations

from expzoo.plugin import Count, Fraction, register


@register
class Plateau:
    """Training ends when the loss on the whole training set has not fallen by a fraction for a number of looks.

    Args:
        fall: the fraction of the best loss so far by which a lower one must be lower to count.
        patience: looks without such a fall after which training ends.
        every: steps between two looks.
        at_most: steps after which training ends in any case; such a network has the status `not_fitted`.
    """

    CACHE_VERSION = 2

    watches = ("loss", "train")
    must_end = True

    def __init__(
        self, *, fall: Fraction = 0.01, patience: Count = 5, every: Count = 100, at_most: Count = 10000
    ) -> None:
        if every * patience > at_most:
            raise ValueError(f"patience {patience} looks of {every} steps are more than at_most {at_most}")
        self.fall = fall
        self.patience = patience
        self.every = every
        self.at_most = at_most

    def done(self, history: list[float]) -> bool:
        """Whether the last `patience` values are none below the best before them less the fall that counts."""
        before, last = history[: -self.patience], history[-self.patience :]
        return bool(before) and min(last) >= min(before) * (1 - self.fall)
