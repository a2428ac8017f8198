"""Kernels for images whose channels lie innermost: torch's own, once for all interleaved members.

A narrow network has few channels: a pixel of one fills no vector of the processor, a pixel of a
whole crowd does. Members that are not interleaved are normalised and pooled one after the other.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor

from expzoo.engine.members.memory import are_interleaved_images, interleaved_layout, interleaved_room, pixels_of_all

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped

    from expzoo.engine.members.crowd import Call

aten = torch.ops.aten


def empty_interleaved(
    one: Shaped[Tensor, "*rest batch channels height width"], members: int
) -> Shaped[Tensor, "members *rest batch channels height width"]:
    """Zeros for the images of all members, each like `one`, interleaved."""
    shape, stride = interleaved_layout(one, members)
    room = torch.zeros(one.numel() * interleaved_room(members), dtype=one.dtype, device=one.device)
    return room.as_strided(shape, stride)


def _interleaved(value: Tensor, calls: list[Call]) -> Tensor:
    """All members' images as one of many channels; if they are not interleaved, `calls` do it first."""
    if not are_interleaved_images(value):
        turned = empty_interleaved(value[0], len(value))
        calls.append(partial(turned.copy_, value))
        value = turned
    return pixels_of_all(value)


def _gathered(value: Tensor, calls: list[Call]) -> Tensor:
    """(members, n, ...) -> (room * n, ...): one axis for what belongs to the channels of all members."""
    whole = value.new_zeros(interleaved_room(len(value)), *value.shape[1:])
    calls.append(partial(whole[: len(value)].copy_, value))
    return whole.flatten(0, 1)


def _of_members(whole: Tensor, members: int) -> Tensor:
    """The inverse of `_gathered`, a view."""
    return whole.unflatten(0, (interleaved_room(members), -1))[:members]


def _store(compute: Callable[[], Tensor], out: Tensor) -> Call:
    """A call that lays one image of many channels out as the members' images."""
    if are_interleaved_images(out):
        whole = pixels_of_all(out)
        return lambda: whole.copy_(compute())
    return lambda: out.copy_(_of_members(compute().movedim(1, 0), len(out)).movedim(1, 2))


def interleave_calls(
    images: Float[Tensor, "members batch channels height width"],
    *,
    out: Float[Tensor, "members batch channels height width"],
) -> list[Call]:
    """Calls that interleave the members' images, with zeros where there is room for more."""
    calls: list[Call] = [] if interleaved_room(len(images)) == len(images) else [pixels_of_all(out).zero_]
    pairs = list(zip(out, images, strict=True))
    if not images[0].is_contiguous(memory_format=torch.channels_last):  # one copy would jump from channel to channel
        pairs = [(to[:, c], one[:, c]) for to, one in pairs for c in range(images.shape[2])]
    return [*calls, *(partial(to.copy_, one) for to, one in pairs)]


class Geometry(NamedTuple):
    """How a kernel slides over an image, two numbers each; flat, as the schema of an operation has it, when packed."""

    kernel: list[int]
    stride: list[int]
    padding: list[int]
    dilation: list[int]

    @classmethod
    def unpack(cls, numbers: Sequence[int]) -> Geometry:
        """The inverse of `pack`."""
        return cls(*(list(numbers[start : start + 2]) for start in range(0, 8, 2)))

    def pack(self) -> list[int]:
        """As one list of numbers, which an operation of torch can take."""
        return [*self.kernel, *self.stride, *self.padding, *self.dilation]

    def positions(self, size: Sequence[int]) -> list[int]:
        """How many windows there are along each axis of an image of this size."""
        axes = zip(size, *self, strict=True)
        return [(n + 2 * pad - d * (k - 1) - 1) // s + 1 for n, k, s, pad, d in axes]


# Convolution.


def _options(geometry: Sequence[int], members: int) -> tuple[Any, ...]:
    _, stride, padding, dilation = Geometry.unpack(geometry)
    return None, stride, padding, dilation, False, [0, 0], interleaved_room(members)


def convolution_calls(
    images: Float[Tensor, "members batch channels height width"],
    weight: Float[Tensor, "members filters channels *kernel"],
    geometry: Sequence[int],
    *,
    out: Float[Tensor, "members batch filters *windows"],
) -> list[Call]:
    """Calls that convolve each member's images with its filters."""
    calls: list[Call] = []
    x, taps = _interleaved(images, calls), _gathered(weight, calls)
    no_bias, stride, padding, *rest = _options(geometry, len(images))
    compute = partial(aten.convolution.default, x, taps, no_bias, stride, padding, *rest)
    return [*calls, _store(compute, out)]


def _gradient(which: int, calls: list[Call], *of: Any) -> Callable[[], Tensor]:
    """The gradient of a convolution by its images, which = 0, or by its weights, which = 1."""
    images, grad, weight, geometry = of
    no_bias, stride, padding, dilation, *rest = _options(geometry, len(images))
    fixed = (
        _interleaved(grad, calls),
        _interleaved(images, calls),
        _gathered(weight, calls),
        no_bias,
        stride,
        padding,
        dilation,
    )
    wanted = [which == 0, which == 1, False]
    return lambda: aten.convolution_backward.default(*fixed, *rest, wanted)[which]


def to_images_calls(
    images: Float[Tensor, "members batch channels height width"],
    grad: Float[Tensor, "members batch filters *windows"],
    weight: Float[Tensor, "members filters channels *kernel"],
    geometry: Sequence[int],
    *,
    out: Float[Tensor, "members batch channels height width"],
) -> list[Call]:
    """Calls for the gradient of a convolution by its images."""
    calls: list[Call] = []
    compute = _gradient(0, calls, images, grad, weight, geometry)
    return [*calls, _store(compute, out)]


def to_weight_calls(
    images: Float[Tensor, "members batch channels height width"],
    grad: Float[Tensor, "members batch filters *windows"],
    weight: Float[Tensor, "members filters channels *kernel"],
    geometry: Sequence[int],
    *,
    out: Float[Tensor, "members filters channels *kernel"],
) -> list[Call]:
    """Calls for the gradient of a convolution by its weights."""
    calls: list[Call] = []
    compute = _gradient(1, calls, images, grad, weight, geometry)
    return [*calls, lambda: out.copy_(_of_members(compute(), len(out)))]


# Batch normalisation, each member by its own batch.


def _pixels(images: Tensor) -> Tensor:
    return images.contiguous(memory_format=torch.channels_last)


def _of_each(value: Tensor | None, members: int) -> Sequence[Tensor | None]:
    return [None] * members if value is None else value.unbind()


def norm_calls(
    images: Float[Tensor, "members batch channels height width"],
    weight: Float[Tensor, "members channels"] | None,
    bias: Float[Tensor, "members channels"] | None,
    eps: float,
    *,
    out: tuple[
        Float[Tensor, "members batch channels height width"],
        Float[Tensor, "members channels"],
        Float[Tensor, "members channels"],
    ],
) -> list[Call]:
    """Calls for the normalised images, their means and inverse deviations."""
    members, fixed = len(images), (None, None, True, 0.0, eps)
    if not are_interleaved_images(images):
        affine = _of_each(weight, members), _of_each(bias, members)
        return [
            partial(aten.native_batch_norm.out, x, w, b, *fixed, out=y, save_mean=mean, save_invstd=scale)
            for x, w, b, y, mean, scale in zip(images, *affine, *out, strict=True)
        ]
    calls: list[Call] = []
    w, b = (None if value is None else _gathered(value, calls) for value in (weight, bias))
    y, (mean, scale) = pixels_of_all(out[0]), (images.new_empty(pixels_of_all(images).shape[1]) for _ in range(2))
    x = pixels_of_all(images)
    calls.append(partial(aten.native_batch_norm.out, x, w, b, *fixed, out=y, save_mean=mean, save_invstd=scale))
    kept = zip(out[1:], (mean, scale), strict=True)
    return [*calls, *(partial(target.copy_, _of_members(value, members)) for target, value in kept)]


def norm_gradient_calls(
    images: Float[Tensor, "members batch channels height width"],
    grad: Float[Tensor, "members batch channels height width"],
    weight: Float[Tensor, "members channels"] | None,
    mean: Float[Tensor, "members channels"],
    scale: Float[Tensor, "members channels"],
    eps: float,
    *,
    out: tuple[
        Float[Tensor, "members batch channels height width"],
        Float[Tensor, "members channels"],
        Float[Tensor, "members channels"],
    ],
) -> list[Call]:
    """Calls for the gradient by the images, and by weight and bias.

    Its last digits at the end of a pixel differ where channels do not fill vectors: such members are taken one by one.
    """
    members, fixed = len(images), (True, eps, [True, weight is not None, weight is not None])
    operation = aten.native_batch_norm_backward.default

    def of_member(index: int, w: Tensor | None) -> None:
        x, g = _pixels(images[index]), _pixels(grad[index])
        results = operation(g, x, w, None, None, mean[index], scale[index], *fixed)
        for result, target in zip(results, out, strict=True):
            if result is not None:
                target[index].copy_(result)

    if not are_interleaved_images(images) or interleaved_room(images.shape[2]) != images.shape[2]:
        return [partial(of_member, index, w) for index, w in enumerate(_of_each(weight, members))]
    calls: list[Call] = []
    g, x = _interleaved(grad, calls), pixels_of_all(images)
    w, m, s = (None if value is None else _gathered(value, calls) for value in (weight, mean, scale))

    def of_all() -> None:
        to_images, *to_affine = operation(g, x, w, None, None, m, s, *fixed)
        pixels_of_all(out[0]).copy_(to_images)
        for result, target in zip(to_affine, out[1:], strict=True):
            if result is not None:
                target.copy_(_of_members(result, members))

    return [*calls, of_all]


# Pooling.


def _window(geometry: Sequence[int]) -> tuple[Any, ...]:
    return *Geometry.unpack(geometry), False


def _as_images(*values: Tensor) -> list[tuple[Tensor, ...]]:
    """What one call of a kernel takes: all members as one image of many channels, or one member each."""
    if all(map(are_interleaved_images, values)):
        return [tuple(map(pixels_of_all, values))]
    return list(zip(*values, strict=True))


def largest_calls(
    images: Float[Tensor, "members batch channels height width"],
    geometry: Sequence[int],
    *,
    out: tuple[Float[Tensor, "members batch channels *windows"], Int[Tensor, "members batch channels *windows"]],
) -> list[Call]:
    """Calls for each window's largest element, and its index in the image."""
    operation = aten.max_pool2d_with_indices.out
    return [
        partial(operation, x, *_window(geometry), out=largest, indices=indices)
        for x, largest, indices in _as_images(images, *out)
    ]


def to_largest_calls(
    images: Float[Tensor, "members batch channels height width"],
    grad: Float[Tensor, "members batch channels *windows"],
    indices: Int[Tensor, "members batch channels *windows"],
    geometry: Sequence[int],
    *,
    out: Float[Tensor, "members batch channels height width"],
) -> list[Call]:
    """Calls for the gradient of `largest_calls` by the images."""
    calls: list[Call] = []
    if are_interleaved_images(images) and not are_interleaved_images(grad):
        turned = empty_interleaved(grad[0], len(grad))
        calls.append(partial(turned.copy_, grad))
        grad = turned
    operation = aten.max_pool2d_with_indices_backward.grad_input
    return calls + [
        partial(operation, g, x, *_window(geometry), index, grad_input=result)
        for x, g, index, result in _as_images(images, grad, indices, out)
    ]
