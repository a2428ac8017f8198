"""What a proof finds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

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


def first_seen(*looks: Callable[[], None]) -> Fault | None:
    """What the first look finds that does not raise by itself; Unseen if all do."""
    last: Exception | None = None
    for look in looks:
        try:
            look()
        except Refused as refused:
            return refused.fault
        except Exception as error:  # noqa: BLE001 - the evaluation meets the same, and knows whose it is
            last = error
        else:
            return None
    raise Unseen from last


def same(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same shape and numbers; NaN is like NaN."""
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return bool(((one == other) | ((one != one) & (other != other))).all())
