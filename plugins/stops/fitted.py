"""Stop when the training set is fitted."""

from __future__ import annotations

from expzoo.plugin import Count, Positive, register


@register
class Fitted:
    """Training ends when the loss on the whole training set is at most `loss`, looked at every `every` steps.

    A network that has not got there after `at_most` steps has the status `not_fitted`.

    Args:
        loss: the training loss, in the loss's own unit, at which the set counts as fitted.
        every: steps between two looks.
        at_most: steps after which training ends in any case.
    """

    CACHE_VERSION = 1

    watches = ("loss", "train")
    must_end = True

    def __init__(self, *, loss: Positive = 0.01, every: Count = 100, at_most: Count = 10000) -> None:
        if every > at_most:
            raise ValueError(f"every {every} is more than at_most {at_most}: the loss would never be looked at")
        self.loss, self.every, self.at_most = loss, every, at_most

    def done(self, history: list[float]) -> bool:
        """Whether a network with these training losses is finished."""
        return history[-1] <= self.loss
