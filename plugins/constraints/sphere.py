"""Weights on a sphere."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from expzoo.plugin import Positive, register

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.plugin import Layout


@register
class Sphere:
    """Projects the weights that are trained back to a sphere after each step, as a whole or each tensor by itself.

    Kodryan et al. 2022, "Training scale-invariant neural networks on the sphere", section 3: projected SGD.

    Args:
        radius: the norm that is kept.
        scope: whether the norm is that of all weights or of each tensor.
    """

    CACHE_VERSION = 2  # 2: what parametrisation=frozen keeps takes no part

    def __init__(self, *, radius: Positive = 1.0, scope: Literal["whole", "tensor"] = "whole") -> None:
        self.radius, self.scope = radius, scope

    def project(self, theta: Tensor, layout: Layout) -> None:
        """Scale rows (members, size) in place; a zero vector stays."""
        parts = (
            [theta] if self.scope == "whole" else [view.reshape(len(view), -1) for view in layout.views(theta).values()]
        )
        for part in parts:
            norm = (part * part).sum(1, keepdim=True).sqrt()
            part.mul_(self.radius / norm.where(norm > 0, norm.new_full((), self.radius)))
