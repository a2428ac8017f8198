"""What a graph says about memory before any exists: whose memory a value lies in, and when it is read last."""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, Any

from expzoo.engine.members import operations

if TYPE_CHECKING:
    from torch import fx


class Lifetimes:
    """Of the nodes of a graph, in their order. `results` are the nodes that the graph returns."""

    def __init__(self, graph: fx.Graph) -> None:
        self.nodes = list(graph.nodes)
        returned: Any = self.nodes[-1].args[0]
        self.results: list[fx.Node] = list(returned)
        self.root: dict[fx.Node, fx.Node] = {}
        for node in self.nodes:
            first: Any = (*node.args, None)[0]
            self.root[node] = self.root[first] if _shares(node, first) else node
        self._last = {self.root[used]: index for index, node in enumerate(self.nodes) for used in node.all_input_nodes}
        self._kept = {self.root[result] for result in self.results}

    def ends_at(self, index: int, root: fx.Node) -> bool:
        """Whether the memory of `root` is read for the last time by the node with this index."""
        return self._last.get(root) == index and root not in self._kept

    def is_last_reader(self, node: fx.Node, operand: fx.Node) -> bool:
        """Whether `node` may overwrite its operand: it is the last to read that memory, and reads it once."""
        root = self.root[operand]
        readers = [used for used in node.all_input_nodes if self.root[used] is root]
        return len(readers) == 1 and root not in self._kept and self.nodes[self._last[root]] is node


def _shares(node: fx.Node, first: fx.Node) -> bool:
    """Whether a node's result lies in the memory of its first argument; each of several results has its own."""
    if node.op != "call_function" or not operations.is_view(node.target):
        return False
    return node.target is not operator.getitem or operations.is_view(first.target)
