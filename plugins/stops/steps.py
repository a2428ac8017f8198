"""A fixed number of steps."""

from __future__ import annotations

from expzoo.plugin import Count, register


@register
class Steps:
    """Training ends after a fixed number of optimizer steps.

    Args:
        steps: how many; 1500 is about that of the MNIST-1D lottery notebook (1501).
    """

    CACHE_VERSION = 1

    every = 0
    watches = ("loss", "train")
    must_end = False

    def __init__(self, *, steps: Count = 1500) -> None:
        self.at_most = steps

    def done(self, history: list[float]) -> bool:
        """Never before the last step."""
        return False
