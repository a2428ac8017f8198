"""Layers of images whose channels lie innermost, as functions that a crowd can run; differentiable once.

The first convolution of narrow images interleaves the members (`memory.interleaved_layout`), and
one grouped convolution, one normalisation and one pooling serve them all, until an operation is met
that knows nothing of this.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from expzoo.engine.layers import pixel_kernels as kernels
from expzoo.engine.layers.pixel_kernels import Geometry
from expzoo.engine.members.crowd import INTERLEAVED, KERNELS, Last, Linear, join_members, run
from expzoo.engine.members.memory import are_interleaved_images

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.engine.layers.windows import Windows

FIRST = 4, 8  # channels and filters up to which a convolution interleaves members (LOG.md)
LATER = 32, 64  # and those up to which they stay so


def is_by_pixel(images: Float[Tensor, "batch channels *image"]) -> bool:
    """Whether these are images of two axes whose channels lie innermost."""
    return images.dim() == 4 and images.shape[1] > 1 and images.is_contiguous(memory_format=torch.channels_last)


def stands_for_interleaved(images: Float[Tensor, "batch channels *image"]) -> bool:
    """Whether images of one network stand for interleaved images of a crowd.

    While a network is traced, those have the batch inside, (height, width, batch, channels), which
    pointwise operations keep.
    """
    inside = images.dim() == 4 and images.shape[1] > 1 and images.permute(2, 3, 0, 1).is_contiguous()
    return inside and not images.is_contiguous()


def is_narrow(
    images: Float[Tensor, "batch channels *image"], weight: Float[Tensor, "filters channels *kernel"]
) -> bool:
    """Whether one grouped convolution of these serves a crowd best."""
    channels, filters = LATER if stands_for_interleaved(images) else FIRST
    return images.shape[1] <= channels and weight.shape[0] <= filters


# As operations of torch, which run these calls at once, each member by itself.


def _empty(shape: Sequence[int], like: Tensor, dtype: torch.dtype | None = None) -> Tensor:
    """New memory (members, batch, channels, height, width) in the order of each member of `like`."""
    members, batch, channels, height, width = shape
    if stands_for_interleaved(like[0]):
        return like.new_empty(members, height, width, batch, channels, dtype=dtype).permute(0, 3, 4, 1, 2)
    return like.new_empty(members, batch, height, width, channels, dtype=dtype).permute(0, 1, 4, 2, 3)


@torch.library.custom_op("expzoo::interleave", mutates_args=())
def interleave(images: Tensor) -> Tensor:
    """(members, batch, channels, height, width), the same, in another order in memory."""
    members, batch, channels, height, width = images.shape
    return images.new_empty(members, height, width, batch, channels).permute(0, 3, 4, 1, 2).copy_(images)


@torch.library.custom_op("expzoo::pixel_convolution", mutates_args=())
def pixel_convolution(images: Tensor, weight: Tensor, geometry: Sequence[int]) -> Tensor:
    """(members, batch, channels, height, width) by (members, filters, channels, ...) of the kernel."""
    positions = Geometry.unpack(geometry).positions(images.shape[3:])
    out = _empty((*images.shape[:2], weight.shape[1], *positions), images)
    run(kernels.convolution_calls(images, weight, geometry, out=out))
    return out


@torch.library.custom_op("expzoo::pixel_convolution_to_images", mutates_args=())
def pixel_convolution_to_images(images: Tensor, grad: Tensor, weight: Tensor, geometry: Sequence[int]) -> Tensor:
    """The gradient of `pixel_convolution` by its images."""
    out = _empty(images.shape, images)
    run(kernels.to_images_calls(images, grad, weight, geometry, out=out))
    return out


@torch.library.custom_op("expzoo::pixel_convolution_to_weight", mutates_args=())
def pixel_convolution_to_weight(images: Tensor, grad: Tensor, weight: Tensor, geometry: Sequence[int]) -> Tensor:
    """The gradient of `pixel_convolution` by its weight."""
    out = torch.empty_like(weight, memory_format=torch.contiguous_format)
    run(kernels.to_weight_calls(images, grad, weight, geometry, out=out))
    return out


@torch.library.custom_op("expzoo::pixel_norm", mutates_args=())
def pixel_norm(images: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, Tensor, Tensor]:
    """The normalised images; the means and inverse deviations (members, channels) that they had."""
    channels = (len(images), images.shape[2])
    out = _empty(images.shape, images), images.new_empty(channels), images.new_empty(channels)
    run(kernels.norm_calls(images, weight, bias, eps, out=out))
    return out


@torch.library.custom_op("expzoo::pixel_norm_gradient", mutates_args=())
def pixel_norm_gradient(
    images: Tensor, grad: Tensor, weight: Tensor | None, mean: Tensor, scale: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The gradient of `pixel_norm` by images, weight and bias."""
    out = _empty(images.shape, images), torch.empty_like(mean), torch.empty_like(mean)
    run(kernels.norm_gradient_calls(images, grad, weight, mean, scale, eps, out=out))
    return out


@torch.library.custom_op("expzoo::pixel_largest", mutates_args=())
def pixel_largest(images: Tensor, geometry: Sequence[int]) -> tuple[Tensor, Tensor]:
    """(members, batch, channels, height, width) -> each window's largest element, and its index in the image."""
    shape = (*images.shape[:3], *Geometry.unpack(geometry).positions(images.shape[3:]))
    out = _empty(shape, images), _empty(shape, images, torch.int64)
    run(kernels.largest_calls(images, geometry, out=out))
    return out


@torch.library.custom_op("expzoo::pixel_to_largest", mutates_args=())
def pixel_to_largest(images: Tensor, grad: Tensor, indices: Tensor, geometry: Sequence[int]) -> Tensor:
    """The gradient of `pixel_largest` by its images."""
    out = _empty(images.shape, images)
    run(kernels.to_largest_calls(images, grad, indices, geometry, out=out))
    return out


def _register(name: str, kernel: Any, is_interleaved: Callable[[Tensor], bool]) -> None:
    operation = getattr(torch.ops.expzoo, name).default
    KERNELS[operation], INTERLEAVED[operation] = kernel, is_interleaved


_register("interleave", kernels.interleave_calls, lambda _: True)
_register("pixel_convolution", kernels.convolution_calls, lambda _: True)
_register("pixel_convolution_to_images", kernels.to_images_calls, lambda _: True)
_register("pixel_convolution_to_weight", kernels.to_weight_calls, lambda _: False)
_register("pixel_norm", kernels.norm_calls, are_interleaved_images)
_register("pixel_norm_gradient", kernels.norm_gradient_calls, are_interleaved_images)
_register("pixel_largest", kernels.largest_calls, are_interleaved_images)
_register("pixel_to_largest", kernels.to_largest_calls, are_interleaved_images)


# As functions that are differentiable once.


class _Convolve(torch.autograd.Function):
    @staticmethod
    def forward(images: Tensor, weight: Tensor, geometry: Sequence[int]) -> Tensor:
        return pixel_convolution(images, weight, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        *tensors, ctx.geometry = inputs
        ctx.save_for_backward(*tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        images, weight = ctx.saved_tensors
        of = (images, grads[0], weight, ctx.geometry)
        operations = (pixel_convolution_to_images, pixel_convolution_to_weight)
        wanted = zip(operations, ctx.needs_input_grad, strict=False)
        return *(Last.apply(operation, *of) if needed else None for operation, needed in wanted), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return join_members(_Convolve, info, in_dims, args)


class _Normalise(torch.autograd.Function):
    @staticmethod
    def forward(images: Tensor, weight: Tensor | None, bias: Tensor | None, eps: float) -> tuple[Tensor, ...]:
        return pixel_norm(images, weight, bias, eps)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.eps, ctx.affine = inputs[3], inputs[1] is not None
        ctx.save_for_backward(*inputs[:2], *output[1:])
        ctx.mark_non_differentiable(*output[1:])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        images, weight, mean, scale = ctx.saved_tensors
        results = Last.apply(pixel_norm_gradient, images, grads[0], weight, mean, scale, ctx.eps)
        return *(results if ctx.affine else (results[0], None, None)), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return join_members(_Normalise, info, in_dims, args)


class _Largest(torch.autograd.Function):
    @staticmethod
    def forward(images: Tensor, geometry: Sequence[int]) -> tuple[Tensor, Tensor]:
        return pixel_largest(images, geometry)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.geometry = inputs[1]
        ctx.save_for_backward(inputs[0], output[1])
        ctx.mark_non_differentiable(output[1])

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        images, indices = ctx.saved_tensors
        return Last.apply(pixel_to_largest, images, grads[0], indices, ctx.geometry), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return join_members(_Largest, info, in_dims, args)


def _geometry(windows: Windows) -> Geometry:
    """That of windows of two axes, whose padding is even."""
    return Geometry(*map(list, (windows.kernel, windows.stride, windows.before, windows.dilation)))


def convolve_interleaved(
    images: Float[Tensor, "batch channels height width"],
    weight: Float[Tensor, "filters channels *kernel"],
    windows: Windows,
) -> Float[Tensor, "batch filters *windows"]:
    """The convolution of one network's images; padding is even."""
    alone = images.unsqueeze(0)
    if not stands_for_interleaved(images):
        alone = Linear.apply(alone, interleave, (), interleave, ())
    geometry = _geometry(windows).pack()
    return _Convolve.apply(alone, weight.unsqueeze(0), geometry).squeeze(0)


def normalise(
    images: Float[Tensor, "batch channels height width"],
    weight: Float[Tensor, " channels"] | None,
    bias: Float[Tensor, " channels"] | None,
    eps: float,
) -> Float[Tensor, "batch channels height width"]:
    """The images of one network normalised by its own batch; times weight plus bias."""
    w, b = (None if value is None else value.unsqueeze(0) for value in (weight, bias))
    return _Normalise.apply(images.unsqueeze(0), w, b, eps)[0].squeeze(0)


def largest_of_pixels(
    images: Float[Tensor, "batch channels height width"], windows: Windows
) -> Float[Tensor, "batch channels *windows"]:
    """Each window's largest element."""
    geometry = _geometry(windows).pack()
    return _Largest.apply(images.unsqueeze(0), geometry)[0].squeeze(0)
