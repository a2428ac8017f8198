"""Distance from initialisation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class Distance:
    """The L2 distance of all weights from those the network started with; after rewinding, from the rewound ones."""

    CACHE_VERSION = 1

    on_split = False

    def __call__(self, point: Point) -> float:
        """The distance."""
        return (point.row - point.first).norm().item()
