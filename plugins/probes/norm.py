"""Norm of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class Norm:
    """The L2 norm of all weights, biases included."""

    CACHE_VERSION = 1

    on_split = False

    def __call__(self, point: Point) -> float:
        """The norm."""
        return point.row.norm().item()
