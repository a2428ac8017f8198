"""What the tape knows about ATen operations: which are views, which are pointwise, how each writes into a buffer."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from expzoo.engine.members import products

if TYPE_CHECKING:
    from expzoo.engine.members.crowd import Call

aten = torch.ops.aten

CREATORS = frozenset(
    {
        aten.arange.default,
        aten.arange.start,
        aten.empty.memory_format,
        aten.empty_like.default,
        aten.full.default,
        aten.full_like.default,
        aten.new_empty.default,
        aten.new_empty_strided.default,
        aten.new_full.default,
        aten.new_zeros.default,
        aten.ones.default,
        aten.ones_like.default,
        aten.scalar_tensor.default,
        aten.zeros.default,
        aten.zeros_like.default,
    }
)

COPIES = frozenset({aten._to_copy.default, aten.clone.default, aten.copy.default})

# What cannot write into a buffer: some use it for more than their result, some raise where a matrix has none.
NOT_INTO = frozenset(
    {
        aten.huber_loss.default,
        aten.linalg_pinv.atol_rtol_tensor,
        aten.mse_loss.default,
        aten.smooth_l1_loss.default,
        aten.soft_margin_loss.default,
    }
)

# Where an operation takes an absolute position in its operand's storage, which is another for each member.
BY_STORAGE: dict[Any, int] = {aten.as_strided.default: 3, aten.as_strided_scatter.default: 4}

# One rounding or none, so the vector body and the scalar tail of a kernel agree: exact at any shape, broadcast or not.
ROUNDED_ONCE = frozenset(
    {
        aten._to_copy.default,
        aten.abs.default,
        aten.add.Scalar,
        aten.add.Tensor,
        aten.clamp.default,
        aten.clamp_max.default,
        aten.clamp_min.default,
        aten.clone.default,
        aten.copy.default,
        aten.div.Scalar,
        aten.div.Tensor,
        aten.eq.Scalar,
        aten.eq.Tensor,
        aten.fill.Scalar,
        aten.ge.Scalar,
        aten.ge.Tensor,
        aten.gt.Scalar,
        aten.gt.Tensor,
        aten.le.Scalar,
        aten.le.Tensor,
        aten.logical_and.default,
        aten.logical_not.default,
        aten.lt.Scalar,
        aten.lt.Tensor,
        aten.maximum.default,
        aten.minimum.default,
        aten.mul.Scalar,
        aten.mul.Tensor,
        aten.ne.Scalar,
        aten.ne.Tensor,
        aten.neg.default,
        aten.relu.default,
        aten.rsub.Scalar,
        aten.sign.default,
        aten.sqrt.default,
        aten.sub.Scalar,
        aten.sub.Tensor,
        aten.threshold_backward.default,
        aten.where.ScalarOther,
        aten.where.ScalarSelf,
        aten.where.self,
    }
)

# The overload whose last argument is the buffer, where its name does not follow from the functional one.
WRITERS: dict[Any, Callable[..., Any]] = {
    aten.add.Tensor: torch.add,
    aten.div.Tensor: torch.div,
    aten.exp.default: torch.exp,
    aten.log.default: torch.log,
    aten.mean.dim: aten.mean.out,
    aten.mul.Tensor: torch.mul,
    aten.neg.default: torch.neg,
    aten.sub.Tensor: torch.sub,
    aten.sum.dim_IntList: aten.sum.IntList_out,
    aten.add.Scalar: torch.add,
    aten.div.Scalar: torch.div,
    aten.mul.Scalar: torch.mul,
    aten.sub.Scalar: torch.sub,
    aten.tanh.default: torch.tanh,
}


# Pointwise like those that torch tags so.
UNTAGGED_POINTWISE = frozenset(
    {
        aten.elu_backward.default,
        aten.hardshrink_backward.default,
        aten.hardsigmoid_backward.default,
        aten.hardswish.default,
        aten.hardswish_backward.default,
        aten.hardtanh_backward.default,
        aten.leaky_relu_backward.default,
        aten.log_sigmoid_backward.default,
        aten.mish_backward.default,
        aten.softplus_backward.default,
        aten.softshrink_backward.default,
    }
)


def is_pointwise(target: Any) -> bool:
    """Whether each output element depends on the input elements at its own position only."""
    return target in ROUNDED_ONCE or target in UNTAGGED_POINTWISE or torch.Tag.pointwise in getattr(target, "tags", ())


def is_exact(target: Any, kwargs: Mapping[str, Any]) -> bool:
    """Whether it gives an element the same bits wherever in a tensor it lies: a factor `alpha` is a second rounding."""
    return target in ROUNDED_ONCE and "alpha" not in kwargs


def is_view(target: Any) -> bool:
    """Whether the result shares the memory of the first argument."""
    if target in (operator.getitem, aten._unsafe_view.default, aten.unsafe_split.Tensor):
        return True
    returned = target._schema.returns
    return bool(returned) and returned[0].alias_info is not None and not returned[0].alias_info.is_write


# Operations that are best computed by others. Copies go through `copy_` whatever their memory format.
_WRITTEN: dict[Any, Callable[..., list[Call]]] = {
    aten._to_copy.default: lambda buffer, x, **_: [partial(buffer.copy_, x)],
    aten.baddbmm.default: lambda buffer, bias, a, b: products.product(a, b, buffer, bias),
    aten.bmm.default: lambda buffer, a, b: products.product(a, b, buffer),
    aten.clone.default: lambda buffer, x, **_: [partial(buffer.copy_, x)],
    aten.copy.default: lambda buffer, _, source: [partial(buffer.copy_, source)],
    aten.relu.default: lambda buffer, x: [partial(aten.clamp_min.out, x, 0, out=buffer)],
    aten.threshold_backward.default: lambda buffer, *args: [
        partial(aten.threshold_backward.grad_input, *args, grad_input=buffer)
    ],
}


def write_into(target: Any, args: Sequence[Any], kwargs: dict[str, Any], buffer: Tensor) -> list[Call]:
    """Calls without arguments that leave the result in `buffer`, allocating nothing if they can."""
    if target in _WRITTEN:
        return _WRITTEN[target](buffer, *args, **kwargs)
    if target in WRITERS:
        return [partial(WRITERS[target], *args, **kwargs, out=buffer)]
    if target not in NOT_INTO and (found := _out_overload(target)):
        overload, name = found
        return [partial(overload, *args, **kwargs, **{name: buffer})]
    return [partial(compute_several, target, args, kwargs, [buffer])]


def compute_several(
    target: Any, args: Sequence[Any], kwargs: Mapping[str, Any], buffers: Sequence[Tensor | None]
) -> None:
    """Compute and copy each result into its buffer; where a matrix has no such result, it is not a number."""
    try:
        results = target(*args, **kwargs)
    except torch.linalg.LinAlgError:
        for buffer in [buffer for buffer in buffers if buffer is not None]:
            buffer.fill_(torch.nan if buffer.is_floating_point() or buffer.is_complex() else 0)
        return
    several = [results] if isinstance(results, Tensor) else results
    for buffer, result in zip(buffers, several, strict=True):
        if buffer is not None:
            buffer.copy_(result)


def _out_overload(target: Any) -> tuple[Any, str] | None:
    """The overload of the same operation that takes the same arguments and one buffer, with the buffer's name."""
    wanted = [(a.name, str(a.type)) for a in target._schema.arguments]
    packet = target.overloadpacket
    for name in packet.overloads():
        overload = getattr(packet, name)
        outputs = [a for a in overload._schema.arguments if a.is_out]
        inputs = [(a.name, str(a.type)) for a in overload._schema.arguments if not a.is_out]
        if len(outputs) == 1 and inputs == wanted:
            return overload, outputs[0].name
    return None
