"""Weighted means over networks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Float, Real


def weighted_mean(
    values: Real[Tensor, " k *rest"], weights: Sequence[float] | Real[Tensor, " k"] | None = None
) -> Float[Tensor, "*rest"]:
    """The mean over axis 0 in float64; `weights` are divided by their sum, None: all are equal.

    ValueError if the weights do not fit, or if their sum is zero or not finite.

    >>> weighted_mean(torch.tensor([[0.0, 2.0], [4.0, 2.0]]), [3, 1])
    tensor([1., 2.], dtype=torch.float64)
    """
    given = torch.ones(len(values)) if weights is None else torch.as_tensor(weights)
    if given.shape != (len(values),):
        raise ValueError(f"weights of shape {tuple(given.shape)} must have the shape ({len(values)},)")
    total = given.double().sum()
    if not total.isfinite() or total == 0:
        raise ValueError(f"weights must have a finite sum other than 0, not {total.item()}")
    return torch.tensordot(given.double() / total, values.double(), 1)
