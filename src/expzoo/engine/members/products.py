"""Batched matrix products into static buffers, by the library that is right for the machine and the shape.

Which one is a function of the machine class (`machine.blas`) and of one member's shapes, never of the crowd.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from expzoo.system import machine

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.engine.members.crowd import Call

FEW = 8
LONG = 16  # and the inner axis from which it does
LARGE = 2_500_000  # multiplications from which oneDNN beats OpenBLAS in spite of its 15 microseconds a call (LOG.md)
LARGE_FOR_WIDE = 5_000_000  # the same for OpenBLAS's AVX-512 kernels


def product(
    a: Float[Tensor, "members *several m k"],
    b: Float[Tensor, "members *several k n"],
    out: Float[Tensor, "members *several m n"],
    bias: Float[Tensor, "members *#several #m #n"] | None = None,
) -> list[Call]:
    """Calls for out = bias + a @ b, one product of each network or several.

    OpenBLAS and oneDNN multiply one member after the other, so they are exact in a crowd of any
    size; torch's own batched product is exact for two or more members that all lie on cache lines.
    """
    if a.dim() > 3:
        return _several(a, b, out, bias)
    if a.shape[2] == 1:  # one rounding for each element, and no BLAS does this well
        calls: list[Call] = [partial(torch.mul, a, b, out=out)]
    elif machine.blas() == "openblas" and all(map(_is_blas_matrix, (a, b, out))) and _suits_onednn(a, b):
        by_column = bias is not None and bias.shape[1] == 1
        biases = bias.flatten(1) if bias is not None and by_column else [None] * len(a)
        calls = [_by_onednn(*matrices) for matrices in zip(a, b, out, biases, strict=True)]
        bias = None if by_column else bias
    elif machine.blas() == "openblas" and all(map(_is_blas_matrix, (a, b, out))) and not _is_skinny(a, b):
        calls = [partial(np.matmul, a.numpy(), b.numpy(), out=out.numpy())]
    elif bias is None:
        return [partial(torch.bmm, a, b, out=out)]
    else:
        return [partial(torch.baddbmm, bias, a, b, out=out)]
    return calls if bias is None else [*calls, partial(torch.add, out, bias, out=out)]


def _several(a: Tensor, b: Tensor, out: Tensor, bias: Tensor | None) -> list[Call]:
    """Few products of each network one after the other, each for all members; many of them one member at a time."""
    axis = 1 if a.shape[1] <= FEW else 0
    biases = [None] * out.shape[axis] if bias is None else bias.expand(*out.shape[:2], *bias.shape[2:]).unbind(axis)
    parts = zip(a.unbind(axis), b.unbind(axis), out.unbind(axis), biases, strict=True)
    return [call for part in parts for call in product(*part)]


def _is_skinny(a: Tensor, b: Tensor) -> bool:
    """Whether it sums over so much more than it keeps that OpenBLAS takes up to three times as long as MKL (LOG.md)."""
    return a.shape[2] >= 8 * a.shape[1] * b.shape[2]


def _suits_onednn(a: Tensor, b: Tensor) -> bool:
    """Whether oneDNN is faster; of OpenBLAS's AVX-512 kernels only those are slower that read `b` by columns."""
    (_, m, k), n = a.shape, b.shape[2]
    is_large = m * k * n >= LARGE and k >= LONG and a.dtype == torch.float32
    by_columns = b.stride(1) == 1 and m * k * n >= LARGE_FOR_WIDE
    return is_large and (by_columns or not machine.has_wide_kernels()) and torch.backends.mkldnn.is_available()


def _by_onednn(a: Tensor, b: Tensor, out: Tensor, bias: Tensor | None) -> Call:
    """One member's product. The operation is the linear layer of oneDNN, which takes the second factor transposed."""
    linear, second = torch.ops.mkldnn._linear_pointwise, b.t()

    def multiply() -> None:
        out.copy_(linear(a, second, bias, "none", [], ""))

    return multiply


def _is_blas_matrix(batch: Tensor) -> bool:
    """Whether each member is a matrix that BLAS takes as it lies: on the CPU, one of its two axes contiguous."""
    _, rows, columns = batch.shape
    _, down, right = batch.stride()
    by_rows = right == 1 and (rows == 1 or down >= columns)
    by_columns = down == 1 and (columns == 1 or right >= rows)
    return batch.device.type == "cpu" and batch.dtype in (torch.float32, torch.float64) and (by_rows or by_columns)
