"""Which way the convolutions of a population go, by the size of their images and by how narrow they are.

Small images are unfolded, large ones left to torch, channels innermost, and of narrow large ones
all members are convolved at once, interleaved. The first way alone can be batched and
differentiated more than once.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from expzoo.engine.layers import convolution
from expzoo.engine.layers.pixels import convolve_interleaved, is_narrow, stands_for_interleaved

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.engine.layers.windows import Windows

LARGE = 2 * 2**20  # bytes of columns from which torch's own convolution is faster, one member at a time (LOG.md)


def convolve(
    images: Float[Tensor, "batch channels *image"] | Float[Tensor, " channels *image"],
    weight: Float[Tensor, "filters own_channels *kernel"],
    bias: Float[Tensor, " filters"] | None = None,
    stride: int | Sequence[int] = 1,
    padding: int | str | Sequence[int] = 0,
    dilation: int | Sequence[int] = 1,
    groups: int = 1,
) -> Float[Tensor, "batch filters *windows"] | Float[Tensor, " filters *windows"]:
    """As `convolution.convolve`, to rounding."""
    if images.dim() < weight.dim():
        return convolve(images.unsqueeze(0), weight, bias, stride, padding, dilation, groups).squeeze(0)
    windows = convolution.windows_of(tuple(images.shape[2:]), tuple(weight.shape[2:]), stride, padding, dilation)
    large = _is_large(images, windows)
    if (
        (large or stands_for_interleaved(images))
        and groups == 1
        and windows.before == windows.after
        and is_narrow(images, weight)
    ):
        filtered = convolve_interleaved(images, weight, windows)
        return filtered if bias is None else filtered + bias.view(-1, 1, 1)
    if large:
        pixels, taps = (value.contiguous(memory_format=torch.channels_last) for value in (images, weight))
        own: Any = torch.conv2d
        return own(pixels, taps, bias, stride, padding, dilation, groups)
    return convolution.convolve(images, weight, bias, stride, padding, dilation, groups)


def _is_large(images: Tensor, windows: Windows) -> bool:
    """Whether the columns of one network would be too large; images that are not unfolded have none."""
    if images.dim() != 4 or windows.is_pointwise:
        return False
    rows, columns = torch.Size(windows.kernel).numel(), torch.Size(windows.positions).numel()
    return images.shape[1] * rows * columns * images.shape[0] * images.element_size() > LARGE
