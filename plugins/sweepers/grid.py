"""Every combination of the swept values."""

from __future__ import annotations

from expzoo.plugin import Count, GridSweeper, register


@register
class Grid(GridSweeper):
    """Every combination of the swept values; what failed is listed, and the sweep leaves a record.

    Args:
        max_batch_size: how many jobs a launcher gets at once; null is all.
    """

    def __init__(self, *, max_batch_size: Count | None = None) -> None:
        self.max_batch_size = max_batch_size
