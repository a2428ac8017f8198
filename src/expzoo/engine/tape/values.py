"""What each node of a graph is for one member, and for all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from torch import Tensor, fx

from expzoo.engine.members import operations

if TYPE_CHECKING:
    from jaxtyping import Shaped


class Values:
    """`values[node]` has an axis of members first, except for constants.

    A constant is the same for all members, computed once, and of the shape it has in one network.
    Which nodes are constants follows from what they are computed from, never from their shapes.
    """

    def __init__(self, members: int, root: Mapping[fx.Node, fx.Node]) -> None:
        """`root` is the node whose memory a node's value lies in."""
        self._members, self._root = members, root
        self._values: dict[fx.Node, Any] = {}
        self._constants: set[fx.Node] = set()
        self._offsets: dict[fx.Node, int] = {}  # of an input, in its storage, when the graph was traced

    def put(self, node: fx.Node, value: Any) -> None:
        """A value, or several, with an axis of members first."""
        self._values[node] = value

    def put_constant(self, node: fx.Node, value: Any) -> None:
        """What is the same for all members."""
        self._values[node] = value
        self._constants.add(node)

    def put_input(self, node: fx.Node, value: Shaped[Tensor, "members ..."], traced_offset: int) -> None:
        """An input, which lay at this offset of its storage when the graph was traced."""
        self._values[node], self._offsets[node] = value, traced_offset

    def put_item(self, node: fx.Node, several: fx.Node) -> None:
        """One of several results."""
        value = self._values[several][node.args[1]]
        return self.put_constant(node, value) if several in self._constants else self.put(node, value)

    @contextmanager
    def instead(self, others: Mapping[fx.Node, Shaped[Tensor, "members ..."]]) -> Iterator[None]:
        """Inside, these nodes have other values."""
        before = {node: self._values[node] for node in others}
        self._values.update(others)
        try:
            yield
        finally:
            self._values.update(before)

    def __getitem__(self, node: fx.Node) -> Any:
        return self._values[node]

    def is_constant(self, node: fx.Node) -> bool:
        """Whether it is the same for all members."""
        return node in self._constants

    def of_all(self, node: fx.Node) -> Shaped[Tensor, "members ..."]:
        """The value with an axis of members first, a constant's too."""
        value = self._values[node]
        return value.expand(self._members, *value.shape) if node in self._constants else value

    def of_member(self, node: fx.Node, index: int) -> Any:
        """The value of one member."""
        value = self._values[node]
        return value if node in self._constants else of_each(value, lambda part: part[index])

    def arguments(self, node: fx.Node, index: int) -> tuple[Any, Any]:
        """What the node's operation is called with for one member."""
        both: Any = fx.node.map_arg((node.args, node.kwargs), lambda used: self.of_member(used, index))
        args, kwargs = both
        target, first = called(node)
        if position := operations.BY_STORAGE.get(target):
            root = self._root[first]
            moved = self.of_member(root, index).storage_offset() - self._offsets.get(root, 0)
            args = (*args[:position], (*args, 0)[position] + moved)
        return args, kwargs


def called(node: fx.Node) -> tuple[Any, Any]:
    """The operation of a node, and its first argument."""
    return node.target, (*node.args, None)[0]


def of_each(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`change` of a tensor, or of each of several."""
    return change(value) if isinstance(value, Tensor) else tuple(one if one is None else change(one) for one in value)
