"""Whether a loss is smooth where its second derivative is asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from expzoo.system.randomness import normals

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Int

_STEP = 1e-7  # along a direction of unit length: beyond the rounding of float64, before most units change sides
_RELATIVE, _ROUNDING = 1e-2, 1e-12


def has_kink(
    grad: Callable[[Tensor], Tensor],
    products: Callable[[Tensor], Tensor],
    rows: Float[Tensor, "k size"],
    places: Int[Tensor, " parameters"],
) -> Bool[Tensor, " k"]:
    """Whether the gradient jumps at each row, so that the products are those of one side of a kink alone.

    The gradient's difference a tiny step forwards and backwards along a random direction must be
    what the product with the Hessian says; at a kink, as of ReLU at 0, it does not shrink with the
    step. Float64 throughout.

    Args:
        grad: rows (k, size) -> gradients (k, size).
        products: vectors (k, size) -> Hessians at the rows times them.
        rows: the weights.
        places: the entries of a row that are parameters.
    """
    direction = torch.zeros(rows.shape[1], dtype=torch.float64)
    direction[places] = torch.from_numpy(normals(0, "kink", 0, len(places)))
    step = (_STEP * direction / direction.norm()).expand_as(rows)
    ahead, behind = grad(rows + step), grad(rows - step)
    expected = 2 * products(step.contiguous())
    allowed = _RELATIVE * expected.norm(dim=1) + _ROUNDING * (1 + ahead.norm(dim=1))
    return ~((ahead - behind - expected).norm(dim=1) <= allowed)
