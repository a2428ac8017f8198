"""The tape: the traced graph of one network as a flat list of calls that compute it for all members, on static buffers.

No autograd, no allocation, no modules. Exact in a crowd by construction: an operation is replayed in one of three ways,
  flat     pointwise on whole buffers, each padded to 64 elements, so that no element is ever in a vector's tail;
  batched  one call for all members, for operations measured equal for two or more members;
  member   one call for each member, for anything else.
So a tape has at least two members; one thread is the caller's duty.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from expzoo.engine.layers.dropout import Counters
from expzoo.engine.tape.planner import Planner

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from jaxtyping import Shaped
    from torch import Tensor, fx

    from expzoo.engine.members.crowd import Call


class Tape:
    """The calls that compute a graph's outputs. `outputs[i]` (members, ...) is where the i-th lies after `run()`."""

    def __init__(
        self,
        module: fx.GraphModule,
        inputs: Sequence[Shaped[Tensor, "members ..."]],
        slots: dict[int, Shaped[Tensor, "members ..."]],
        capture: Callable[[Sequence[Call]], Call] | None = None,
    ) -> None:
        """Plan the graph of one network for these static inputs of all members.

        The i-th output is written straight into `slots[i]` if given. `capture` makes one call of
        all, when they run for the first time; where the host draws random numbers it is not used.
        """
        self.counters = Counters(seeds=range(len(inputs[0])))
        planner = Planner(module, inputs, slots, self.counters)
        self.calls: list[Call] = planner.calls
        self.outputs: list[Tensor] = planner.outputs
        self.kinds: Counter[str] = planner.kinds
        self.member_by_member: list[str] = planner.member_by_member
        self.num_bytes = planner.pool.num_bytes
        draws = any(node.target is torch.ops.expzoo.keep.default for node in module.graph.nodes)
        self._capture = None if draws else capture
        self.is_interleaved = any(node.target is torch.ops.expzoo.interleave.default for node in module.graph.nodes)

    def run(self, step: int = 0, seeds: Sequence[int] | None = None) -> None:
        """One step of all members. What they draw is a function of its number and of each member's seed."""
        self.counters.step = step
        if seeds is not None:
            self.counters.seeds = seeds
        if self._capture:
            self.calls, self._capture = [self._capture(self.calls)], None
        for call in self.calls:
            call()
