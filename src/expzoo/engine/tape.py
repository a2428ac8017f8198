"""The tape: a traced graph as a flat list of calls on static buffers. No autograd, no allocation, no modules.

Exact in a crowd by construction: an operation is replayed in one of three ways,
  flat     pointwise on whole buffers, each padded to 64 elements, so that no element is ever in a vector's tail;
  batched  one call for all members, for operations measured equal for two or more members;
  member   one call for each member, for anything else.
So a tape has at least two members; one thread is the caller's duty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx

from expzoo.engine import operations
from expzoo.engine.layout import ROW, round_up

aten = torch.ops.aten


class Pool:
    """Static memory with reuse: every buffer has room for its size rounded up to 64 elements."""

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.num_bytes = 0
        self._free: list[Tensor] = []

    def get(self, like: Tensor) -> tuple[Tensor, Tensor]:
        """Raw memory, and a tensor in it of the shape, strides and type of `like`."""
        extent = 1 + sum((n - 1) * s for n, s in zip(like.shape, like.stride(), strict=True)) if like.numel() else 1
        need = round_up(extent, ROW) * like.element_size()
        fitting = [raw for raw in self._free if need <= raw.numel() <= max(2 * need, 4096)]
        if fitting:
            raw = min(fitting, key=Tensor.numel)
            self._free = [other for other in self._free if other is not raw]
        else:
            raw = torch.zeros(need, dtype=torch.uint8, device=self.device)
            self.num_bytes += need
        room = raw[: raw.numel() // like.element_size() * like.element_size()].view(like.dtype)
        return raw, room.as_strided(like.shape, like.stride())

    def put(self, raw: Tensor) -> None:
        """The memory may be used again."""
        self._free.append(raw)


class Tape:
    """The calls that compute a graph's outputs. `outputs[i]` is where the i-th result lies after `run()`."""

    def __init__(self, module: fx.GraphModule, inputs: Sequence[Tensor], slots: dict[int, Tensor]) -> None:
        """Plan `module` for these static `inputs`; the i-th output is written straight into `slots[i]` if given."""
        planner = _Planner(module, inputs, slots)
        self.calls: list[Callable[[], Any]] = planner.calls
        self.outputs: list[Tensor] = planner.outputs
        self.kinds: Counter[str] = planner.kinds
        self.member_by_member: list[str] = planner.member_by_member
        self.num_bytes = planner.pool.num_bytes

    def run(self) -> None:
        """One step of all members."""
        for call in self.calls:
            call()


class _Planner:
    """Goes through the graph once, gives each result a place, and writes down the calls."""

    def __init__(self, module: fx.GraphModule, inputs: Sequence[Tensor], slots: dict[int, Tensor]) -> None:
        self.calls: list[Callable[[], Any]] = []
        self.kinds: Counter[str] = Counter()
        self.member_by_member: list[str] = []
        self.members = inputs[0].shape[0]
        self.pool = Pool(inputs[0].device)
        self.nodes = list(module.graph.nodes)
        self.results: list[fx.Node] = list(self.nodes[-1].args[0])
        self.root = self._roots()
        self.last_use = self._last_uses()
        self.places = self._placed(slots)
        self.memory: dict[fx.Node, Tensor] = {}  # root -> raw memory that goes back to the pool
        self.value: dict[fx.Node, Any] = {}
        self.constant: set[fx.Node] = set()
        given = iter(inputs)
        for index, node in enumerate(self.nodes[:-1]):
            if node.op == "placeholder":
                self.value[node] = next(given)
            elif node.op == "get_attr":
                self.value[node] = getattr(module, str(node.target))
                self.constant.add(node)
            else:
                self._plan(node)
            self._release(index)
        self.outputs = [self.value[node] for node in self.results]
        for index, slot in slots.items():
            self._deliver(self.outputs[index], slot)

    # What the graph says before any buffer exists.

    def _roots(self) -> dict[fx.Node, fx.Node]:
        """The node whose memory a node's value lies in."""
        root: dict[fx.Node, fx.Node] = {}
        for node in self.nodes:
            is_view = node.op == "call_function" and node.target in operations.VIEWS
            root[node] = root[node.args[0]] if is_view else node
        return root

    def _last_uses(self) -> dict[fx.Node, int]:
        last: dict[fx.Node, int] = {}
        for index, node in enumerate(self.nodes):
            for used in node.all_input_nodes:
                last[self.root[used]] = index
        return last

    def _placed(self, slots: dict[int, Tensor]) -> dict[fx.Node, Tensor]:
        """Which node can write its result straight into a slot, and the slot as that node sees it."""
        places: dict[fx.Node, Tensor] = {}
        for index, slot in slots.items():
            node, view = self.results[index], slot
            while node.op == "call_function" and (undo := _UNDO.get(node.target)):
                view = undo(view, node)
                node = node.args[0]
            plannable = node.op == "call_function" and node.target not in operations.VIEWS | operations.CREATORS
            if plannable and node not in places and len(node.users) == 1:
                places[node] = view
        return places

    # Planning one node.

    def _plan(self, node: fx.Node) -> None:
        args = fx.node.map_arg(node.args, self.value.__getitem__)
        kwargs = fx.node.map_arg(node.kwargs, self.value.__getitem__)
        result = node.target(*args, **kwargs)  # shapes and strides, and the value if it never changes
        is_view = node.target in operations.VIEWS
        if node.target in operations.CREATORS or all(used in self.constant for used in node.all_input_nodes):
            self.value[node] = result
            self.constant.add(node)
        elif is_view:
            self.value[node] = result
        elif not isinstance(result, Tensor):
            self._several(node, args, kwargs, result)
        else:
            buffer = self._buffer(node, result)
            self._emit(node, args, kwargs, buffer, result)
            self.value[node] = buffer

    def _buffer(self, node: fx.Node, result: Tensor) -> Tensor:
        """A slot, or the place of an operand that dies here, or memory from the pool."""
        if node in self.places:
            return self.places[node]
        if operations.is_pointwise(node.target):
            for operand in node.all_input_nodes:
                place = self.value[operand]
                if place.dtype == result.dtype and self._dies_at(operand, node) and _same_layout(place, result):
                    self.memory[node] = self.memory.pop(self.root[operand])
                    return place
        self.memory[node], buffer = self.pool.get(result)
        return buffer

    def _dies_at(self, operand: fx.Node, node: fx.Node) -> bool:
        """Whether nothing reads the operand's memory after this node, which itself reads it once."""
        root = self.root[operand]
        readers = [used for used in node.all_input_nodes if self.root[used] is root]
        alive_later = any(self.root[result] is root for result in self.results)
        return root in self.memory and self.nodes[self.last_use[root]] is node and len(readers) == 1 and not alive_later

    def _release(self, index: int) -> None:
        kept = {self.root[result] for result in self.results}
        for root in [root for root in self.memory if self.last_use.get(root) == index and root not in kept]:
            self.pool.put(self.memory.pop(root))

    def _emit(self, node: fx.Node, args: Any, kwargs: Any, buffer: Tensor, result: Tensor) -> None:
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor) and value.dim()]
        everything = [*tensors, buffer]
        target = node.target
        if operations.is_pointwise(target) and tensors and all(_same_layout(t, buffer) for t in tensors):
            padded = {id(tensor): _padded(tensor) for tensor in everything}
            if _is_dense(buffer) and all(flat is not None for flat in padded.values()):
                flat_args, flat_kwargs = _replaced(args, kwargs, padded)
                return self._add("flat", operations.write_into(target, flat_args, flat_kwargs, padded[id(buffer)]))
        if operations.is_batched(target):
            return self._add("batched", operations.write_into(target, args, kwargs, buffer))
        return self._one_by_one(target, args, kwargs, buffer)

    def _one_by_one(self, target: Any, args: Any, kwargs: Any, buffer: Tensor) -> None:
        if buffer.dim() == 0 or buffer.shape[0] != self.members:
            raise RuntimeError(f"{target} has no member axis in {tuple(buffer.shape)}")
        self.member_by_member.append(str(target))
        for index in range(self.members):
            own = {id(v): v[index : index + 1] for v in (*args, *kwargs.values()) if self._has_members(v)}
            own_args, own_kwargs = _replaced(args, kwargs, own)
            self._add("member", operations.write_into(target, own_args, own_kwargs, buffer[index : index + 1]))

    def _has_members(self, value: Any) -> bool:
        return isinstance(value, Tensor) and value.dim() > 0 and value.shape[0] == self.members

    def _several(self, node: fx.Node, args: Any, kwargs: Any, results: Sequence[Any]) -> None:
        """An operation with several results: one member at a time into static buffers."""
        buffers = [None if r is None else torch.empty_like(r) for r in results]
        self.value[node] = tuple(buffers)
        self.member_by_member.append(str(node.target))
        for index in range(self.members):
            own = {id(v): v[index : index + 1] for v in (*args, *kwargs.values()) if self._has_members(v)}
            own_args, own_kwargs = _replaced(args, kwargs, own)

            def compute(args: Any = own_args, kwargs: Any = own_kwargs, index: int = index) -> None:
                for buffer, result in zip(buffers, node.target(*args, **kwargs), strict=True):
                    if buffer is not None:
                        buffer[index : index + 1].copy_(result)

            self._add("member", [compute])

    def _deliver(self, output: Tensor, slot: Tensor) -> None:
        if output.data_ptr() != slot.data_ptr() or output.stride() != slot.stride():
            self._add("copy", [lambda: slot.copy_(output)])

    def _add(self, kind: str, calls: Sequence[Callable[[], Any]]) -> None:
        for call in calls:
            call()  # so that what follows is planned on values of the right kind
        self.calls += calls
        self.kinds[kind] += len(calls)


_RESHAPE = lambda view, node: view.view(node.args[0].meta["val"].shape)  # noqa: E731
_UNDO: dict[Any, Callable[[Tensor, fx.Node], Tensor]] = {
    aten.transpose.int: lambda view, node: view.transpose(node.args[1], node.args[2]),
    aten.permute.default: lambda view, node: view.permute([node.args[1].index(d) for d in range(view.dim())]),
    aten.view.default: _RESHAPE,
    aten._unsafe_view.default: _RESHAPE,
    aten.squeeze.dim: _RESHAPE,
    aten.squeeze.dims: _RESHAPE,
    aten.unsqueeze.default: _RESHAPE,
}


def _replaced(args: Any, kwargs: Any, by_id: dict[int, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments with some tensors exchanged."""
    return [by_id.get(id(a), a) for a in args], {k: by_id.get(id(v), v) for k, v in kwargs.items()}


def _same_layout(a: Tensor, b: Tensor) -> bool:
    """Whether equal positions in memory hold equal places of both tensors."""
    steps = zip(a.shape, a.stride(), b.stride(), strict=True) if a.shape == b.shape else ()
    return a.shape == b.shape and all(size == 1 or one == other for size, one, other in steps)


def _is_dense(tensor: Tensor) -> bool:
    """Whether the elements fill one stretch of memory without holes or overlaps."""
    expected = 1
    for stride, size in sorted((st, sz) for sz, st in zip(tensor.shape, tensor.stride(), strict=True) if sz > 1):
        if stride != expected:
            return False
        expected *= size
    return True


def _padded(tensor: Tensor) -> Tensor | None:
    """The tensor's memory as one flat stretch up to the next multiple of 64, None if it has no room for that."""
    length = round_up(tensor.numel(), ROW)
    room = tensor.untyped_storage().nbytes() // tensor.element_size() - tensor.storage_offset()
    return tensor.as_strided((length,), (1,), tensor.storage_offset()) if room >= length else None


