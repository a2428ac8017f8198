# ruff: noqa: FBT001, FBT002 - the signatures are those of torch.nn.functional
"""Normalisation in operations that a crowd can share; and the averages over batches that nn.BatchNorm keeps.

In training each member is normalised by its own batch. The running averages that nn.BatchNorm keeps
meanwhile are no part of a row. They are made again when a row is looked at, as means over the
training data, which is what Izmailov et al. (2018), section 3.2, do after averaging rows. A layer
that is held in evaluation mode while the others train keeps the averages that it has.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase

from expzoo.engine.layers.pixels import is_by_pixel, normalise, stands_for_interleaved
from expzoo.engine.members.crowd import Unadoptable

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped


class _Normalise(torch.autograd.Function):
    """x less its mean over some axes, divided by its deviation there; and what it was divided by, inverted."""

    generate_vmap_rule = True

    @staticmethod
    def forward(x: Tensor, axes: tuple[int, ...], eps: float) -> tuple[Tensor, Tensor]:
        centred = x - x.mean(axes, keepdim=True)
        scale = 1 / (centred.square().mean(axes, keepdim=True) + eps).sqrt()
        return centred * scale, scale

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.axes = inputs[1]
        ctx.save_for_backward(*output)
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        grad, (y, scale) = grads[0], ctx.saved_tensors
        along = y * (grad * y).mean(ctx.axes, keepdim=True)
        return (grad - grad.mean(ctx.axes, keepdim=True) - along) * scale, None, None


def _affine(x: Tensor, weight: Tensor | None, bias: Tensor | None, axes: Sequence[int]) -> Tensor:
    """Scale and shift x: times weight plus bias, which belong to these axes of x."""
    shape = [size if axis in axes else 1 for axis, size in enumerate(x.shape)]
    x = x if weight is None else x * weight.view(shape)
    return x if bias is None else x + bias.view(shape)


def _by_channel(
    x: Tensor,
    statistics: tuple[Tensor | None, Tensor | None],
    weight: Tensor | None,
    bias: Tensor | None,
    axes: tuple[int, ...] | None,
    eps: float,
) -> Tensor:
    """Normalised over `axes`, or by the given mean and variance if that is None; channels are axis 1."""
    mean, variance = statistics
    if axes is not None and mean is not None:
        raise Unadoptable(
            "the forward keeps running averages with torch.nn.functional; in a population only the layers of "
            "torch.nn do, such as nn.BatchNorm1d"
        )
    if axes is not None or mean is None or variance is None:
        normalised, _ = _Normalise.apply(x, axes, eps)
        return _affine(normalised, weight, bias, (1,))
    shape = (1, -1, *(1,) * (x.dim() - 2))
    return _affine((x - mean.view(shape)) / (variance.view(shape) + eps).sqrt(), weight, bias, (1,))


def batch_norm(
    x: Float[Tensor, "batch channels *image"],
    running_mean: Float[Tensor, " channels"] | None,
    running_var: Float[Tensor, " channels"] | None,
    weight: Float[Tensor, " channels"] | None = None,
    bias: Float[Tensor, " channels"] | None = None,
    training: bool = False,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Float[Tensor, "batch channels *image"]:
    """As torch.nn.functional.batch_norm."""
    if training and x.numel() == x.shape[1]:
        raise ValueError(f"batch normalisation needs more than one value for each channel, not inputs {tuple(x.shape)}")
    by_pixel = is_by_pixel(x) or stands_for_interleaved(x)
    if training and running_mean is None and by_pixel and (weight is None) == (bias is None):
        return normalise(x, weight, bias, eps)
    axes = (0, *range(2, x.dim())) if training else None
    return _by_channel(x, (running_mean, running_var), weight, bias, axes, eps)


def instance_norm(
    x: Float[Tensor, "batch channels *image"],
    running_mean: Float[Tensor, " channels"] | None = None,
    running_var: Float[Tensor, " channels"] | None = None,
    weight: Float[Tensor, " channels"] | None = None,
    bias: Float[Tensor, " channels"] | None = None,
    use_input_stats: bool = True,
    momentum: float = 0.1,
    eps: float = 1e-5,
) -> Float[Tensor, "batch channels *image"]:
    """As torch.nn.functional.instance_norm."""
    axes = tuple(range(2, x.dim())) if use_input_stats else None
    return _by_channel(x, (running_mean, running_var), weight, bias, axes, eps)


def layer_norm(
    x: Float[Tensor, "*axes"],
    normalized_shape: Sequence[int],
    weight: Float[Tensor, "*last"] | None = None,
    bias: Float[Tensor, "*last"] | None = None,
    eps: float = 1e-5,
) -> Float[Tensor, "*axes"]:
    """As torch.nn.functional.layer_norm, over the last axes."""
    axes = tuple(range(x.dim() - len(normalized_shape), x.dim()))
    return _affine(_Normalise.apply(x, axes, eps)[0], weight, bias, axes)


def group_norm(
    x: Float[Tensor, "batch channels *image"],
    num_groups: int,
    weight: Float[Tensor, " channels"] | None = None,
    bias: Float[Tensor, " channels"] | None = None,
    eps: float = 1e-5,
) -> Float[Tensor, "batch channels *image"]:
    """As torch.nn.functional.group_norm."""
    groups = x.unflatten(1, (num_groups, -1))
    normalised, _ = _Normalise.apply(groups, tuple(range(2, groups.dim())), eps)
    return _affine(normalised.flatten(1, 2), weight, bias, (1,))


_HELD = "keeps_its_statistics"


def hold_statistics(module: nn.Module) -> nn.Module:
    """Mark what keeps its averages: the layers that are in evaluation mode now, while the module is to be trained."""
    for part in _with_statistics(module):
        setattr(part, _HELD, not part.training)
    return module


def _with_statistics(module: nn.Module) -> Iterator[_NormBase]:
    """The layers with averages over batches, but for those that are held."""
    for part in module.modules():
        if isinstance(part, _NormBase) and part.running_mean is not None and not getattr(part, _HELD, False):
            yield part


def statistics(module: nn.Module) -> dict[str, Float[Tensor, " channels"]]:
    """The averages over batches that the module keeps, by the names of their buffers."""
    kept = {name for part in _with_statistics(module) for name in (id(part.running_mean), id(part.running_var))}
    return {name: value for name, value in module.named_buffers() if id(value) in kept}


def has_statistics(module: nn.Module) -> bool:
    """Whether the module keeps averages over batches that its rows do not hold."""
    return any(True for _ in _with_statistics(module))


def without_statistics(module: nn.Module) -> nn.Module:
    """A copy whose layers in training mode keep no averages over batches; what they compute is the same."""
    module = copy.deepcopy(module)
    for part in _with_statistics(module):
        if part.training:
            part.track_running_stats = False
            part.running_mean = part.running_var = part.num_batches_tracked = None
    return module


def estimate_statistics(module: nn.Module, batches: Iterable[Shaped[Tensor, "batch ..."]]) -> nn.Module:
    """Set the module's averages to the means over these batches of inputs, in place; its modes stay as they were."""
    parts = list(_with_statistics(module))
    before = [(part, part.momentum, part.training) for part in parts]
    for part in parts:
        part.reset_running_stats()
        part.momentum = None  # the plain mean over all batches
        part.train()
    with torch.no_grad():
        for batch in batches:
            module(batch)
    for part, momentum, training in before:
        part.momentum = momentum
        part.train(training)
    return module
