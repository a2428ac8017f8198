"""In which order the result of an operation lies in memory, for all members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from expzoo.engine.members import operations
from expzoo.engine.members.crowd import INTERLEAVED
from expzoo.engine.members.memory import are_interleaved_images, crowd_layout, interleaved_layout, is_dense
from expzoo.engine.tape.values import called

if TYPE_CHECKING:
    from torch import Tensor, fx

    from expzoo.engine.tape.values import Values

aten = torch.ops.aten
IMAGES = 5  # axes of what a kernel makes of one network: an axis of length one, then batch, channels, height, width


def result_layout(
    node: fx.Node, result: Tensor, values: Values, members: int
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Shape and stride for what is to be like `result` for each member.

    A pointwise operation goes on where members are interleaved; else in the order of its first
    operand, not in that of a gradient's constants.
    """
    if operations.is_pointwise(node.target) and node.target not in operations.COPIES:
        operands = [values[used] for used in node.all_input_nodes if not values.is_constant(used)]
        alike = [value for value in operands if value.shape[1:] == result.shape]
        for value in filter(are_interleaved_images, alike):
            return value.shape, value.stride()
        for value in alike:
            if is_dense(value[0]):
                return crowd_layout(value[0], members)
    if result.dim() == IMAGES and _is_interleaved(node, values):
        return interleaved_layout(result, members)
    return crowd_layout(result, members)


def _is_interleaved(node: fx.Node, values: Values) -> bool:
    """Whether the images that an operation makes are to be interleaved."""
    is_interleaved = INTERLEAVED.get(node.target)
    return is_interleaved is not None and is_interleaved(values[called(node)[1]][:, 0])


def is_read_by_pixel(images: fx.Node) -> bool:
    """Whether everything that reads these images (batch, channels, height, width) first lays their channels innermost.

    They are then best given so.
    """
    readers, found = list(images.users), False
    while readers:
        reader = readers.pop()
        if reader.target is aten.unsqueeze.default:
            readers += reader.users
        elif reader.target is torch.ops.expzoo.interleave.default or _lays_by_pixel(reader):
            found = True
        else:
            return False
    return found


def _lays_by_pixel(node: fx.Node) -> bool:
    return node.target is aten.clone.default and node.kwargs.get("memory_format") is torch.channels_last
