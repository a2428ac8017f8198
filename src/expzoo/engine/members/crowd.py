"""Differentiable functions on a whole crowd: every tensor has an axis of members first.

Inside such a function members are never mixed, so `vmap` can only add to that axis. Each is made of
operations of the library "expzoo", which a tape runs by their kernels:
`KERNELS[operation](*arguments, out=...)` gives calls that write the result into static memory.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

if TYPE_CHECKING:
    from jaxtyping import Shaped

Call = Callable[[], Any]
Kernel = Callable[..., list[Call]]
KERNELS: dict[Any, Kernel] = {}
INTERLEAVED: dict[Any, Callable[[Tensor], bool]] = {}
"""Operations on images that may be interleaved: whether their results are, by their first argument."""


class Unadoptable(ValueError):
    """A module that cannot be trained in a population, with what to do about it."""


def run(calls: Sequence[Call]) -> None:
    """One after the other."""
    for call in calls:
        call()


def join_members(function: type[torch.autograd.Function], info: Any, in_dims: Any, args: Any) -> tuple[Any, Any]:
    """The vmap rule of all functions on a crowd: the new axis joins the axis of members."""
    size = info.batch_size

    def joined(value: Any, axis: int | None) -> Any:
        if not isinstance(value, Tensor):
            return value
        moved = value.expand(size, *value.shape) if axis is None else value.movedim(axis, 0)
        return moved.flatten(0, 1)

    results = function.apply(*(joined(value, axis) for value, axis in zip(args, in_dims, strict=True)))
    if isinstance(results, Tensor):
        return results.unflatten(0, (size, -1)), 0
    return tuple(result.unflatten(0, (size, -1)) for result in results), (0,) * len(results)


class Linear(torch.autograd.Function):
    """`operation(x, *options)`, linear in x, whose gradient is `adjoint(grad, *adjoint_options)`; to any order."""

    @staticmethod
    def forward(
        x: Shaped[Tensor, "members ..."], operation: Any, options: Any, adjoint: Any, adjoint_options: Any
    ) -> Shaped[Tensor, "members ..."]:
        return operation(x, *options)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        _, *ctx.operation, ctx.adjoint, ctx.adjoint_options = inputs

    @staticmethod
    def jvp(ctx: Any, *tangents: Any) -> Shaped[Tensor, "members ..."]:
        return Linear.apply(tangents[0], *ctx.operation, ctx.adjoint, ctx.adjoint_options)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return Linear.apply(grads[0], ctx.adjoint, ctx.adjoint_options, *ctx.operation), None, None, None, None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return join_members(Linear, info, in_dims, args)


class Last(torch.autograd.Function):
    """`operation(*arguments)`, which is differentiable no further."""

    @staticmethod
    def forward(operation: Any, *arguments: Any) -> Any:
        return operation(*arguments)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.mark_non_differentiable(*(output if isinstance(output, tuple) else (output,)))

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return join_members(Last, info, in_dims, args)
