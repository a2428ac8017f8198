"""From specs to programs: what is fused with what, each member at its start, and how many fit into one chunk."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import torch

from expzoo.engine.blueprints import Blueprints
from expzoo.engine.device import MINIMUM, Policy, policy_of
from expzoo.engine.feed import Feed, StreamFeed, feed
from expzoo.engine.large import Loop, is_large
from expzoo.engine.members.crowd import Unadoptable
from expzoo.engine.program import Member, Program, Row, StepMaker, Structure
from expzoo.engine.recipes import Recipes
from expzoo.engine.session import Trainee
from expzoo.spec.contracts import Stream
from expzoo.store.network import Network, Partial
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.canonical import canonical_json
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from torch import fx

    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset
    from expzoo.spec.measure import Measure
    from expzoo.spec.recipe import Event
    from expzoo.spec.spec import Spec

KEPT_PROGRAMS = 4
KEPT_GRAPHS = 64

Signature = tuple[Hashable, ...]


class Assembler:
    """Builds the parts of populations, and keeps those that the next population may share."""

    def __init__(
        self,
        blueprints: Blueprints | None = None,
        device: torch.device | None = None,
        most_members: int | None = None,
        policy: Policy | None = None,
    ) -> None:
        """`policy` is that of the device; `most_members` how many networks are fused at most, if fewer."""
        self.blueprints, self._allowed = blueprints or Blueprints(), most_members
        self.recipes = Recipes(self.blueprints)
        self.device = device or torch.device("cpu")
        self.policy = policy or policy_of(self.device)
        self._programs: OrderedDict[tuple[Signature, int], Program] = OrderedDict()
        self._graphs: dict[Signature, fx.GraphModule | None] = {}
        self._most: dict[Signature, int] = {}
        self._large: dict[Signature, bool] = {}
        self._kinds: dict[tuple[Component[Dataset], int], tuple[str, str, tuple[int, ...]]] = {}

    @property
    def most_members(self) -> int:
        """How many networks are fused at most."""
        return self._allowed or self.policy.most_members

    def trainee(
        self,
        spec: Spec,
        networks: Mapping[str, Network],
        partial: Partial | None = None,
        rows: frozenset[int] = frozenset(),
        measures: Sequence[Measure] = (),
        events: Sequence[Event] = (),
    ) -> Trainee:
        """A member at its start, or where a partial file says it was, and what is wanted of it."""
        mask = self.recipes.mask(spec, networks)
        if partial is None:
            row, at = Row(torch.from_numpy(self.recipes.initial_row(spec, networks))), 0
            network = Network(spec.key, "finished", 0, {}, np.empty(0, spec.dtype), mask)
        else:
            state = {name: torch.from_numpy(value) for name, value in partial.state.items()}
            row, at, network = Row(torch.from_numpy(partial.theta), state), partial.step, partial.network
        frozen = self.recipes.trained(spec)
        untrained = [m for m in (mask, frozen) if m is not None]
        trained = torch.from_numpy(np.logical_and.reduce(untrained)) if untrained else None
        member = Member(
            row,
            self.blueprints.plugin(spec.optimizer),
            self.blueprints.plugin(spec.schedule),
            None if trained is None else trained.to(getattr(torch, spec.dtype)),
            None if frozen is None else torch.from_numpy(self.recipes.initial_row(spec, networks)),
            spec.seed,
            self.recipes.fixed(spec, networks),
        )
        stop = self.blueprints.plugin(spec.stop)
        return Trainee(spec, stop, member, network, rows, (*measures,), (*events,), at)

    def continues(self, spec: Spec, partial: Partial) -> bool:
        """Whether a kept member is one that this spec's training can go on from."""
        names = set(self.blueprints.plugin(spec.optimizer).state)
        within = 0 < partial.step < self.blueprints.plugin(spec.stop).at_most
        row = partial.theta
        return (
            within
            and set(partial.state) == names
            and row.shape == (self.blueprints.row_size(spec),)
            and row.dtype == spec.dtype
        )

    # What can be fused.

    def signature(self, spec: Spec) -> Signature:
        """Specs with equal signatures can be members of one population."""
        dataset = self.blueprints.dataset(spec.dataset)
        stream = spec.dataset if isinstance(dataset, Stream) else None
        shapes = (tuple(dataset.inputs), dataset.outputs, dataset.batch_size, self._examples(spec), stream)
        kinds = (spec.model, spec.loss, spec.optimizer.name, spec.stop, spec.constraint, spec.parametrisation)
        growing = spec.schedule if self.blueprints.plugin(spec.schedule).batches else None
        return (*kinds, shapes, spec.dtype, growing)

    def _examples(self, spec: Spec) -> tuple[str, str, tuple[int, ...]]:
        """The types of x and y of training examples, and the shape of one target."""
        dataset = self.blueprints.dataset(spec.dataset)
        identity = (spec.dataset, dataset.identity(spec.seed))
        if identity not in self._kinds:
            split = dataset.split("train", spec.seed)
            self._kinds[identity] = split.x.dtype.str, split.y.dtype.str, split.y.shape[1:]
        return self._kinds[identity]

    def chunks(self, specs: Sequence[Spec], processes: int = 1) -> list[list[Spec]]:
        """Cut specs of one signature into populations of nearly equal size, as many for each of several processes."""
        ordered = sorted(specs, key=lambda s: canonical_json([s.optimizer.canonical(), s.schedule.canonical()]))
        if len(ordered) <= min(MINIMUM, self.most_members):
            return [ordered]  # and no program is made only to be measured
        most = min(self._fitting(specs[0]), self.most_members)
        processes = max(min(processes, len(ordered) // 2), 1)
        count = math.ceil(len(ordered) / most / processes) * processes
        edges = [len(ordered) * i // count for i in range(count + 1)]
        return [ordered[low:high] for low, high in itertools.pairwise(edges)]

    def _fitting(self, spec: Spec) -> int:
        """How many members the device's policy trains together."""
        signature = self.signature(spec)
        if signature not in self._most:
            with exact_arithmetic():
                program = self.new_program([spec, spec], [self._blank(spec)] * 2, rows=MINIMUM)
            tensors = [program.theta, program.grad, *program.state.values()]
            own = sum(tensor.nbytes for tensor in tensors) + program.tape.num_bytes
            interleaved = program.tape.is_interleaved
            self._most[signature] = self.policy.most(own, len(program.theta), interleaved=interleaved)
        return self._most[signature]

    def _rows(self, spec: Spec) -> int:
        """How many rows a population of such specs has at least: a function of the spec, never of the crowd."""
        return self._fitting(spec) if self.policy.crowds else MINIMUM

    # Programs.

    def _blank(self, spec: Spec) -> Member:
        dtype, count = getattr(torch, spec.dtype), len(spec.fixed)
        blank = torch.zeros(self.blueprints.layout(spec).size, dtype=dtype)
        row = Row(torch.zeros(self.blueprints.row_size(spec), dtype=dtype))
        return Member(
            row, self.blueprints.plugin(spec.optimizer), self.blueprints.plugin(spec.schedule), fixed=(blank,) * count
        )

    def probe(self, specs: Sequence[Spec]) -> Program:
        """A program of these specs with blank rows, to be timed."""
        return self.new_program(specs, [self._blank(spec) for spec in specs])

    def new_program(
        self,
        specs: Sequence[Spec],
        members: Sequence[Member],
        make_step: StepMaker | None = None,
        rows: int | None = None,
    ) -> Program:
        """A new program for members of one signature, on the graph of the last one; `make_step` is for its tape.

        It has at least `rows` rows, by default as many as the device's policy says.
        """
        signature, module = self.signature(specs[0]), self.blueprints.shared(specs[0])
        make_step = make_step or self._loop(specs[0])
        try:
            structure = Structure(
                module,
                specs[0].loss.build(),
                self.blueprints.plugin(specs[0].stop).at_most,
                self.blueprints.plugin(specs[0].constraint) if specs[0].constraint else None,
                self.blueprints.parametrisation(specs[0]),
            )
            program = Program(
                structure,
                members,
                self.feed_of(specs),
                device=self.device,
                graph=self._graphs.get(signature),
                make_step=make_step,
                rows=1 if make_step else rows or self._rows(specs[0]),
                capture=self.policy.capture,
            )
        except Unadoptable as error:
            raise BadInput(f"model={specs[0].model.name}: {error}") from error
        self._graphs[signature] = program.graph
        if len(self._graphs) > KEPT_GRAPHS:
            del self._graphs[next(iter(self._graphs))]
        return program

    def _loop(self, spec: Spec) -> partial[Loop] | None:
        """What trains a large network by itself; None for one that belongs into a population."""
        signature = self.signature(spec)
        if signature not in self._large:
            self._large[signature] = is_large(
                self.blueprints.module(spec), self.blueprints.dataset(spec.dataset), spec.seed
            )
        return partial(Loop, self.blueprints.module(spec), spec.loss.build()) if self._large[signature] else None

    def feed_of(self, specs: Sequence[Spec]) -> Feed:
        """What members with these specs are fed."""
        datasets = [self.blueprints.dataset(spec.dataset) for spec in specs]
        dtype = getattr(torch, specs[0].dtype)
        if isinstance(datasets[0], Stream):  # of which the members of a population share the options
            return StreamFeed(datasets[0], [spec.seed for spec in specs], dtype)
        owners = [(spec.dataset, d.identity(spec.seed)) for spec, d in zip(specs, datasets, strict=True)]
        return feed(datasets, [spec.seed for spec in specs], owners, dtype, self.device)

    def program(self, trainees: Sequence[Trainee], rows: Sequence[Row] | None = None) -> Program:
        """A program for these trainees, from `rows` if given: one of the same shape is used again."""
        members = [t.member for t in trainees]
        if rows is not None:
            members = [replace(member, row=row) for row, member in zip(rows, members, strict=True)]
        specs = [trainee.spec for trainee in trainees]
        identity = (self.signature(specs[0]), len(specs))
        if program := self._programs.get(identity):
            self._programs.move_to_end(identity)
            program.load(members, self.feed_of(specs))
            return program
        self._programs[identity] = program = self.new_program(specs, members)
        if len(self._programs) > KEPT_PROGRAMS:
            self._programs.popitem(last=False)
        return program
