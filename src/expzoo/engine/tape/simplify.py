"""A traced graph made shorter, with the same numbers."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import fx

aten = torch.ops.aten


def simplify(graph: fx.Graph) -> None:
    """Remove what does nothing, and fuse a bias with its matrix product; the numbers stay the same."""
    for node in list(graph.nodes):
        if _is_identity(node):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    for node in list(graph.nodes):
        _fuse_bias(graph, node)
        _read_result(node)
    graph.eliminate_dead_code()


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)


_RESHAPES = (aten.expand.default, aten.view.default, aten._unsafe_view.default)


def _is_identity(node: fx.Node) -> bool:
    if node.target in (aten.alias.default, aten.detach.default):
        return True
    if node.target in _RESHAPES:
        return _shape(node) == _shape(node.args[0])
    return node.target is aten.mul.Scalar and bool(node.args[1] == 1)


def _fuse_bias(graph: fx.Graph, node: fx.Node) -> None:
    """add(bias, mm(a, b)) becomes addmm(bias, a, b)."""
    if node.target is not aten.add.Tensor or node.kwargs or not all(isinstance(a, fx.Node) for a in node.args):
        return
    for bias, product in _both_ways(node.args):
        if (
            product.target is aten.mm.default
            and len(product.users) == 1
            and len(_shape(bias)) <= 2
            and _shape(bias) != _shape(node) == _shape(product)
        ):
            with graph.inserting_before(node):
                fused = graph.call_function(aten.addmm.default, (bias, *product.args))
            fused.meta = dict(node.meta)
            node.replace_all_uses_with(fused)
            graph.erase_node(node)
            graph.erase_node(product)
            return


def _read_result(node: fx.Node) -> None:
    """The gradient of leaky_relu needs the sign of its input, which its result has too; then the input can go."""
    if node.target is not aten.leaky_relu_backward.default or node.args[3]:
        return
    grad, x, slope, _ = node.args
    if isinstance(x, fx.Node) and isinstance(slope, float) and slope > 0:
        for user in x.users:
            if user.target is aten.leaky_relu.default and (*user.args, 0.01)[1] == slope:
                node.args = (grad, user, slope, True)
                return


def _both_ways(pair: Any) -> Iterable[tuple[Any, Any]]:
    first, second = pair
    return (first, second), (second, first)
