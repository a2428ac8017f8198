# ruff: noqa: FBT001, FBT002, FBT003 - the signatures are those of torch.nn.functional
"""Pooling of any number of axes: what windows sum to or have as their largest element, tap by tap, batch innermost."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from expzoo.engine.layers.convolution import batch_last, each, windows_of
from expzoo.engine.layers.pixels import is_by_pixel, largest_of_pixels, stands_for_interleaved
from expzoo.engine.layers.windows import Windows, outside
from expzoo.engine.members.crowd import KERNELS, Call, Last, Linear, join_members, run
from expzoo.engine.members.memory import empty_crowd

if TYPE_CHECKING:
    from jaxtyping import Float


def _pooled(images: Tensor, geometry: Windows) -> Tensor:
    """New memory (members, batch, channels, *windows), batch innermost."""
    batch, channels = images.shape[1:3]
    one = images.new_empty(channels, *geometry.positions, batch).movedim(-1, 0)
    return empty_crowd(one, len(images))


def _images(pooled: Tensor, geometry: Windows) -> Tensor:
    """New memory (members, batch, channels, *image), batch innermost."""
    batch, channels = pooled.shape[1:3]
    return empty_crowd(pooled.new_empty(channels, *geometry.size, batch).movedim(-1, 0), len(pooled))


def sum_calls(
    images: Float[Tensor, "members batch channels *image"],
    windows: Sequence[int],
    *,
    out: Float[Tensor, "members batch channels *windows"],
) -> list[Call]:
    """Calls that write the sum over each window into `out`."""
    geometry = Windows.unpack(windows)
    source, target = batch_last(images), batch_last(out)
    calls: list[Call] = [target.zero_]
    for inside, positions in geometry.taps():
        calls.append(partial(target[:, :, *positions].add_, source[:, :, *inside]))
    return calls


def spread_calls(
    pooled: Float[Tensor, "members batch channels *windows"],
    windows: Sequence[int],
    *,
    out: Float[Tensor, "members batch channels *image"],
) -> list[Call]:
    """Calls that add up in `out` what all windows of an element have."""
    geometry = Windows.unpack(windows)
    source, target = batch_last(pooled), batch_last(out)
    calls: list[Call] = []
    for part, size, taps in geometry.phases():
        elements = target[:, :, *part]
        calls += [elements.zero_] if not taps else []
        for index, (_, inside, positions) in enumerate(taps):
            sums, values = elements[:, :, *inside], source[:, :, *positions]
            calls.append(partial(sums.add_ if index else sums.copy_, values))
            calls += [elements[:, :, *gap].zero_ for gap in outside(inside, size)] if index == 0 else []
    return calls


def largest_calls(
    images: Float[Tensor, "members batch channels *image"],
    windows: Sequence[int],
    *,
    out: Float[Tensor, "members batch channels *windows"],
) -> list[Call]:
    """Calls that write each window's largest element into `out`."""
    geometry = Windows.unpack(windows)
    source, largest = batch_last(images), batch_last(out)
    calls: list[Call] = [partial(largest.fill_, -torch.inf)]
    for inside, positions in geometry.taps():
        here = largest[:, :, *positions]
        calls.append(partial(torch.maximum, here, source[:, :, *inside], out=here))
    return calls


def to_largest_calls(
    pooled: Float[Tensor, "members batch channels *windows"],
    images: Float[Tensor, "members batch channels *image"],
    largest: Float[Tensor, "members batch channels *windows"],
    windows: Sequence[int],
    *,
    out: Float[Tensor, "members batch channels *image"],
) -> list[Call]:
    """Calls that add up in `out` what windows have, each at the first of its largest elements, and zeros elsewhere.

    What a window has is taken out of it by the first tap whose element is as large as the largest.
    """
    geometry = Windows.unpack(windows)
    source, most, target = batch_last(images), batch_last(largest), batch_last(out)
    left, share = (batch_last(_pooled(images, geometry)) for _ in range(2))
    calls: list[Call] = [partial(left.copy_, batch_last(pooled)), target.zero_]
    for inside, positions in geometry.taps():
        here = (slice(None), slice(None), *positions)
        calls += [
            partial(torch.eq, source[:, :, *inside], most[here], out=share[here]),
            partial(share[here].mul_, left[here]),
            partial(target[:, :, *inside].add_, share[here]),
            partial(left[here].sub_, share[here]),
        ]
    return calls


@torch.library.custom_op("expzoo::window_sum", mutates_args=())
def window_sum(images: Tensor, windows: Sequence[int]) -> Tensor:
    """(members, batch, channels, *image) -> (members, batch, channels, *windows)."""
    out = _pooled(images, Windows.unpack(windows))
    run(sum_calls(images, windows, out=out))
    return out


@torch.library.custom_op("expzoo::window_spread", mutates_args=())
def window_spread(pooled: Tensor, windows: Sequence[int]) -> Tensor:
    """The adjoint of `window_sum`."""
    out = _images(pooled, Windows.unpack(windows))
    run(spread_calls(pooled, windows, out=out))
    return out


@torch.library.custom_op("expzoo::window_largest", mutates_args=())
def window_largest(images: Tensor, windows: Sequence[int]) -> Tensor:
    """(members, batch, channels, *image) -> each window's largest element (members, batch, channels, *windows)."""
    out = _pooled(images, Windows.unpack(windows))
    run(largest_calls(images, windows, out=out))
    return out


@torch.library.custom_op("expzoo::window_to_largest", mutates_args=())
def window_to_largest(pooled: Tensor, images: Tensor, largest: Tensor, windows: Sequence[int]) -> Tensor:
    """The adjoint of picking the largest: (..., *windows) -> (..., *image)."""
    out = _images(pooled, Windows.unpack(windows))
    run(to_largest_calls(pooled, images, largest, windows, out=out))
    return out


KERNELS[torch.ops.expzoo.window_sum.default] = sum_calls
KERNELS[torch.ops.expzoo.window_spread.default] = spread_calls
KERNELS[torch.ops.expzoo.window_largest.default] = largest_calls
KERNELS[torch.ops.expzoo.window_to_largest.default] = to_largest_calls


class _WindowLargest(torch.autograd.Function):
    @staticmethod
    def forward(images: Tensor, windows: Sequence[int]) -> Tensor:
        return window_largest(images, windows)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        ctx.windows = inputs[1]
        ctx.save_for_backward(inputs[0], output)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return Last.apply(window_to_largest, grads[0], *ctx.saved_tensors, ctx.windows), None

    @staticmethod
    def vmap(info: Any, in_dims: Any, *args: Any) -> tuple[Any, Any]:
        return join_members(_WindowLargest, info, in_dims, args)


def max_pool(
    axes: int,
    images: Float[Tensor, "batch channels *image"] | Float[Tensor, " channels *image"],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Float[Tensor, "batch channels *windows"] | Float[Tensor, " channels *windows"]:
    """What max_pool1d, max_pool2d and max_pool3d compute; NotImplemented if left to torch."""
    if ceil_mode or return_indices:
        return NotImplemented
    if images.dim() == axes + 1:
        return max_pool(axes, images.unsqueeze(0), kernel_size, stride, padding, dilation).squeeze(0)
    kernel = each(kernel_size, axes)
    windows = windows_of(tuple(images.shape[2:]), kernel, stride or kernel, padding, dilation)
    if is_by_pixel(images) or stands_for_interleaved(images):
        return largest_of_pixels(images, windows)
    return _WindowLargest.apply(images.unsqueeze(0), windows.pack()).squeeze(0)


def avg_pool(
    axes: int,
    images: Float[Tensor, "batch channels *image"] | Float[Tensor, " channels *image"],
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Float[Tensor, "batch channels *windows"] | Float[Tensor, " channels *windows"]:
    """What avg_pool1d, avg_pool2d and avg_pool3d compute; NotImplemented if left to torch."""
    if ceil_mode or is_by_pixel(images):
        return NotImplemented
    if images.dim() == axes + 1:
        alone = images.unsqueeze(0)
        return avg_pool(axes, alone, kernel_size, stride, padding, False, count_include_pad, divisor_override)[0]
    size, kernel = tuple(images.shape[2:]), each(kernel_size, axes)
    windows = windows_of(size, kernel, stride or kernel, padding)
    packed = (windows.pack(),)
    total = Linear.apply(images.unsqueeze(0), window_sum, packed, window_spread, packed).squeeze(0)
    if divisor_override or count_include_pad:
        return total / (divisor_override or torch.Size(kernel).numel())
    ones = torch.ones((1, 1, 1, *size), dtype=images.dtype, device=images.device)
    return total / window_sum(ones, *packed)[0]
