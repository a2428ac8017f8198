"""A constant learning rate."""

from __future__ import annotations

from expzoo.plugin import register


@register
class Constant:
    """The optimizer's learning rate at every step."""

    CACHE_VERSION = 1

    def factor(self, step: int, steps: int) -> float:
        """1 at every step."""
        return 1.0
