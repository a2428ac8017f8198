"""A function that is linear in its last argument, traced once and cut into what that argument changes and what not.

Products with a Hessian are asked for by the hundred at the same weights. The passes of the loss
itself are the same for all of them, and so is what `torch.func` does in Python at every call: here
both are paid for once.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence

import torch
from torch import Tensor, fx
from torch._guards import TracingContext, tracing
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.func import functionalize
from torch.fx.experimental.proxy_tensor import make_fx


class Linearised:
    """`function(*fixed, vector)` as two graphs of ATen operations, for arguments shaped as those it was traced with.

    What the function does in place is written out of place, so that no call changes what the next one reads.

    >>> import torch
    >>> square = Linearised(lambda w, v: 2 * w * v, torch.ones(2), torch.ones(2)).at(torch.tensor([1.0, 3.0]))
    >>> square(torch.tensor([1.0, 1.0]))
    tensor([2., 6.])
    """

    def __init__(self, function: Callable[..., Tensor], *example: Tensor) -> None:
        """Traces `function` at these arguments, the vector last."""
        # It notes the shape of each value as a fake tensor, of a mode that it would else make anew for each of them.
        with torch.no_grad(), tracing(TracingContext(FakeTensorMode())):
            plain = make_fx(function)(*example)  # functionalize has no rule for an autograd.Function, so it comes after
            traced = make_fx(functionalize(plain))(*example)
        traced.graph.eliminate_dead_code()
        *nodes, output = traced.graph.nodes
        inputs = [node for node in nodes if node.op == "placeholder"]
        moving = {inputs[-1]}
        for node in nodes:
            if moving.intersection(node.all_input_nodes):
                moving.add(node)
        result = output.all_input_nodes[0]
        fixed = [node for node in nodes if node not in moving]
        kept = [node for node in fixed if node is result or moving.intersection(node.users)]
        self._fixed = _part(traced, inputs[:-1], fixed, kept)
        self._moving = _part(traced, [*kept, inputs[-1]], [node for node in nodes if node in moving], result)

    def at(self, *fixed: Tensor) -> Callable[[Tensor], Tensor]:
        """The function of the vector alone. It keeps what the passes of the loss save: some hundred bytes a unit."""
        with torch.no_grad():
            kept = self._fixed(*fixed)

        def product(vector: Tensor) -> Tensor:
            with torch.no_grad():
                return self._moving(*kept, vector)

        return product


def _part(
    traced: fx.GraphModule, given: Sequence[fx.Node], body: Collection[fx.Node], result: fx.Node | Sequence[fx.Node]
) -> fx.GraphModule:
    """A graph of some nodes of another one, which takes the values of the nodes `given`."""
    graph, copies = fx.Graph(), {}
    for index, node in enumerate(given):
        copies[node] = graph.placeholder(f"given_{index}")
    for node in body:
        if node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    graph.output(copies[result] if isinstance(result, fx.Node) else [copies[node] for node in result])
    return fx.GraphModule(traced, graph)
