"""Results that are wanted in certain memory, and which operations can write them straight there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from expzoo.engine.members import operations
from expzoo.engine.members.batching_rules import RULES
from expzoo.engine.members.memory import of_all_members

if TYPE_CHECKING:
    from jaxtyping import Shaped

aten = torch.ops.aten


def assign_slots(
    results: Sequence[fx.Node], slots: dict[int, Shaped[Tensor, "members ..."]]
) -> dict[fx.Node, Shaped[Tensor, "members ..."]]:
    """Nodes that can write their result straight into a slot, and the slot as that node sees it."""
    found: dict[fx.Node, Tensor] = {}
    for index, slot in slots.items():
        node: Any = results[index]
        view: Tensor | None = slot[0]
        while node.op == "call_function" and view is not None and (undo := _UNDO.get(node.target)):
            node, view = node.args[0], undo(view, node.args)
        is_free = node not in found and len(node.users) == 1
        if view is not None and is_free and (node.target in RULES or operations.is_exact(node.target, node.kwargs)):
            found[node] = of_all_members(view, len(slot), slot.stride(0) * slot.element_size())
    return found


def _reshaped(view: Tensor, args: Any) -> Tensor | None:
    """None if the slot's order does not allow it."""
    try:
        return view.view(args[0].meta["val"].shape)
    except RuntimeError:
        return None


# How a slot for the result of a view is seen by what the view was taken of.
_UNDO: dict[Any, Callable[[Tensor, Any], Tensor | None]] = {
    aten.t.default: lambda view, args: view.t(),
    aten.transpose.int: lambda view, args: view.transpose(args[1], args[2]),
    aten.permute.default: lambda view, args: view.permute([args[1].index(axis) for axis in range(view.dim())]),
    aten.view.default: _reshaped,
    aten._unsafe_view.default: _reshaped,
    aten.squeeze.dim: _reshaped,
    aten.squeeze.dims: _reshaped,
    aten.unsqueeze.default: _reshaped,
}
