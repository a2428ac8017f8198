"""From an ordinary module and loss to a graph of ATen operations on all members at once: traced once, replayed often."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.func import functional_call, functionalize, grad_and_value
from torch.fx.experimental.proxy_tensor import make_fx

from expzoo.engine.functions import CrowdFunctions, Unadoptable

aten = torch.ops.aten

Objective = Callable[[dict[str, Tensor], Tensor, Tensor], Tensor]


def objective(module: nn.Module, loss: Callable[[Tensor, Tensor], Tensor]) -> Objective:
    """The training loss of one network as a function of its parameters, a batch and its targets."""

    def of(parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> Tensor:
        return loss(functional_call(module, parameters, (x,)), y)

    return of


def trace(of: Objective, parameters: dict[str, Tensor], x: Tensor, y: Tensor) -> fx.GraphModule:
    """The graph of (gradients..., loss) of ONE network over placeholders (parameters..., x, y).

    The arguments are those of all members, with a member axis first; the first member is the example. Raises
    Unadoptable, naming the operation, if the module draws random numbers or depends on values.
    """
    names = list(parameters)

    def flat(*tensors: Tensor) -> tuple[Tensor, ...]:
        gradients, loss = grad_and_value(of)(dict(zip(names, tensors, strict=False)), *tensors[len(names) :])
        return (*(gradients[name] for name in names), loss)

    inputs = [value[0] for value in (*parameters.values(), x, y)]
    try:
        with CrowdFunctions():
            module = make_fx(flat)(*inputs)
        if any(_changes_its_arguments(node) for node in module.graph.nodes):
            module = make_fx(functionalize(module, remove="mutations"))(*inputs)
    except RuntimeError as error:
        first = str(error).strip().splitlines()[0]
        raise Unadoptable(f"the module cannot be traced: {first}") from error
    simplify(module.graph)
    return module


def _changes_its_arguments(node: fx.Node) -> bool:
    return isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable


def simplify(graph: fx.Graph) -> None:
    """Remove what does nothing, and fuse a bias with its matrix product; the numbers stay the same."""
    for node in list(graph.nodes):
        if _is_identity(node):
            node.replace_all_uses_with(node.args[0])
            graph.erase_node(node)
    for node in list(graph.nodes):
        _fuse_bias(graph, node)
    graph.eliminate_dead_code()


def _shape(node: Any) -> tuple[int, ...]:
    return tuple(node.meta["val"].shape)


_RESHAPES = (aten.expand.default, aten.view.default, aten._unsafe_view.default)


def _is_identity(node: fx.Node) -> bool:
    if node.target in (aten.alias.default, aten.detach.default):
        return True
    if node.target in _RESHAPES:
        return _shape(node) == _shape(node.args[0])
    return node.target is aten.mul.Scalar and node.args[1] == 1


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


def _both_ways(pair: Any) -> Iterable[tuple[Any, Any]]:
    first, second = pair
    return (first, second), (second, first)
