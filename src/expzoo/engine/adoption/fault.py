"""What a proof finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.spec.component import Component


@dataclass(frozen=True)
class Fault:
    """Which plugin would be trained or measured as something else, and why."""

    component: Component[Any]
    why: str

    def __str__(self) -> str:
        return f"{self.component.kind}={self.component.name}: {self.why}"


class Refused(Exception):
    """Ends a proof."""

    def __init__(self, component: Component[Any], why: str) -> None:
        super().__init__(why)
        self.fault = Fault(component, why)


class Unseen(Exception):
    """Ends a proof in which nothing could be seen: the plugin raised by itself, which is said where it is used."""


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and numbers; NaN is like NaN."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())
