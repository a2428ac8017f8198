"""Inner training loops of many networks as one function that can be differentiated, with bounded memory.

One inner step of ONE network is a pure function; it is traced twice, as it is and as its own
reverse, and both tapes are replayed for all members. So no graph of the whole loop is ever held:
reverse mode needs the states at which the steps began, and those between two kept ones are computed
again (Griewank & Walther 2000, checkpointing with one level: 2 sqrt(T) states instead of T). What
is computed again has the same bits, so memory never changes a result.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.fx.experimental.proxy_tensor import make_fx

from expzoo.engine.device import MINIMUM
from expzoo.engine.layers.differentiable import DifferentiableFunctions
from expzoo.engine.tape.simplify import simplify
from expzoo.engine.tape.tape import Tape
from expzoo.engine.tape.trace import DECOMPOSED
from expzoo.spec.layout import ROW, round_up
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Float

    from expzoo.spec.contracts import Split
    from expzoo.spec.layout import Layout

Values = dict[str, Tensor]
InnerStep = Callable[..., tuple[Values, Tensor]]
"""(state, meta, *inputs of this step) -> (next state, loss), all of ONE network; differentiable twice."""


def static(shape: Sequence[int], dtype: torch.dtype) -> Tensor:
    """A zero buffer with room for flat operations."""
    size = torch.Size(shape).numel()
    return torch.zeros(round_up(size, ROW), dtype=dtype)[:size].view(*shape)


@dataclass
class Batches:
    """What the steps of one inner loop see: batches by index, and numbers that are drawn beforehand.

    `splits` has one entry a member; members with one split share its copy. `drawn` is (steps,
    members, ...), added as a third input if it is given.
    """

    splits: Sequence[Split]
    batch_size: int
    dtype: torch.dtype
    drawn_shape: tuple[int, ...] | None = None
    inputs: list[Tensor] = field(init=False)

    def __post_init__(self) -> None:
        index_of = {id(split): index for index, split in enumerate({id(s): s for s in self.splits}.values())}
        own = list({id(split): split for split in self.splits}.values())
        self._x = torch.cat([torch.from_numpy(split.x.copy()) for split in own]).to(self.dtype)
        self._y = torch.cat([torch.from_numpy(split.y.copy()) for split in own])
        self._offsets = torch.tensor([index_of[id(split)] * len(own[0]) for split in self.splits])
        if len({len(split) for split in own}) > 1:
            raise ValueError("inner networks of one crowd need training sets of one size")
        members = len(self.splits)
        x, y = (static((members, self.batch_size, *data.shape[1:]), data.dtype) for data in (self._x, self._y))
        self.inputs = [x, y]
        if self.drawn_shape is not None:
            self.inputs.append(static((members, *self.drawn_shape), self.dtype))

    def load(self, indices: Sequence[np.ndarray], drawn: np.ndarray | None = None) -> None:
        """The order of the next inner loop: for each member the examples of each step, (steps, batch_size)."""
        each = [torch.from_numpy(own) + offset for own, offset in zip(indices, self._offsets, strict=True)]
        self._indices = torch.stack(each, 1).flatten(1)
        self._drawn = None if drawn is None else torch.from_numpy(drawn).to(self.dtype)

    def at(self, step: int) -> None:
        """Bring the inputs of this step."""
        x, y, *rest = self.inputs
        torch.index_select(self._x, 0, self._indices[step], out=x.flatten(0, 1))
        torch.index_select(self._y, 0, self._indices[step], out=y.flatten(0, 1))
        if rest and self._drawn is not None:
            rest[0].copy_(self._drawn[step])


class Unrolled:
    """Inner loops of `members` networks, at least two, and the gradient of what they cost with respect to `meta`.

    `start` (members, size of a state) and `meta` (members, size of meta) are set before each call.
    """

    def __init__(self, step: InnerStep, state: Layout, meta: Layout, batches: Batches) -> None:
        members, dtype = len(batches.splits), batches.dtype
        if members < MINIMUM:
            raise ValueError(f"{members} inner networks: a crowd has at least {MINIMUM}")
        self.batches = batches
        rows = {"size": (members, state.size), "meta": (members, meta.size)}
        self.start, self._state, self._next, self._adjoint, self._before = (
            static(rows["size"], dtype) for _ in range(5)
        )
        self.meta, self._meta_grad = (static(rows["meta"], dtype) for _ in range(2))
        self._weight = static((members,), dtype)
        given = [*state.views(self._state).values(), *meta.views(self.meta).values(), *batches.inputs]
        following = list(state.views(self._next).values())
        names = list(state.names), list(meta.names)
        self._advance = Tape(_graph(_forward(step, *names), given), given, dict(enumerate(following)))
        given += [*state.views(self._adjoint).values(), self._weight]
        results = [*state.views(self._before).values(), *meta.views(self._meta_grad).values()]
        self._reverse = Tape(_graph(_backward(step, *names), given), given, dict(enumerate(results)))
        self._loss = self._advance.outputs[-1]

    @property
    def num_bytes(self) -> int:
        """What one state of all members takes."""
        return self._state.nbytes

    def losses(self, steps: int) -> Float[Tensor, "members steps"]:
        """The batch loss before each update."""
        return self._run(steps, every=steps)[0]

    def gradient(
        self, weights: Float[Tensor, " steps"], checkpoint_every: int | None = None
    ) -> tuple[Float[Tensor, "members steps"], Float[Tensor, "members size"]]:
        """The losses, and the gradient with respect to meta of their sum weighted by `weights`.

        A state is kept every `checkpoint_every` steps, by default the root of their number; 1 keeps
        all and computes nothing twice.
        """
        steps = len(weights)
        every = math.ceil(math.sqrt(steps)) if checkpoint_every is None else checkpoint_every
        losses, kept = self._run(steps, every)
        total = torch.zeros_like(self.meta)
        self._adjoint.zero_()
        for begin in reversed(range(0, steps, every)):
            end = min(begin + every, steps)
            states = self._states(kept[begin // every], begin, end)
            for step in reversed(range(begin, end)):
                self._state.copy_(states[step - begin])
                self.batches.at(step)
                self._weight.fill_(weights[step])
                self._reverse.run()
                self._adjoint.copy_(self._before)
                total += self._meta_grad
        return losses, total

    def _run(self, steps: int, every: int) -> tuple[Tensor, list[Tensor]]:
        """Losses of all steps, and the states at multiples of `every`."""
        losses = torch.empty(len(self.start), steps, dtype=self.start.dtype)
        kept = []
        self._state.copy_(self.start)
        for step in range(steps):
            if step % every == 0:
                kept.append(self._state.clone())
            self._step(step)
            losses[:, step] = self._loss
        return losses, kept

    def _states(self, first: Tensor, begin: int, end: int) -> list[Tensor]:
        """The states at steps begin..end-1, from the one at `begin`."""
        states = [first]
        self._state.copy_(first)
        for step in range(begin, end - 1):
            self._step(step)
            states.append(self._state.clone())
        return states

    def _step(self, step: int) -> None:
        self.batches.at(step)
        self._advance.run()
        self._state.copy_(self._next)


def _forward(step: InnerStep, state: list[str], meta: list[str]) -> Callable[..., tuple[Tensor, ...]]:
    def forward(*tensors: Tensor) -> tuple[Tensor, ...]:
        own, learned, inputs = _split(tensors, state, meta)
        following, loss = step(own, learned, *inputs)
        return (*(following[name] for name in state), loss)

    return forward


def _backward(step: InnerStep, state: list[str], meta: list[str]) -> Callable[..., tuple[Tensor, ...]]:
    def backward(*tensors: Tensor) -> tuple[Tensor, ...]:
        *given, weight = tensors
        adjoint = dict(zip(state, given[-len(state) :], strict=True))
        own, learned, inputs = _split(given[: -len(state)], state, meta)

        def one(own: Values, learned: Values) -> tuple[Values, Tensor]:
            following, loss = step(own, learned, *inputs)
            return {name: following[name] for name in state}, loss

        pull_back = torch.func.vjp(one, own, learned)[1]
        of_state, of_meta = pull_back((adjoint, weight))
        return (*(of_state[name] for name in state), *(of_meta[name] for name in meta))

    return backward


def _split(tensors: Sequence[Tensor], state: list[str], meta: list[str]) -> tuple[Values, Values, Sequence[Tensor]]:
    middle = len(state) + len(meta)
    own = dict(zip(state, tensors[: len(state)], strict=True))
    return own, dict(zip(meta, tensors[len(state) : middle], strict=True)), tensors[middle:]


def _graph(function: Callable[..., tuple[Tensor, ...]], given: Sequence[Tensor]) -> torch.fx.GraphModule:
    """The graph of ONE network, traced on the first member."""
    with DifferentiableFunctions():
        module = make_fx(function, DECOMPOSED)(*(value[0] for value in given))
    simplify(module.graph)
    for node in module.graph.nodes:
        if torch.Tag.nondeterministic_seeded in getattr(node.target, "tags", ()):
            raise BadInput(f"an inner network calls {node.target}, which draws random numbers: choose one without")
    module.recompile()
    return module
