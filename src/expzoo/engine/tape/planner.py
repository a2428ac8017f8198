"""Goes through the graph of one network once, and writes down the calls that compute it for all members."""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, fx

from expzoo.engine.layers.dropout import Counters, keep_calls
from expzoo.engine.members import operations
from expzoo.engine.members.batching_rules import RULES
from expzoo.engine.members.crowd import INTERLEAVED, KERNELS, Call, Unadoptable
from expzoo.engine.members.memory import (
    Pool,
    crowd_layout,
    empty_crowd,
    is_dense,
    is_interleaved,
    lies_as,
    of_all_members,
    stretch,
)
from expzoo.engine.tape.layouts import result_layout
from expzoo.engine.tape.lifetimes import Lifetimes
from expzoo.engine.tape.slots import assign_slots
from expzoo.engine.tape.values import Values, called, of_each
from expzoo.spec.layout import ALIGN
from expzoo.system.errors import first_line

if TYPE_CHECKING:
    from jaxtyping import Shaped


class Planner:
    """`calls` compute the graph on static buffers; `outputs` are where its results then lie, (members, ...) each."""

    def __init__(
        self,
        module: fx.GraphModule,
        inputs: Sequence[Shaped[Tensor, "members ..."]],
        slots: dict[int, Shaped[Tensor, "members ..."]],
        counters: Counters,
    ) -> None:
        self.counters = counters
        self.calls: list[Call] = []
        self.kinds: Counter[str] = Counter()
        self.member_by_member: list[str] = []
        self.members = inputs[0].shape[0]
        self.pool = Pool(inputs[0].device)
        self.lifetimes = Lifetimes(module.graph)
        self.slots = assign_slots(self.lifetimes.results, slots)
        self.memory: dict[fx.Node, list[Tensor]] = {}  # root -> raw memory that goes back to the pool
        self.values = Values(self.members, self.lifetimes.root)
        self._reordered: dict[Any, Tensor] = {}
        self._plan_graph(module, inputs)
        self.outputs = [self.values.of_all(node) for node in self.lifetimes.results]
        self._fill(slots)

    def _plan_graph(self, module: fx.GraphModule, inputs: Sequence[Tensor]) -> None:
        """Every node in turn; memory goes back as soon as its last reader is planned."""
        given = iter(inputs)
        for index, node in enumerate(self.lifetimes.nodes[:-1]):
            if node.op == "placeholder":
                tensor = next(given)
                self.values.put_input(node, self._aligned(tensor), int(tensor.storage_offset()))
            elif node.op == "get_attr":
                self.values.put_constant(node, getattr(module, str(node.target)))
            else:
                self._plan_or_refuse(node)
            for root in [root for root in self.memory if self.lifetimes.ends_at(index, root)]:
                self._give_back(self.memory.pop(root))

    def _fill(self, slots: dict[int, Tensor]) -> None:
        """Copy into its slot what could not be computed there."""
        for index, slot in slots.items():
            output = self.outputs[index]
            if output.data_ptr() != slot.data_ptr() or output.stride() != slot.stride():
                self._add("copy", [partial(slot.copy_, output)])

    def _plan_or_refuse(self, node: fx.Node) -> None:
        try:
            self._plan(node)
        except (RuntimeError, TypeError, NotImplementedError) as error:
            first = first_line(error)
            name = getattr(node.target, "_opname", node.target)
            raise Unadoptable(
                f"{name}, which the module's forward or its gradient calls, cannot be run for a population: {first}; "
                "write it with other operations of torch"
            ) from error

    def _plan(self, node: fx.Node) -> None:
        target, first = called(node)
        if target is operator.getitem:
            return self.values.put_item(node, first)
        if operations.is_view(target):
            return self._view(node)
        if target in INTERLEAVED or operations.is_pointwise(target):
            return self._compute(node)
        turned, borrowed = self._separated(node)
        with self.values.instead(turned):
            self._compute(node)
        return self._give_back(borrowed)

    def _compute(self, node: fx.Node) -> None:
        target, _ = called(node)
        args, kwargs = self.values.arguments(node, 0)
        result = target(*args, **kwargs)  # of the first member: its shape and layout
        if target in operations.CREATORS or all(map(self.values.is_constant, node.all_input_nodes)):
            self.values.put_constant(node, result)
        elif isinstance(result, Tensor):
            buffer = self._buffer(node, result)
            self.values.put(node, buffer)
            self._emit(node, buffer)
        else:
            self._several(node, result)

    def _separated(self, node: fx.Node) -> tuple[dict[fx.Node, Tensor], list[Tensor]]:
        """Interleaved operands, member by member; and the memory lent for that."""
        turned: dict[fx.Node, Tensor] = {}
        borrowed: list[Tensor] = []
        for used in node.all_input_nodes:
            value = self.values[used]
            if not self.values.is_constant(used) and isinstance(value, Tensor) and is_interleaved(value):
                raw, turned[used] = self.pool.get(*crowd_layout(value[0], self.members), value.dtype)
                borrowed.append(raw)
                self._add("copy", [partial(turned[used].copy_, value)])
        return turned, borrowed

    def _give_back(self, memory: Sequence[Tensor]) -> None:
        for raw in memory:
            self.pool.put(raw)

    def _view(self, node: fx.Node) -> None:
        """The view of each member; of a copy in the order of the trace, if the value's own order does not allow it."""
        target, first = called(node)
        (one, *rest), kwargs = self.values.arguments(node, 0)
        if self.values.is_constant(first):
            return self.values.put_constant(node, target(one, *rest, **kwargs))
        base = self.values[first]
        try:
            result = target(one, *rest, **kwargs)
        except RuntimeError:
            traced = torch.empty_strided(one.shape, first.meta["val"].stride(), dtype=one.dtype, device=one.device)
            _, base = self.pool.get(*crowd_layout(traced, self.members), one.dtype)
            self._add("copy", [partial(base.copy_, self.values[first])])
            result = target(base[0], *rest, **kwargs)
        num_bytes = base.stride(0) * base.element_size()  # a view may be of another type
        return self.values.put(node, of_each(result, lambda part: of_all_members(part, self.members, num_bytes)))

    # Where a result lies.

    def _aligned(self, given: Tensor) -> Tensor:
        """An input as it is, or a copy in which each member starts on a cache line."""
        shape, stride = crowd_layout(given[0], self.members)
        if given.stride(0) % ALIGN == 0:
            return given
        copy = self.pool.get(shape, stride, given.dtype)[1]
        self._add("copy", [partial(copy.copy_, given)])
        return copy

    def _buffer(self, node: fx.Node, result: Tensor) -> Tensor:
        """A slot, or the memory of an operand that dies here, or memory from the pool."""
        if node in self.slots:
            return self.slots[node]
        shape, stride = result_layout(node, result, self.values, self.members)
        for operand in node.all_input_nodes if operations.is_pointwise(node.target) else ():
            value, root = self.values[operand], self.lifetimes.root[operand]
            fits = root in self.memory and value.dtype == result.dtype and lies_as(value, shape, stride)
            if fits and self.lifetimes.is_last_reader(node, operand):
                self.memory[node] = self.memory.pop(root)
                return value
        raw, buffer = self.pool.get(shape, stride, result.dtype)
        self.memory[node] = [raw]
        return buffer

    # How it is computed.

    def _emit(self, node: fx.Node, buffer: Tensor) -> None:
        if operations.is_pointwise(node.target):
            return self._pointwise(node, buffer)
        if node.target in KERNELS:
            return self._by_kernel(node, buffer)
        args: Any = fx.node.map_arg(node.args, self.values.of_all)
        if node.target is torch.ops.expzoo.keep.default:
            return self._add("member", keep_calls(self.counters, *args[1:], out=buffer))
        rule = None if node.kwargs else RULES.get(node.target)
        found = rule(*args) if rule else None
        if found:
            target, args = found
            return self._add("batched", operations.write_into(target, args, {}, buffer))
        self.member_by_member.append(str(node.target))
        for index, part in enumerate(buffer):
            args, kwargs = self.values.arguments(node, index)
            self._add("member", operations.write_into(node.target, args, kwargs, part))
        return None

    def _by_kernel(self, node: fx.Node, out: Any) -> None:
        """Kernels work on members anyway: those of one network, an axis of length one, give way to all members."""
        args: Any = fx.node.map_arg(node.args, lambda used: self.values.of_all(used)[:, 0])
        self._add("batched", KERNELS[node.target](*args, out=of_each(out, lambda part: part[:, 0])))

    def _several(self, node: fx.Node, results: Sequence[Tensor | None]) -> None:
        """An operation with several results."""
        lent = [
            None if one is None else self.pool.get(*result_layout(node, one, self.values, self.members), one.dtype)
            for one in results
        ]
        for user in node.users:  # each takes one of them
            number: Any = user.args[1]
            if pair := lent[number]:
                self.memory[user] = [pair[0]]
        buffers = tuple(pair and pair[1] for pair in lent)
        self.values.put(node, buffers)
        if node.target in KERNELS:
            return self._by_kernel(node, buffers)
        self.member_by_member.append(str(node.target))
        for index in range(self.members):
            args, kwargs = self.values.arguments(node, index)
            parts = [None if buffer is None else buffer[index] for buffer in buffers]
            self._add("member", [partial(operations.compute_several, node.target, args, kwargs, parts)])
        return None

    def _pointwise(self, node: fx.Node, buffer: Tensor) -> None:
        borrowed: list[Tensor] = []
        exact = operations.is_exact(node.target, node.kwargs) or not self._has_floats(node, buffer)
        both: Any = fx.node.map_arg(
            (node.args, node.kwargs), lambda used: self._operand(used, node, buffer, exact=exact, borrowed=borrowed)
        )
        args, kwargs = both
        tensors = [value for value in (*args, *kwargs.values()) if isinstance(value, Tensor) and value.dim()]
        flat, whole = {id(one): stretch(one) for one in tensors}, stretch(buffer)
        alike = all(lies_as(one, buffer.shape, buffer.stride()) for one in tensors)
        if alike and whole is not None and all(one is not None for one in flat.values()):
            args = [flat.get(id(one), one) for one in args]
            kwargs = {name: flat.get(id(one), one) for name, one in kwargs.items()}
            self._add("flat", operations.write_into(node.target, args, kwargs, whole))
        else:
            self._add("batched", operations.write_into(node.target, args, kwargs, buffer))
        self._give_back(borrowed)

    def _has_floats(self, node: fx.Node, buffer: Tensor) -> bool:
        values = [buffer, *(self.values[used] for used in node.all_input_nodes)]
        return any(value.is_floating_point() or value.is_complex() for value in values)

    def _operand(
        self, node: fx.Node, reader: fx.Node, buffer: Tensor, *, exact: bool, borrowed: list[Tensor]
    ) -> Tensor:
        """An operand in the order of the result, so that both can be gone through as they lie in memory.

        An exact operation may also read an operand that is repeated along an axis, or that is its only one.
        """
        value = self.values[node]
        if value.dim() == 0 and self.values.is_constant(node):
            return value
        missing = buffer.dim() - value.dim()
        lined_up = value if self.values.is_constant(node) else value[(slice(None), *(None,) * missing)]
        if lies_as(lined_up, buffer.shape, buffer.stride()) and (exact or stretch(lined_up) is not None):
            return lined_up
        if self.values.is_constant(node):
            is_worth_it = lined_up.shape == buffer.shape[1:]
        else:
            is_worth_it = lined_up.shape == buffer.shape and is_dense(lined_up[0]) and len(reader.all_input_nodes) > 1
        if exact and not is_worth_it:
            return lined_up
        return self._in_order(node, lined_up, buffer, borrowed)

    def _in_order(self, node: fx.Node, value: Tensor, buffer: Tensor, borrowed: list[Tensor]) -> Tensor:
        """A copy of an operand in the order of `buffer`; of an input, which never changes, one for the whole tape."""
        if self.values.is_constant(node):
            # In memory of its own, which no earlier operation has when the tape runs again.
            return empty_crowd(torch.empty_like(buffer[0], dtype=value.dtype), self.members).copy_(value)
        root = self.lifetimes.root[node]
        identity = (root, value.storage_offset(), tuple(value.shape), value.stride(), buffer.shape, buffer.stride())
        if identity in self._reordered:
            return self._reordered[identity]
        raw, copy = self.pool.get(buffer.shape, buffer.stride(), value.dtype)
        self._add("copy", [partial(copy.copy_, value)])
        if root.op == "placeholder":
            self._reordered[identity] = copy
        else:
            borrowed.append(raw)
        return copy

    def _add(self, kind: str, calls: Sequence[Call]) -> None:
        for call in calls:
            call()  # so that what follows is planned on values of the right kind
        self.calls += calls
        self.kinds[kind] += len(calls)
