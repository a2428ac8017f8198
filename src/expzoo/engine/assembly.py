"""From specs to programs: what is fused with what, the first row of each member, and how many fit into one chunk."""

from __future__ import annotations

import itertools
import math
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from expzoo.components.contracts import Stream
from expzoo.components.layout import Layout, construct, drawn_buffer
from expzoo.engine import masks
from expzoo.engine.feed import Feed, StreamFeed
from expzoo.engine.large import Loop, is_large
from expzoo.engine.members.crowd import Unadoptable
from expzoo.engine.parametrised import prunes
from expzoo.engine.program import MINIMUM, Member, Program, Row
from expzoo.engine.redraw import feed
from expzoo.engine.session import Trainee
from expzoo.engine.starts import flipped, row_at, solved
from expzoo.spec.component import Component
from expzoo.spec.spec import Event, Fresh, Init, Known, Rewind, SignFlip, Spec
from expzoo.store.network import Network, Partial
from expzoo.system import randomness
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.canonical import canonical_json
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from torch import fx

    from expzoo.components.contracts import Parametrisation
    from expzoo.spec.measure import Measure

CHUNK_BYTES = 8 * 2**20  # measured: the working set that stays in a cache of 16 to 32 MiB shared by two cores (LOG.md)
MOST_MEMBERS = 64
LEAST_BESIDE = 4  # of members that lie beside one another, and so fill whole vectors only together (LOG.md)
KEPT_PROGRAMS = 4
KEPT_GRAPHS = 64

Signature = tuple[Any, ...]


class Assembler:
    """Builds the parts of populations, and keeps those that the next population may share."""

    def __init__(self, device: torch.device | None = None, datasets: Callable[[Component], Any] | None = None) -> None:
        """`datasets` gives the dataset of a component; those of another assembler are not made again."""
        self.device = device or torch.device("cpu")
        self._programs: OrderedDict[tuple[Signature, int], Program] = OrderedDict()
        self._graphs: dict[Signature, fx.GraphModule | None] = {}
        self._most: dict[Signature, int] = {}
        self._layouts: dict[tuple[Component, Component], Layout] = {}
        self._large: dict[Signature, bool] = {}
        self.dataset = datasets or cache(Component.build)
        self._plugin = cache(Component.build)

    # What a spec needs.

    def module(self, spec: Spec, seed: int = 0) -> nn.Module:
        """The module of a spec, initialised from this seed; ValueError if the model does not fit the data."""
        dataset = self.dataset(spec.dataset)
        return construct(lambda: spec.model.build(dataset.inputs, dataset.outputs), seed, getattr(torch, spec.dtype))

    def layout(self, spec: Spec) -> Layout:
        """Where the parameters of the spec's module lie in a row."""
        identity = (spec.model, spec.dataset)
        if identity not in self._layouts:
            self._layouts[identity] = Layout.of(self.module(spec))
        return self._layouts[identity]

    def initial_row(self, spec: Spec, networks: Mapping[str, Network]) -> np.ndarray:
        """The row (size,) a spec starts from: its recipe's, with pruned entries at zero, mapped and projected."""
        row = self._first_row(spec, spec.init, networks)
        mask = self.mask(spec, networks)
        row = row if mask is None else np.where(mask, row, np.zeros_like(row))
        parametrisation = self.parametrisation(spec)
        if parametrisation and parametrisation.maps:
            if mask is not None:
                raise ValueError("a mask prunes weights, but the parametrisation trains something else: choose one")
            row = parametrisation.start(torch.from_numpy(row), torch.stack(self.fixed(spec, networks))).numpy()
        if spec.constraint:
            theta = torch.from_numpy(row.copy()).unsqueeze(0)
            self._plugin(spec.constraint).project(theta, self.layout(spec))
            row = theta[0].numpy()
        return row

    def parametrisation(self, spec: Spec) -> Parametrisation | None:
        """The spec's parametrisation, None if what is trained is what is evaluated."""
        return self._plugin(spec.parametrisation) if spec.parametrisation else None

    def maps(self, spec: Spec) -> bool:
        """Whether what is trained is not what is evaluated."""
        parametrisation = self.parametrisation(spec)
        return parametrisation is not None and parametrisation.maps

    def row_size(self, spec: Spec) -> int:
        """The length of a trained row of the spec."""
        parametrisation, layout = self.parametrisation(spec), self.layout(spec)
        return parametrisation.size(layout) if parametrisation and parametrisation.maps else layout.size

    def fixed(self, spec: Spec, networks: Mapping[str, Network]) -> tuple[torch.Tensor, ...]:
        """The rows that the spec's parametrisation is built on."""
        return tuple(torch.from_numpy(self._first_row(spec, recipe, networks)) for recipe in spec.fixed)

    def _first_row(self, spec: Spec, recipe: Init, networks: Mapping[str, Network]) -> np.ndarray:
        match recipe:
            case Fresh(draw=draw):
                module = self.module(spec, randomness.stable_hash(spec.seed, "init", draw))
                return self.layout(spec).row(module).numpy()
            case Rewind(of=source, step=step):
                return row_at(networks[source.key], step).copy()
            case Known(name=name, layers=layers):
                module = self.module(spec, randomness.stable_hash(spec.seed, "init", 0))
                return self.layout(spec).row(solved(module, name, self.dataset(spec.dataset), layers)).numpy()
            case SignFlip(of=source, step=step, k=k, seed=seed):
                return flipped(row_at(networks[source.key], step), self.layout(spec), k, seed)

    def mask(self, spec: Spec, networks: Mapping[str, Network]) -> np.ndarray | None:
        """The mask (size,) of bool of a spec, of its recipe and its parametrisation; None if it has none."""
        parametrisation = self.parametrisation(spec)
        pruned = parametrisation.trainable(self.layout(spec)) if parametrisation and prunes(parametrisation) else None
        if spec.mask is None:
            return pruned
        source = next(iter(spec.mask.sources()), None)
        read = None
        if source is not None:
            network = networks[source[0].key]
            read = row_at(network, source[1]), network.mask
        mask = masks.resolve(spec.mask, spec.seed, self.layout(spec), read)
        return mask if pruned is None else mask & pruned

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
        mask = self.mask(spec, networks)
        if partial is None:
            row, at = Row(torch.from_numpy(self.initial_row(spec, networks))), 0
            network = Network(spec.key, "finished", 0, {}, np.empty(0, spec.dtype), mask)
        else:
            state = {name: torch.from_numpy(value) for name, value in partial.state.items()}
            row, at, network = Row(torch.from_numpy(partial.theta), state), partial.step, partial.network
        frozen = self._frozen(spec)
        untrained = [m for m in (mask, frozen) if m is not None]
        trained = torch.from_numpy(np.logical_and.reduce(untrained)) if untrained else None
        member = Member(
            row,
            self._plugin(spec.optimizer),
            self._plugin(spec.schedule),
            None if trained is None else trained.to(getattr(torch, spec.dtype)),
            None if frozen is None else torch.from_numpy(self.initial_row(spec, networks)),
            spec.seed,
            self.fixed(spec, networks),
        )
        stop = self._plugin(spec.stop)
        dataset = self.dataset(spec.dataset)
        return Trainee(spec, dataset, stop, member, network, rows, (*measures,), (*events,), at)

    def continues(self, spec: Spec, partial: Partial) -> bool:
        """Whether a kept member is one that this spec's training can go on from."""
        names = set(self._plugin(spec.optimizer).state)
        within = 0 < partial.step < self._plugin(spec.stop).at_most
        row = partial.theta
        return (
            within and set(partial.state) == names and row.shape == (self.row_size(spec),) and row.dtype == spec.dtype
        )

    def _frozen(self, spec: Spec) -> np.ndarray | None:
        """What is trained of a row, if the rest keeps its initial values."""
        parametrisation = self.parametrisation(spec)
        if parametrisation is None or prunes(parametrisation):
            return None
        return parametrisation.trainable(self.layout(spec))

    # What can be fused.

    def signature(self, spec: Spec) -> Signature:
        """Specs with equal signatures can be members of one population."""
        dataset = self.dataset(spec.dataset)
        split = dataset.split("train", spec.seed)
        examples = (split.x.dtype.str, split.y.dtype.str, split.y.shape[1:])
        stream = spec.dataset if isinstance(dataset, Stream) else None
        shapes = (tuple(dataset.inputs), dataset.outputs, dataset.batch_size, examples, stream)
        kinds = (spec.model, spec.loss, spec.optimizer.name, spec.stop, spec.constraint, spec.parametrisation)
        return (*kinds, shapes, spec.dtype)

    def chunks(self, specs: Sequence[Spec], processes: int = 1) -> list[list[Spec]]:
        """Cut specs of one signature into populations of nearly equal size, as many for each of several processes."""
        ordered = sorted(specs, key=lambda s: canonical_json([s.optimizer.canonical(), s.schedule.canonical()]))
        if len(ordered) <= min(MINIMUM, MOST_MEMBERS):
            return [ordered]  # and no program is made only to be measured
        most = self._most_members(specs[0])
        processes = max(min(processes, len(ordered) // 2), 1)
        count = math.ceil(len(ordered) / most / processes) * processes
        edges = [len(ordered) * i // count for i in range(count + 1)]
        return [ordered[low:high] for low, high in itertools.pairwise(edges)]

    def _most_members(self, spec: Spec) -> int:
        """How many members stay in the cache together."""
        signature = self.signature(spec)
        if signature not in self._most:
            with exact_arithmetic():
                program = self.probe([spec, spec])
            tensors = [program.theta, program.grad, *program.state.values()]
            own = sum(tensor.nbytes for tensor in tensors) + program.tape.num_bytes
            least = LEAST_BESIDE if program.tape.lies_beside else MINIMUM
            self._most[signature] = min(max(CHUNK_BYTES * len(program.theta) // max(own, 1), least), MOST_MEMBERS)
        return self._most[signature]

    # Programs.

    def _blank(self, spec: Spec) -> Member:
        dtype, count = getattr(torch, spec.dtype), len(spec.fixed)
        blank = torch.zeros(self.layout(spec).size, dtype=dtype)
        row = Row(torch.zeros(self.row_size(spec), dtype=dtype))
        return Member(row, self._plugin(spec.optimizer), self._plugin(spec.schedule), fixed=(blank,) * count)

    def probe(self, specs: Sequence[Spec]) -> Program:
        """A program of these specs with blank rows, to be timed."""
        return self.new_program(specs, [self._blank(spec) for spec in specs])

    def new_program(
        self, specs: Sequence[Spec], members: Sequence[Member], share: Callable[..., Any] | None = None
    ) -> Program:
        """A new program for members of one signature, on the graph of the last one; or with `share` for its tape."""
        signature, module = self.signature(specs[0]), self.module(specs[0])
        if drawn := drawn_buffer(module, lambda: self.module(specs[0], 1)):
            why = f"its buffer {drawn} is drawn at random, but buffers are one for all members"
            raise BadInput(f"model={specs[0].model.name}: {why}; make it a parameter with parametrisation=frozen")
        try:
            program = Program(
                module,
                specs[0].loss.build(),
                members,
                self.feed_of(specs),
                total=self._plugin(specs[0].stop).at_most,
                constraint=self._plugin(specs[0].constraint) if specs[0].constraint else None,
                parametrisation=self.parametrisation(specs[0]),
                device=self.device,
                graph=self._graphs.get(signature),
                share=share or self._loop(specs[0]),
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
            self._large[signature] = is_large(self.module(spec), self.dataset(spec.dataset), spec.seed)
        return partial(Loop, self.module(spec), spec.loss.build()) if self._large[signature] else None

    def feed_of(self, specs: Sequence[Spec]) -> Feed:
        """What members with these specs are fed."""
        datasets = [self.dataset(spec.dataset) for spec in specs]
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
