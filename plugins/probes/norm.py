"""Norm of the weights."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class Norm:
    """The L2 norm of all weights, biases included.

    Args:
        without: a shell pattern of the names of parameters to leave out, such as "last.*".
    """

    CACHE_VERSION = 1
    ADDED = ("without",)

    on_split = False

    def __init__(self, *, without: str = "") -> None:
        self.without = without

    def __call__(self, point: Point) -> float:
        """The norm."""
        return (point.row[point.named(without=self.without)] if self.without else point.row).norm().item()
