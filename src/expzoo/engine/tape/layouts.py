"""In which order the result of an operation lies in memory, for all members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from expzoo.engine.members import operations
from expzoo.engine.members.crowd import BESIDE
from expzoo.engine.members.memory import beside_layout, crowd_layout, is_dense, lies_beside
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

    A pointwise operation goes on where members lie beside one another; else in the order of its first operand, not in
    that of a gradient's constants.
    """
    if operations.is_pointwise(node.target) and node.target not in operations.COPIES:
        operands = [values[used] for used in node.all_input_nodes if not values.is_constant(used)]
        alike = [value for value in operands if value.shape[1:] == result.shape]
        for value in filter(lies_beside, alike):
            return value.shape, value.stride()
        for value in alike:
            if is_dense(value[0]):
                return crowd_layout(value[0], members)
    if result.dim() == IMAGES and _is_beside(node, values):
        return beside_layout(result, members)
    return crowd_layout(result, members)


def _is_beside(node: fx.Node, values: Values) -> bool:
    """Whether the images that an operation makes are to lie beside one another."""
    lies = BESIDE.get(node.target)
    return lies is not None and lies(values[called(node)[1]][:, 0])


def is_read_by_pixel(images: fx.Node) -> bool:
    """Whether everything that reads these images (batch, channels, height, width) first lays their channels innermost.

    They are then best given so.
    """
    readers, found = list(images.users), False
    while readers:
        reader = readers.pop()
        if reader.target is aten.unsqueeze.default:
            readers += reader.users
        elif reader.target is torch.ops.expzoo.lay_beside.default or _lays_by_pixel(reader):
            found = True
        else:
            return False
    return found


def _lays_by_pixel(node: fx.Node) -> bool:
    return node.target is aten.clone.default and node.kwargs.get("memory_format") is torch.channels_last
