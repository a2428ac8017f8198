"""Sharpness as the largest loss in a box around the weights."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import torch

from expzoo.plugin import Count, Positive, register

if TYPE_CHECKING:
    from expzoo.plugin import Point


@register
class BoxSharpness:
    """100 (max L(w + z) - L(w)) / (1 + L(w)) over |z_i| <= epsilon (|w_i| + 1), in per cent, in float64.

    Keskar, Mudigere, Nocedal, Smelyanskiy & Tang 2017, "On large-batch training for deep learning",
    metric 2.1 in the full space: the maximum is what L-BFGS-B of SciPy finds from w, a lower bound.
    With `relative` the box is |z_i| <= epsilon |w_i|, so the value stays where weights are rescaled
    and the function is not (Kwon et al. 2021). NaN if the loss overflows.

    Args:
        epsilon: half the width of the box, in units of |w_i| + 1, or of |w_i|.
        relative: whether the box is one that scales with the weights.
        iterations: of L-BFGS-B, 10 in the paper.
        examples: how many of the split, from its start; null for all.
    """

    CACHE_VERSION = 1

    on_split = True

    def __init__(
        self,
        *,
        epsilon: Positive = 1e-3,
        relative: bool = False,
        iterations: Count = 10,
        examples: Count | None = None,
    ) -> None:
        self.epsilon, self.relative = epsilon, relative
        self.iterations, self.examples = iterations, examples

    def __call__(self, point: Point) -> float:
        """The sharpness."""
        from scipy.optimize import minimize

        (x, y), places = point.data(self.examples), point.places

        def descent(inside: np.ndarray) -> tuple[float, np.ndarray]:
            """Minus the loss, and its gradient."""
            row = point.row.clone()
            row[places] = torch.from_numpy(inside)
            loss, gradient = point.loss.loss(row[None], x, y)[0], point.loss.grad(row[None], x, y)[0]
            return -loss.item(), -gradient[places].numpy()

        start = point.row[places].numpy()
        before = -descent(start)[0]
        width = self.epsilon * (np.abs(start) + (not self.relative))
        if not math.isfinite(before):
            return math.nan
        found = minimize(
            descent,
            start,
            jac=True,
            method="L-BFGS-B",
            bounds=np.stack([start - width, start + width], 1),
            options={"maxiter": self.iterations, "ftol": 0.0, "gtol": 0.0},  # a minimum is where gradients are small
        )
        return 100 * max(-float(found.fun) - before, 0.0) / (1 + before) if math.isfinite(found.fun) else math.nan
