"""Activation functions given by their values and slopes at 65 knots from -8 to 8: cubic between, straight beyond.

Hermite's interpolation is exact in value and slope at every knot and of fourth order between, and
it costs the same whatever function it stands for; 0 is a knot, so that functions with a kink there
are no worse.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from jaxtyping import Float

LOW, HIGH, INTERVALS = -8.0, 8.0, 64
STEP = (HIGH - LOW) / INTERVALS  # a quarter: positions between knots are exact in binary


def knots(dtype: torch.dtype = torch.float64) -> Float[Tensor, " 65"]:
    """Where values and slopes are given."""
    return torch.linspace(LOW, HIGH, INTERVALS + 1, dtype=dtype)


def cubic(
    values: Float[Tensor, "*functions 65"], slopes: Float[Tensor, "*functions 65"]
) -> Float[Tensor, "*functions 4 66"]:
    """Coefficients of the pieces, from values and slopes; differentiable."""
    start, end = values[..., :-1], values[..., 1:]
    rise, slope, slope_end = end - start, STEP * slopes[..., :-1], STEP * slopes[..., 1:]
    inner = [start, slope, 3 * rise - 2 * slope - slope_end, slope + slope_end - 2 * rise]
    nothing = torch.zeros_like(values[..., :1])
    before = [values[..., :1], STEP * slopes[..., :1], nothing, nothing]
    after = [values[..., -1:], STEP * slopes[..., -1:], nothing, nothing]
    return torch.stack([torch.cat(parts, -1) for parts in zip(before, inner, after, strict=True)], -2)


def linear(values: Float[Tensor, "*functions 65"]) -> Float[Tensor, "*functions 4 66"]:
    """Coefficients of straight pieces through values, the outer ones continued."""
    rise = values[..., 1:] - values[..., :-1]
    rises = torch.cat([rise[..., :1], rise, rise[..., -1:]], -1)
    starts = torch.cat([values[..., :1], values], -1)
    nothing = torch.zeros_like(rises)
    return torch.stack([starts, rises, nothing, nothing], -2)


def evaluate(table: Float[Tensor, "4 66"], x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
    """The function with coefficients `table` at every element of x; differentiable in both, twice."""
    position = (x - LOW) * (1 / STEP)
    cell = position.detach().floor().clamp(-1, INTERVALS)
    t = position - cell.clamp(min=0)
    index = (cell + 1).to(torch.int64).flatten().clamp(0, INTERVALS + 1)  # NaN, too, has a cell
    c0, c1, c2, c3 = (row.gather(0, index).view(x.shape) for row in table.unbind(0))
    return ((c3 * t + c2) * t + c1) * t + c0


class SplineActivation(nn.Module):
    """An activation function without parameters of its own, from its table of coefficients."""

    table: Float[Tensor, "4 66"]

    def __init__(self, table: Float[Tensor, "4 66"]) -> None:
        super().__init__()
        self.register_buffer("table", table)

    def forward(self, x: Float[Tensor, "*axes"]) -> Float[Tensor, "*axes"]:
        """The function of every element."""
        return evaluate(self.table, x)
