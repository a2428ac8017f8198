"""Convolutions of any number of axes as matrix products: windows are unfolded into columns, which filters multiply.

The examples of a batch lie innermost, (channels, *image, batch), so that unfolding moves whole runs
of them. Unfolding and folding are each other's adjoint; everything else is ordinary torch,
differentiable to any order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from expzoo.engine.layers.windows import Windows, outside
from expzoo.engine.members.crowd import KERNELS, Call, Linear, run

if TYPE_CHECKING:
    from jaxtyping import Float


def batch_last(
    images: Float[Tensor, "members batch channels *image"],
) -> Float[Tensor, "members channels *image batch"]:
    """The same with the examples innermost, a view."""
    return images.movedim(1, -1)


def _columns(columns: Tensor, windows: Windows, batch: int) -> Tensor:
    """(members, channels * taps, windows * batch) -> (members, channels, taps, *windows, batch), a view."""
    taps = torch.Size(windows.kernel).numel()
    return columns.view(len(columns), -1, taps, *windows.positions, batch)


def unfold_calls(
    images: Float[Tensor, "members batch channels *image"],
    windows: Sequence[int],
    *,
    out: Float[Tensor, "members channels*taps windows*batch"],
) -> list[Call]:
    """Calls that write each window of `images` into a column of `out`, with zeros for the padding."""
    geometry = Windows.unpack(windows)
    source, columns = batch_last(images), _columns(out, geometry, images.shape[1])
    calls: list[Call] = []
    if not source[0].is_contiguous():  # one pass that turns the axes, then only long runs
        ordered = torch.empty(source.shape, dtype=source.dtype, device=source.device)
        calls.append(partial(ordered.copy_, source))
        source = ordered
    for tap, (inside, positions) in enumerate(geometry.taps()):
        target = columns[:, :, tap]
        calls.append(partial(target[:, :, *positions].copy_, source[:, :, *inside]))
        calls += [target[:, :, *gap].zero_ for gap in outside(positions, geometry.positions)]
    return calls


def fold_calls(
    columns: Float[Tensor, "members channels*taps windows*batch"],
    windows: Sequence[int],
    batch: int,
    *,
    out: Float[Tensor, "members batch channels *image"],
) -> list[Call]:
    """Calls that add up in `out` what all windows hold of each element."""
    geometry = Windows.unpack(windows)
    target, source = batch_last(out), _columns(columns, geometry, batch)
    calls: list[Call] = []
    for part, size, taps in geometry.phases():
        elements = target[:, :, *part]
        if not taps:
            calls.append(elements.zero_)
        for index, (tap, inside, positions) in enumerate(taps):
            sums, values = elements[:, :, *inside], source[:, :, tap][:, :, *positions]
            calls.append(partial(sums.add_ if index else sums.copy_, values))
            if index == 0:
                calls += [elements[:, :, *gap].zero_ for gap in outside(inside, size)]
    return calls


@torch.library.custom_op("expzoo::unfold", mutates_args=())
def unfold(images: Tensor, windows: Sequence[int]) -> Tensor:
    """(members, batch, channels, *image) -> (members, channels * taps, windows * batch)."""
    geometry = Windows.unpack(windows)
    members, batch, channels = images.shape[:3]
    rows, columns = torch.Size(geometry.kernel).numel(), torch.Size(geometry.positions).numel()
    out = images.new_empty(members, channels * rows, columns * batch)
    run(unfold_calls(images, windows, out=out))
    return out


@torch.library.custom_op("expzoo::fold", mutates_args=())
def fold(columns: Tensor, windows: Sequence[int], batch: int) -> Tensor:
    """The adjoint of `unfold`: (members, channels * taps, windows * batch) -> (members, batch, channels, *image)."""
    geometry = Windows.unpack(windows)
    channels = columns.shape[1] // torch.Size(geometry.kernel).numel()
    out = columns.new_empty(len(columns), channels, *geometry.size, batch).movedim(-1, 1)
    run(fold_calls(columns, windows, batch, out=out))
    return out


KERNELS[torch.ops.expzoo.unfold.default] = unfold_calls
KERNELS[torch.ops.expzoo.fold.default] = fold_calls


def convolve(
    images: Float[Tensor, "batch channels *image"] | Float[Tensor, " channels *image"],
    weight: Float[Tensor, "filters own_channels *kernel"],
    bias: Float[Tensor, " filters"] | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Tensor, "batch filters *windows"] | Float[Tensor, " filters *windows"]:
    """What torch.conv1d, conv2d and conv3d compute, of one image without a batch axis too.

    ValueError if the kernel does not fit into the image.
    """
    if images.dim() < weight.dim():
        return convolve(images.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    windows = windows_of(tuple(images.shape[2:]), tuple(weight.shape[2:]), stride, padding, dilation)
    if windows.is_pointwise:
        columns = images.movedim(0, -1).flatten(1)
    else:
        packed = windows.pack()
        columns = Linear.apply(images.unsqueeze(0), unfold, (packed,), fold, (packed, len(images))).squeeze(0)
    if groups == 1:
        filtered = weight.flatten(1) @ columns
    else:
        filtered = (weight.flatten(1).unflatten(0, (groups, -1)) @ columns.unflatten(0, (groups, -1))).flatten(0, 1)
    if bias is not None:
        filtered = filtered + bias.unsqueeze(1)
    return filtered.unflatten(1, (*windows.positions, len(images))).movedim(-1, 0)


def windows_of(
    size: tuple[int, ...],
    kernel: tuple[int, ...],
    stride: int | Sequence[int],
    padding: int | str | Sequence[int],
    dilation: int | Sequence[int] = 1,
) -> Windows:
    """The windows that these arguments of a convolution or a pooling describe."""
    axes = len(size)
    if padding == "same":  # as many windows as elements; what is uneven goes to the high end
        total = [d * (k - 1) for d, k in zip(each(dilation, axes), kernel, strict=True)]
        before = tuple(n // 2 for n in total)
        after = tuple(n - low for n, low in zip(total, before, strict=True))
    else:
        before = after = each(0 if isinstance(padding, str) else padding, axes)
    return Windows(size, kernel, each(stride, axes), each(dilation, axes), before, after)


def each(value: int | Sequence[int], axes: int) -> tuple[int, ...]:
    """A number for each axis, of one for all or of one for each."""
    values = (value,) if isinstance(value, int) else tuple(value)
    return values * axes if len(values) == 1 else values
