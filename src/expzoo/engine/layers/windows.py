"""How a kernel slides over an image of any number of axes: the geometry that convolutions and pooling share."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

Box = tuple[slice, ...]
_NOTHING: Box = (slice(0, 0),)


@dataclass(frozen=True)
class Windows:
    """Windows of the shape `kernel` over an image of the shape `size`; each field has one entry for each axis.

    A tap is a position in the kernel. The same tap of all windows that lie inside the image is a strided box of it.
    """

    size: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    dilation: tuple[int, ...]
    before: tuple[int, ...]  # padding at the low end of each axis
    after: tuple[int, ...]  # and at the high end

    def pack(self) -> list[int]:
        """As one list of numbers, which an operation of torch can take."""
        fields = (self.size, self.kernel, self.stride, self.dilation, self.before, self.after)
        return [number for one in fields for number in one]

    @classmethod
    def unpack(cls, numbers: Sequence[int]) -> Windows:
        """The inverse of `pack`."""
        axes = len(numbers) // 6
        return cls(*(tuple(numbers[start : start + axes]) for start in range(0, 6 * axes, axes)))

    @cached_property
    def positions(self) -> tuple[int, ...]:
        """How many windows there are along each axis; at least one, or ValueError."""
        axes = zip(self.size, self.kernel, self.stride, self.dilation, self.before, self.after, strict=True)
        found = tuple((n + low + high - d * (k - 1) - 1) // s + 1 for n, k, s, d, low, high in axes)
        if min(found) < 1:
            raise ValueError(f"a kernel of {self.kernel} does not fit into an image of {self.size} with its padding")
        return found

    @cached_property
    def is_pointwise(self) -> bool:
        """Whether each window is one element and each element one window."""
        ones = {*self.kernel, *self.stride}
        return ones == {1} and not any((*self.before, *self.after))

    def taps(self) -> Iterator[tuple[Box, Box]]:
        """Of each tap in turn: its box in the image, and the box of the windows for which it lies inside the image.

        Both are empty for a tap that always lies in the padding.
        """
        for tap in itertools.product(*map(range, self.kernel)):
            image, windows = zip(*(self._side(axis, index) for axis, index in enumerate(tap)), strict=True)
            is_empty = any(side.start >= side.stop for side in windows)
            yield (_NOTHING * len(tap), _NOTHING * len(tap)) if is_empty else (image, windows)

    def _side(self, axis: int, index: int) -> tuple[slice, slice]:
        """Along one axis: the elements that a tap touches, and the windows that touch them."""
        stride = self.stride[axis]
        offset = index * self.dilation[axis] - self.before[axis]
        first = max(0, -(offset // stride))
        last = min(self.positions[axis] - 1, (self.size[axis] - 1 - offset) // stride)
        start = first * stride + offset
        return slice(start, start + (last - first) * stride + 1, stride), slice(first, last + 1)

    def phases(self) -> Iterator[tuple[Box, tuple[int, ...], list[tuple[int, Box, Box]]]]:
        """The image cut into interleaved parts, one element of each stride, with the taps that touch each part.

        Of each part: the box that it is, its size, and of each tap its number, its box within the
        part and the box of the windows. A tap touches an element of its part at most once.
        """
        taps = [(tap, *boxes) for tap, boxes in enumerate(self.taps())]
        for phase in itertools.product(*map(range, self.stride)):
            part = tuple(slice(start, None, step) for start, step in zip(phase, self.stride, strict=True))
            size = tuple(len(range(n)[side]) for n, side in zip(self.size, part, strict=True))
            own = [(tap, self._within(image), windows) for tap, image, windows in taps if self._phase(image) == phase]
            yield part, size, own

    def _phase(self, image: Box) -> tuple[int, ...] | None:
        is_empty = any(side.start == side.stop for side in image)
        return None if is_empty else tuple(side.start % step for side, step in zip(image, self.stride, strict=True))

    def _within(self, image: Box) -> Box:
        """A box of the image, counted in strides."""
        return tuple(
            slice(side.start // step, (side.stop - 1) // step + 1)
            for side, step in zip(image, self.stride, strict=True)
        )


def outside(box: Box, size: Sequence[int]) -> Iterator[Box]:
    """Boxes that together hold everything of an array of this size that is not in `box`, each element once."""
    for axis, (side, count) in enumerate(zip(box, size, strict=True)):
        rest = (slice(None),) * (len(box) - axis - 1)
        for gap in (slice(0, side.start), slice(side.stop, count)):
            if gap.start < gap.stop:
                yield (*box[:axis], gap, *rest)
