"""Static memory of a tape: buffers that are used again, and what can be said about the layout of a tensor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from expzoo.spec.layout import ALIGN, ROW, round_up

if TYPE_CHECKING:
    from jaxtyping import Shaped, UInt8


class Pool:
    """Static memory with reuse: every buffer has room for its size rounded up to 64 elements."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.num_bytes = 0
        self._free: list[Tensor] = []

    def get(
        self, shape: Sequence[int], stride: Sequence[int], dtype: torch.dtype
    ) -> tuple[UInt8[Tensor, " bytes"], Shaped[Tensor, " ..."]]:
        """Raw memory, and a tensor in it."""
        extent = max([1, *(n * s for n, s in zip(shape, stride, strict=True))])
        need = round_up(extent, ROW) * dtype.itemsize
        fitting = [raw for raw in self._free if need <= raw.numel() <= max(2 * need, 4096)]
        if fitting:
            raw = min(fitting, key=Tensor.numel)
            self._free = [other for other in self._free if other is not raw]
        else:
            raw = torch.zeros(need, dtype=torch.uint8, device=self.device)
            self.num_bytes += need
        room = raw[: raw.numel() // dtype.itemsize * dtype.itemsize].view(dtype)
        return raw, room.as_strided(shape, stride)

    def put(self, raw: UInt8[Tensor, " bytes"]) -> None:
        """The memory may be used again."""
        self._free.append(raw)


def of_all_members(of_first: Shaped[Tensor, "*one"], members: int, num_bytes: int) -> Shaped[Tensor, " members *one"]:
    """What all members have where the first has `of_first`, if each member lies so many bytes after the last."""
    stride = (num_bytes // of_first.element_size(), *of_first.stride())
    return of_first.as_strided((members, *of_first.shape), stride, of_first.storage_offset())


def lies_as(tensor: Tensor, shape: Sequence[int], stride: Sequence[int]) -> bool:
    """Whether equal positions in memory hold equal elements of the tensor and of one with this shape and stride."""
    steps = zip(shape, tensor.stride(), stride, strict=False)
    return tuple(tensor.shape) == tuple(shape) and all(size == 1 or one == other for size, one, other in steps)


def crowd_layout(one: Tensor, members: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and stride for what all members have, each like `one`.

    Every member starts on a cache line: MKL's products round differently for matrices that lie otherwise.
    """
    stride = one.stride() if is_dense(one) else one.new_empty(one.shape, device="meta").stride()
    return (members, *one.shape), (round_up(max(one.numel(), 1), ALIGN), *stride)


def interleaved_room(members: int) -> int:
    """For how many members there is room where they are interleaved: they are so in fours.

    Channels that come in fours then fill whole vectors, at whose end some kernels round otherwise.
    """
    return round_up(members, 4)


def interleaved_layout(
    one: Shaped[Tensor, "*rest batch channels height width"], members: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and stride for images of all members, interleaved.

    Every pixel has the channels of the first member, then those of the second.
    """
    batch, channels, height, width = one.shape[-4:]
    pixel = interleaved_room(members) * channels
    outer = (batch * height * width * pixel,) * (one.dim() - 4)
    return (members, *one.shape), (channels, *outer, height * width * pixel, 1, width * pixel, pixel)


def are_interleaved_images(value: Shaped[Tensor, "members ..."]) -> bool:
    """Whether images of several members, (members, 1..., batch, channels, height, width), are interleaved."""
    if value.dim() < 5 or len(value) == 1:
        return False
    is_image = value.shape[-3] < value[0].numel() == value.shape[-4:].numel()  # not one number for each channel
    return is_image and lies_as(value, *interleaved_layout(value[0], len(value)))


def pixels_of_all(
    value: Shaped[Tensor, "members *rest batch channels height width"],
) -> Shaped[Tensor, "batch room*channels height width"]:
    """Interleaved images as one image, a view."""
    batch, channels, height, width = value.shape[-4:]
    pixel = interleaved_room(len(value)) * channels
    stride = (height * width * pixel, 1, width * pixel, pixel)
    return value.as_strided((batch, pixel, height, width), stride, value.storage_offset())


def is_interleaved(value: Shaped[Tensor, "members ..."]) -> bool:
    """Whether another member's elements lie between those of a member."""
    one = value[0]
    extent = 1 + sum((n - 1) * s for n, s in zip(one.shape, one.stride(), strict=True))
    return len(value) > 1 and 0 < value.stride(0) < extent


def empty_crowd(one: Shaped[Tensor, "*one"], members: int) -> Shaped[Tensor, " members *one"]:
    """Memory for all members, each like `one`."""
    shape, stride = crowd_layout(one, members)
    return torch.empty_strided(shape, stride, dtype=one.dtype, device=one.device)


def is_dense(tensor: Tensor) -> bool:
    """Whether the elements fill one stretch of memory without holes or overlaps."""
    expected = 1
    for stride, size in sorted((st, sz) for sz, st in zip(tensor.shape, tensor.stride(), strict=True) if sz > 1):
        if stride != expected:
            return False
        expected *= size
    return True


def stretch(tensor: Shaped[Tensor, "members ..."]) -> Shaped[Tensor, " length"] | None:
    """The memory of all members as one flat stretch up to the next multiple of 64.

    None if it has no room for that, or if there is more between members than what aligns them.
    """
    one, step = tensor[0], tensor.stride(0)
    if are_interleaved_images(tensor):
        length = round_up(pixels_of_all(tensor).numel(), ROW)
    elif is_dense(one) and step == round_up(max(one.numel(), 1), ALIGN):
        length = round_up(len(tensor) * step, ROW)
    else:
        return None
    room = tensor.untyped_storage().nbytes() // tensor.element_size() - tensor.storage_offset()
    return tensor.as_strided((length,), (1,), tensor.storage_offset()) if room >= length else None
