"""Rules that turn an operation on one network into the same operation on all members, who lie along a first axis.

A rule takes the arguments, with a member axis first in every tensor, and gives the operation and
arguments to call instead, or None where it does not apply. An operation without a rule is run one
member at a time, always rightly. Every rule was measured to give each member the same bits in
crowds of any size of two or more, on one thread.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from expzoo.engine.members.memory import is_dense

aten = torch.ops.aten

BatchingRule = Callable[..., tuple[Any, tuple[Any, ...]] | None]


def _later(axis: int) -> int:
    """An axis of one network's tensor as an axis of all members' tensor."""
    return axis if axis < 0 else axis + 1


def _axes(axes: Sequence[int] | None, rank: int) -> list[int]:
    """As `_later`, of several axes; none at all means every one."""
    return [_later(axis) for axis in axes] if axes else list(range(1, rank))


def _reduction(target: Any) -> BatchingRule:
    def rule(x: Tensor, axes: Any = None, *rest: Any) -> tuple[Any, tuple[Any, ...]] | None:
        if x.dim() == 1:
            return None
        if not rest and len(axes or x.shape[1:]) == x.dim() - 1 and is_dense(x[0]):  # in whatever order they lie
            return target, (x.as_strided((len(x), x[0].numel()), (x.stride(0), 1)), [1])
        return target, (x, _axes(axes, x.dim()), *rest)

    return rule


def _along(target: Any, number: int = 1) -> BatchingRule:
    """An operation along the axis that is its argument `number`."""

    def rule(*args: Any) -> tuple[Any, tuple[Any, ...]] | None:
        ranks = [arg.dim() for arg in args if isinstance(arg, Tensor)]
        if len(args) <= number or min(ranks, default=2) < 2:
            return None
        return target, (*args[:number], _later(args[number]), *args[number + 1 :])

    return rule


def _joined(target: Any) -> BatchingRule:
    def rule(tensors: Sequence[Tensor], axis: int = 0) -> tuple[Any, tuple[Any, ...]]:
        return target, (tensors, _later(axis))

    return rule


def _undone(target: Any) -> BatchingRule:
    """The gradient of a slice, whose second argument is the shape of what was sliced."""

    def rule(grad: Tensor, shape: Sequence[int], axis: int, *rest: int) -> tuple[Any, tuple[Any, ...]]:
        return target, (grad, [len(grad), *shape], _later(axis), *rest)

    return rule


def _padded(x: Tensor, *rest: Any) -> tuple[Any, tuple[Any, ...]]:
    return aten.constant_pad_nd.default, (x, *rest)


def _flipped(x: Tensor, axes: Sequence[int]) -> tuple[Any, tuple[Any, ...]]:
    return aten.flip.default, (x, _axes(axes, x.dim()))


def _product(a: Tensor, b: Tensor) -> tuple[Any, tuple[Any, ...]]:
    return aten.bmm.default, (a, b)


def _product_and_bias(bias: Tensor, a: Tensor, b: Tensor) -> tuple[Any, tuple[Any, ...]]:
    missing = (1,) * (a.dim() - bias.dim())
    return aten.baddbmm.default, (bias.view(len(bias), *missing, *bias.shape[1:]), a, b)


RULES: dict[Any, BatchingRule] = {
    aten.addmm.default: _product_and_bias,
    aten.amax.default: _reduction(aten.amax.default),
    aten.amin.default: _reduction(aten.amin.default),
    aten.baddbmm.default: _product_and_bias,
    aten.bmm.default: _product,
    aten.cat.default: _joined(aten.cat.default),
    aten.constant_pad_nd.default: _padded,
    aten.cumsum.default: _along(aten.cumsum.default),
    aten.flip.default: _flipped,
    aten.gather.default: _along(aten.gather.default),
    aten.mean.default: _reduction(aten.mean.dim),
    aten.mean.dim: _reduction(aten.mean.dim),
    aten.mm.default: _product,
    aten.scatter.src: _along(aten.scatter.src),
    aten.scatter.value: _along(aten.scatter.value),
    aten.select_backward.default: _undone(aten.select_backward.default),
    aten.slice_backward.default: _undone(aten.slice_backward.default),
    aten.stack.default: _joined(aten.stack.default),
    aten.sum.default: _reduction(aten.sum.dim_IntList),
    aten.sum.dim_IntList: _reduction(aten.sum.dim_IntList),
}
