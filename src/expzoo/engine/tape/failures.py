"""Where linear algebra would raise for one matrix: the results of that member are not numbers, and only it diverges."""

from __future__ import annotations

from typing import Any

import torch
from torch import fx

aten = torch.ops.aten


def spread_failures(graph: fx.Graph) -> None:
    """Replace each check of a factorisation or solution by NaN in what it gave; others keep their bits."""
    for node in list(graph.nodes):
        if node.target is aten._linalg_check_errors.default:
            _mark(graph, node)
            graph.erase_node(node)


def _mark(graph: fx.Graph, check: fx.Node) -> None:
    info: Any = check.args[0]  # of each matrix of the batch 0, or what went wrong
    while info.target in (aten.detach.default, aten.alias.default):
        info = info.args[0]
    values = {item: item.meta["val"] for item in info.args[0].users}
    results = [item for item, value in values.items() if value.is_floating_point() or value.is_complex()]
    with graph.inserting_before(check):
        wrong = _called(graph, aten.ne.Scalar, info, 0)
        any_wrong = _called(graph, aten.any.default, wrong)
        for item in results:
            marked = graph.call_function(aten.where.ScalarSelf, (any_wrong, torch.nan, item))
            marked.meta = dict(item.meta)
            item.replace_all_uses_with(marked, lambda user, marked=marked: user is not marked)


def _called(graph: fx.Graph, target: Any, *args: Any) -> fx.Node:
    node = graph.call_function(target, args)
    first, *rest = args
    node.meta = {"val": target(first.meta["val"], *rest)}
    return node
