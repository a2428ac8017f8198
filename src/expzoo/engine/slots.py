"""Results that are wanted at a certain place, and which operations can write them straight there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from expzoo.engine import operations
from expzoo.engine.members import RULES
from expzoo.engine.memory import of_all_members

aten = torch.ops.aten


def places(results: Sequence[fx.Node], slots: dict[int, Tensor]) -> dict[fx.Node, Tensor]:
    """Which nodes can write their result straight into a slot, and the slot as that node sees it."""
    found: dict[fx.Node, Tensor] = {}
    for index, slot in slots.items():
        node, view = results[index], slot[0]
        while node.op == "call_function" and (undo := _UNDO.get(node.target)) and view is not None:
            node, view = node.args[0], undo(view, node)
        is_free = node not in found and len(node.users) == 1
        if view is not None and is_free and (node.target in RULES or operations.is_exact(node.target, node.kwargs)):
            found[node] = of_all_members(view, len(slot), slot.stride(0) * slot.element_size())
    return found


def _reshaped(view: Tensor, node: fx.Node) -> Tensor | None:
    """None if the slot's order does not allow it."""
    try:
        return view.view(node.args[0].meta["val"].shape)
    except RuntimeError:
        return None


_UNDO: dict[Any, Callable[[Tensor, fx.Node], Tensor | None]] = {
    aten.t.default: lambda view, node: view.t(),
    aten.transpose.int: lambda view, node: view.transpose(node.args[1], node.args[2]),
    aten.permute.default: lambda view, node: view.permute([node.args[1].index(d) for d in range(view.dim())]),
    aten.view.default: _reshaped,
    aten._unsafe_view.default: _reshaped,
    aten.squeeze.dim: _reshaped,
    aten.squeeze.dims: _reshaped,
    aten.unsqueeze.default: _reshaped,
}
