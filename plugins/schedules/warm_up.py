"""A learning rate that rises at the start."""

from __future__ import annotations

from expzoo.plugin import Count, register


@register
class WarmUp:
    """Rises linearly to the full learning rate over the first steps, then stays (Goyal et al. 2017, section 2.2).

    Args:
        steps: how many steps the rise takes.
    """

    CACHE_VERSION = 1

    def __init__(self, *, steps: Count = 100) -> None:
        self.steps = steps

    def factor(self, step: int, steps: int) -> float:
        """The factor of step 0..steps-1."""
        return min((step + 1) / self.steps, 1.0)
