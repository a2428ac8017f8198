"""The tensor program of one population: rows, masks, optimizer state and the tape that advances them all by a step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol, TypeVar

import numpy as np
import torch
from torch import Tensor, fx, nn

from expzoo.engine.batches import Batches, mean_over
from expzoo.engine.device import MINIMUM
from expzoo.engine.parametrised import Parametrised
from expzoo.engine.tape.layouts import is_read_by_pixel
from expzoo.engine.tape.tape import Tape
from expzoo.engine.tape.trace import objective, trace
from expzoo.spec.layout import ROW, Layout, round_up
from expzoo.system import randomness

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.engine.feed import Feed
    from expzoo.engine.members.crowd import Call
    from expzoo.spec.contracts import Constraint, Loss, Optimizer, Parametrisation, Schedule

Item = TypeVar("Item")


@dataclass
class Row:
    """The whole state of one member between two steps: what a partial file holds and a resumed member starts from."""

    theta: Tensor  # (size,)
    state: dict[str, Tensor] = field(default_factory=dict)  # each (size,); what is missing starts at zero


@dataclass(frozen=True)
class Member:
    """What may differ between the members of one population."""

    row: Row
    optimizer: Optimizer
    schedule: Schedule
    mask: Tensor | None = None  # (size,) of 0 and 1: where it is 0, nothing is trained
    anchor: Tensor | None = None  # (size,): what stands where nothing is trained, if that is not 0
    seed: int = 0  # of the counters that noise and positions on a curve are drawn from
    fixed: tuple[Tensor, ...] = ()  # each (size of a row of weights,): what a parametrisation is built on


@dataclass(frozen=True)
class Structure:
    """What the members of one population share; `module` gives the structure, not the weights."""

    module: nn.Module
    loss: Loss
    total: int  # the length of training that schedules see
    constraint: Constraint | None = None
    parametrisation: Parametrisation | None = None


class Step(Protocol):
    """Losses and gradients of all members on the batch that was loaded: a tape, or what stands for one."""

    outputs: list[Tensor]  # of which the last are the losses, (members,)
    num_bytes: int  # what it takes besides the program's own memory
    is_interleaved: bool  # whether its members are, and so fill whole vectors only together

    def run(self, step: int = 0, seeds: Sequence[int] | None = None) -> None:
        """Compute them; what a member draws is a function of the step's number and of its seed."""
        ...


StepMaker = Callable[[Mapping[str, Tensor], Mapping[str, Tensor], Tensor, Tensor], Step]
"""(parameters, gradients, x, y) -> a step on this memory of a program, each (members, ...)."""


@dataclass(frozen=True)
class Snapshot:
    """All rows at one moment: each tensor (members, size)."""

    theta: Tensor
    state: dict[str, Tensor]

    def select(self, rows: Sequence[int], length: int) -> Snapshot:
        """Some of the rows, the first repeated until there are `length`."""
        chosen = list(rows) + list(rows[:1]) * (length - len(rows))
        index = torch.tensor(chosen, device=self.theta.device)
        return Snapshot(self.theta[index], {name: value[index] for name, value in self.state.items()})

    def row(self, index: int) -> Row:
        """The state of one member, on the CPU."""
        return Row(self.theta[index].cpu(), {name: value[index].cpu() for name, value in self.state.items()})


@dataclass(frozen=True)
class _Update:
    """Neighbouring rows that one call of an optimizer updates, as views of the whole."""

    optimizer: Optimizer
    schedule: Schedule
    rows: slice
    theta: Tensor
    grad: Tensor
    state: dict[str, Tensor]
    noisy: bool


class Program:
    """Members that share a module, a loss, batch shapes and an optimizer's kind, advanced together.

    Row i of `theta` (rows, size) is member i; where members are fewer than rows, the rest are idle twins of the first.
    """

    def __init__(
        self,
        structure: Structure,
        members: Sequence[Member],
        feed: Feed,
        *,
        device: torch.device | None = None,
        graph: fx.GraphModule | None = None,
        make_step: StepMaker | None = None,
        rows: int = MINIMUM,
        capture: Callable[[Sequence[Call]], Call] | None = None,
    ) -> None:
        """`make_step` makes what stands for the tape; `capture` is a policy's.

        `graph` is that of another program with the same module, loss and shapes of one member: traced if None.
        """
        self.device = device or torch.device("cpu")
        self.layout = Layout.of(structure.module)
        self.total, self.constraint = structure.total, structure.constraint
        self._twins = max(rows - len(members), 0)
        self.theta = self._matrix([member.row.theta for member in members])
        self.grad = torch.zeros_like(self.theta)
        parametrisation = structure.parametrisation
        maps = parametrisation is not None and parametrisation.maps
        self.parametrised = Parametrised(parametrisation, self.layout, self.theta) if parametrisation and maps else None
        self._trained = torch.arange(self.theta.shape[1]) if self.parametrised else self.layout.places()
        self.load(members, feed)
        weights = self.parametrised.weights if self.parametrised else self.theta
        gradient = self._gradient = self.parametrised.grad if self.parametrised else self.grad
        self.x, self.y = map(self._static, feed.shapes(), feed.types())
        self.feed.prepare(0, 1)
        self.feed.load(0, self.x, self.y)
        parameters = self.layout.views(weights)
        self.graph: fx.GraphModule | None = None
        self.tape: Step
        if make_step:
            self.tape = make_step(parameters, self.layout.views(gradient), self.x, self.y)
            self.loss = self.tape.outputs[-1]
            return
        of = objective(structure.module.to(self.device), structure.loss)
        self.graph = graph or trace(of, parameters, self.x, self.y)
        if is_read_by_pixel([node for node in self.graph.graph.nodes if node.op == "placeholder"][-2]):
            self.x = self._by_pixel(self.x)
            self.feed.load(0, self.x, self.y)
        slots = dict(enumerate(self.layout.views(gradient).values()))
        self.tape = Tape(self.graph, [*parameters.values(), self.x, self.y], slots, capture)
        self.loss = self.tape.outputs[-1]

    def load(self, members: Sequence[Member], feed: Feed) -> None:
        """Put as many other members in the place of these, with their feed of the same shapes."""
        self.members, self.feed = list(members), feed
        self.batches = Batches(members[0].schedule, self.total)  # of which all members have the same
        self._seeds = [member.seed for member in self._with_twin(members)]
        self.theta.copy_(self._matrix([member.row.theta for member in members]))
        self.state = {
            name: self._matrix([m.row.state.get(name, torch.zeros_like(m.row.theta)) for m in members])
            for name in members[0].optimizer.state
        }
        if self.parametrised:
            self.parametrised.load(self._seeds, [member.fixed for member in self._with_twin(members)])
        ones = torch.ones(self.theta.shape[1], dtype=self.theta.dtype)
        masked = any(member.mask is not None for member in members)  # a factor of 1 keeps a gradient's bits
        masks = [ones if member.mask is None else member.mask.to(ones) for member in members]
        self.mask = self._matrix(masks) if masked else None
        anchored = any(member.anchor is not None for member in members)
        zeros = torch.zeros_like(ones)
        anchors = [zeros if member.anchor is None else member.anchor for member in members]
        self.anchor = self._matrix(anchors) if anchored else None
        settings = [(member.optimizer, member.schedule) for member in self._with_twin(members)]
        self._updates = [self._update_of(*run) for run in _runs(settings)]

    def _update_of(self, optimizer: Optimizer, schedule: Schedule, rows: slice) -> _Update:
        state = {name: value[rows] for name, value in self.state.items()}
        return _Update(optimizer, schedule, rows, self.theta[rows], self.grad[rows], state, optimizer.noisy)

    def _matrix(self, rows: Sequence[Tensor]) -> Tensor:
        """One row a member, and those of twins."""
        return torch.stack(self._with_twin(rows)).to(self.device)

    def _with_twin(self, items: Sequence[Item]) -> list[Item]:
        return list(items) + list(items[:1]) * self._twins

    def _static(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """A buffer (members, batch, ...) for batches of this shape, in the order that the feed wants."""
        members, (batch, *rest) = len(self.theta), shape
        if self.feed.batch_last:
            return self._room((members, *rest, batch), dtype).movedim(-1, 1)
        return self._room((members, *shape), dtype)

    def _by_pixel(self, images: Tensor) -> Tensor:
        """A buffer for the same images (members, batch, channels, height, width), channels innermost."""
        members, batch, channels, *size = images.shape
        return self._room((members, batch, *size, channels), images.dtype).movedim(-1, 2)

    def _room(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Zeros with room for flat operations."""
        size = torch.Size(shape).numel()
        return torch.zeros(round_up(size, ROW), dtype=dtype, device=self.theta.device)[:size].view(shape)

    def advance(self, start: int, stop: int) -> Float[Tensor, "members steps"]:
        """Run optimizer steps start..stop-1; the batch losses, each before its update."""
        losses = torch.empty(len(self.theta), stop - start, dtype=self.theta.dtype, device=self.theta.device)
        self._prepare(start, stop)
        for step in range(start, stop):
            losses[:, step - start] = self._differentiate(step)
            if self.parametrised:
                self.parametrised.pull(self.grad)
            if self.mask is not None:
                self.grad.mul_(self.mask)
            self._update(step)
        return losses[: len(self.members)]

    def look(self, step: int) -> Float[Tensor, " members"]:
        """The batch losses of the rows as they are, on the batch of this step; nothing is updated."""
        self._prepare(step, step + 1)
        return self._differentiate(step).clone()[: len(self.members)]

    def _prepare(self, start: int, stop: int) -> None:
        """Let the feed get ready for these steps."""
        batches = self.batches.of(start, stop)
        self.feed.prepare(batches.start, batches.stop)

    def _differentiate(self, step: int) -> Float[Tensor, " rows"]:
        """Bring the gradients of this step into their memory; the losses before it."""
        if self.parametrised:
            self.parametrised.push(self.theta, step)

        def run(batch: int) -> None:
            self.feed.load(batch, self.x, self.y)
            self.tape.run(batch, self._seeds)

        mean_over(self.batches.of(step, step + 1), run, (self._gradient, self.loss))
        return self.loss

    def _update(self, step: int) -> None:
        count = torch.full((), step + 1.0, device=self.theta.device)
        for one in self._updates:
            if one.noisy:
                one.state["noise"] = self._noise(one.rows, step)
            rate = one.optimizer.lr * one.schedule.factor(step, self.total)
            one.optimizer.step(one.theta, one.grad, one.state, rate, count)
        if self.constraint:
            if self.anchor is not None and self.mask is not None:
                self.theta.mul_(self.mask)  # a constraint is on what is trained
            self.constraint.project(self.theta, self.layout)
        if self.anchor is not None and self.mask is not None:
            self.theta.copy_(torch.where(self.mask != 0, self.theta, self.anchor))

    def _noise(self, rows: slice, step: int) -> Tensor:
        """Standard normal numbers like theta[rows], from each member's own counters; 0 where nothing is trained."""
        members = self._with_twin(self.members)[rows]
        drawn = [randomness.normals(member.seed, "noise", step, self._trained.numel()) for member in members]
        noise = torch.zeros(len(members), self.theta.shape[1], dtype=self.theta.dtype)
        noise[:, self._trained] = torch.from_numpy(np.stack(drawn)).to(noise.dtype)
        noise = noise.to(self.device)
        return noise if self.mask is None else noise.mul_(self.mask[rows])

    def weights(self, index: int, row: Float[Tensor, " size"]) -> Float[Tensor, " weights"]:
        """What is evaluated of member `index` where `row` is trained: a row of weights."""
        return self.parametrised.middle(index, row.to(self.theta)) if self.parametrised else row

    def snapshot(self) -> Snapshot:
        """A copy of all rows and their optimizer state."""
        return Snapshot(self.theta.clone(), {name: value.clone() for name, value in self.state.items()})

    def restore(self, snapshot: Snapshot) -> None:
        """Go back to a snapshot."""
        self.theta.copy_(snapshot.theta)
        for name, value in snapshot.state.items():
            self.state[name].copy_(value)

    def row(self, index: int) -> Row:
        """A copy of the state of one member, on the CPU."""
        state = {name: value[index].clone().cpu() for name, value in self.state.items()}
        return Row(self.theta[index].clone().cpu(), state)


def _runs(settings: Sequence[tuple[Optimizer, Schedule]]) -> Iterator[tuple[Optimizer, Schedule, slice]]:
    """Consecutive rows with the same optimizer and schedule objects: each run is one update."""
    start = 0
    for index in range(1, len(settings) + 1):
        if index == len(settings) or any(a is not b for a, b in zip(settings[index], settings[start], strict=True)):
            yield (*settings[start], slice(start, index))
            start = index
