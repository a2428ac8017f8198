"""The lab: knows what is stored, fuses the rest into populations, trains them and commits each network as it ends.

It drives one or many analyses in lock-step: each is a generator that asks for networks, and all questions that are open
at one time are answered together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from expzoo.engine.assembly import Assembler
from expzoo.engine.evaluation import Evaluator, Measure
from expzoo.engine.session import Session, Trainee
from expzoo.spec import FINAL, Spec, Step
from expzoo.store import Network, Store

if TYPE_CHECKING:
    from torch import nn

log = logging.getLogger(__name__)
PARTIAL_SECONDS = 5.0


class Interrupted(Exception):  # noqa: N818  it is no error
    """Training was asked to stop; everything finished or kept stays in the store."""


class Irreproducible(RuntimeError):
    """A network trained again on the same machine class ended with other bits than the stored one."""


@dataclass(frozen=True)
class Request:
    """Networks that an analysis wants, with what is to be looked at: rows at `steps`, and measures."""

    specs: tuple[Spec, ...]
    measures: tuple[Measure, ...] = (Measure("accuracy", "test"),)
    steps: tuple[int, ...] = ()
    more: tuple[Request, ...] = ()

    def __add__(self, other: Request) -> Request:
        """Both at once: the answer holds the networks of this one, then those of the other."""
        return replace(self, more=(*self.more, other))

    def parts(self) -> Iterator[Request]:
        """The requests that this one is made of, each with its own measures."""
        yield self
        for other in self.more:
            yield from other.parts()


@dataclass(frozen=True)
class Trained:
    """A trained network as an analysis sees it."""

    spec: Spec
    network: Network = field(repr=False)

    @property
    def key(self) -> str:
        """The spec's key, 64 hexadecimal digits."""
        return self.spec.key

    @property
    def diverged(self) -> bool:
        """Whether its loss stopped being finite; its final row is then the last with a finite loss."""
        return self.network.status == "diverged"

    @property
    def step(self) -> int:
        """The number of updates that led to the final row."""
        return self.network.step

    def row(self, step: Step = FINAL) -> np.ndarray:
        """The weights (size,) after `step` updates; KeyError if they were not asked for."""
        return self.network.rows[self.network.step if step == FINAL else step]

    @property
    def mask(self) -> np.ndarray | None:
        """The mask (size,) of bool it was trained with."""
        return self.network.mask

    @property
    def losses(self) -> np.ndarray:
        """The batch loss before each update, (steps,)."""
        return self.network.losses

    def curve(self, metric: str = "accuracy", split: str = "test") -> dict[int, float]:
        """A measure over time: {step: value}."""
        return dict(sorted(self.network.measured.get(Measure(metric, split).label(self.spec), {}).items()))

    def value(self, metric: str = "accuracy", split: str = "test", step: Step = FINAL) -> float:
        """A measure at one step; NaN for a network that diverged."""
        return float("nan") if self.diverged else self.curve(metric, split)[self.step if step == FINAL else step]

    def rows(self, *measures: tuple[str, str], arm: str, curve: bool = False, **varied: Any) -> list[dict[str, Any]]:
        """Tidy rows of (metric, split) measures at the end, or at every step they were taken.

        The last row of each measure has `end` true; its value is NaN if the network diverged.
        """
        common = {"key": self.key, "seed": self.spec.seed, "arm": arm, **varied}
        found = []
        for metric, split in measures:
            end = {self.step: self.value(metric, split)}
            for step, value in (self.curve(metric, split) | end if curve else end).items():
                row = {"step": step, "split": split, "metric": metric, "value": value, "end": step == self.step}
                found.append(common | row)
        return found

    def parameters(self, step: Step = FINAL) -> dict[str, np.ndarray]:
        """Its weights by parameter name, each of the parameter's own shape."""
        return _by_name(self.spec, self.row(step))

    def masks(self) -> dict[str, np.ndarray]:
        """Its mask by parameter name, each bool of the parameter's own shape; ValueError if it has none."""
        if self.mask is None:
            raise ValueError(f"network {self.key} has no mask")
        return _by_name(self.spec, self.mask)

    def module(self, step: Step = FINAL) -> nn.Module:
        """An ordinary module with its weights, to take away."""
        import torch

        assembler = Assembler()
        row = torch.from_numpy(self.row(step).copy())
        return assembler.layout(self.spec).load(assembler.module(self.spec), row)


def _by_name(spec: Spec, row: np.ndarray) -> dict[str, np.ndarray]:
    import torch

    views = Assembler().layout(spec).view(torch.from_numpy(row))
    return {name: value.numpy() for name, value in views.items()}


@dataclass
class Want:
    """Everything that is wanted of one network, by whoever asks."""

    spec: Spec
    steps: set[int] = field(default_factory=set)
    measures: set[Measure] = field(default_factory=set)


@dataclass
class Tally:
    """What a lab did: networks trained and found, by key, and how long training took."""

    trained: set[str] = field(default_factory=set)
    cached: set[str] = field(default_factory=set)
    diverged: set[str] = field(default_factory=set)
    machines: set[str] = field(default_factory=set)
    training_seconds: float = 0.0
    member_steps: int = 0


class Progress(Protocol):
    """Shown while networks are trained."""

    def start(self, networks: int, steps: int) -> None: ...

    def advance(self, networks: int, steps: int) -> None: ...

    def finish(self) -> None: ...


def expand(requests: Iterable[Request]) -> dict[str, Want]:
    """Every network that the requests need, by key, the sources of their recipes included."""
    wants: dict[str, Want] = {}

    def add(spec: Spec, steps: Iterable[Step], measures: Iterable[Measure]) -> None:
        if spec.key not in wants:
            wants[spec.key] = Want(spec)
            for source, step in spec.sources():
                add(source, [step], ())
        wants[spec.key].steps.update(step for step in steps if step != FINAL)
        wants[spec.key].measures.update(measures)

    for part in (part for request in requests for part in request.parts()):
        for spec in part.specs:
            add(spec, part.steps, part.measures)
            for source, step in spec.sources():
                add(source, [step], ())
    return wants


class Lab:
    """Answers requests from the store and by training. `train` is its one-line form."""

    def __init__(
        self,
        store: Store,
        *,
        accelerator: str = "cpu",
        progress: Progress | None = None,
        partial_seconds: float = PARTIAL_SECONDS,
    ) -> None:
        import torch

        from expzoo.engine.lightning import Interruption

        self.store, self.accelerator, self.progress = store, accelerator, progress
        self.partial_seconds = partial_seconds
        self.tally = Tally()
        self.assembler = Assembler(torch.device(accelerator))
        self.evaluator = Evaluator()
        self.interruption = Interruption()

    def train(self, specs: Request | Sequence[Spec]) -> list[Trained]:
        """The trained networks of these specs, in order; Interrupted if a signal asked to stop."""
        request = specs if isinstance(specs, Request) else Request(tuple(specs))
        [answer] = self.answer([request])
        return answer

    def run_together(self, analyses: Sequence[Generator[Request, list[Trained], Any]]) -> list[Any]:
        """Drive generators in lock-step until all have returned; their results, in order."""
        results: dict[int, Any] = {}
        waiting: dict[int, Request] = {}

        def resume(index: int, reply: list[Trained] | None) -> None:
            try:
                waiting[index] = analyses[index].send(reply)  # type: ignore[arg-type]
            except StopIteration as stop:
                results[index] = stop.value

        for index in range(len(analyses)):
            resume(index, None)
        while waiting:
            asked, waiting = waiting, {}
            for index, reply in zip(asked, self.answer(list(asked.values())), strict=True):
                resume(index, reply)
        return [results[index] for index in range(len(analyses))]

    def answer(self, requests: Sequence[Request]) -> list[list[Trained]]:
        """Everything that the requests want: found, or trained in waves of what is ready."""
        wants = expand(requests)
        networks = self._found(wants)
        missing = {key: want for key, want in wants.items() if key not in networks}
        if missing:
            self._start_progress(missing)
            with self.interruption.listening():
                try:
                    while missing:
                        self._train_wave(missing, networks)
                        missing = {key: want for key, want in missing.items() if key not in networks}
                finally:
                    if self.progress:
                        self.progress.finish()
        for key in wants:
            self.tally.machines.add(networks[key].machine)
            if networks[key].status == "diverged":
                self.tally.diverged.add(key)
        return [
            [Trained(spec, networks[spec.key]) for part in request.parts() for spec in part.specs]
            for request in requests
        ]

    # What is there.

    def _found(self, wants: dict[str, Want]) -> dict[str, Network]:
        """The wanted networks that the store has, with everything that is wanted of them."""
        found = {}
        for key, want in wants.items():
            network = self.store.load(key)
            if network is not None and self._complete(network, want):
                found[key] = network
                self.tally.cached.add(key)
        return found

    def _complete(self, network: Network, want: Want) -> bool:
        """Whether all that is wanted is kept; what can be measured on kept rows is measured now."""
        total = want.spec.stop.build().at_most
        if any(step not in network.rows and step <= network.step for step in want.steps):
            return False
        lacking: dict[int, list[Measure]] = {}
        for measure in want.measures:
            have = network.measured.get(measure.label(want.spec), {})
            for step in {*(s for s in measure.when.steps(total) if s <= network.step), network.step} - have.keys():
                lacking.setdefault(step, []).append(measure)
        if any(step not in network.rows for step in lacking):
            return False
        if lacking:
            self._measure(network, want.spec, lacking)
        return True

    def _measure(self, network: Network, spec: Spec, lacking: dict[int, list[Measure]]) -> None:
        import torch

        from expzoo.engine.program import exact_arithmetic

        dataset = self.assembler.dataset(spec.dataset)
        with exact_arithmetic():
            for step, measures in lacking.items():
                row = torch.from_numpy(network.rows[step])
                values = self.evaluator.values(spec, dataset, row, measures)
                for measure, value in zip(measures, values, strict=True):
                    network.measured.setdefault(measure.label(spec), {})[step] = value
        self.store.save(network)

    # Training.

    def _start_progress(self, missing: dict[str, Want]) -> None:
        if self.progress:
            steps = sum(want.spec.stop.build().at_most for want in missing.values())
            self.progress.start(len(missing), steps)

    def _train_wave(self, missing: dict[str, Want], networks: dict[str, Network]) -> None:
        """Train everything whose sources are there."""
        ready = [want for want in missing.values() if all(source.key in networks for source, _ in want.spec.sources())]
        groups: dict[Any, dict[Spec, Trainee]] = {}
        for want in ready:
            partial = self.store.load_partial(want.spec.key)
            trainee = self.assembler.trainee(
                want.spec, networks, partial, frozenset(want.steps), sorted(want.measures, key=repr)
            )
            groups.setdefault((self.assembler.signature(want.spec), trainee.at), {})[want.spec] = trainee
        for group in groups.values():
            for chunk in self.assembler.chunks(list(group)):
                self._train_chunk([group[spec] for spec in chunk], networks)

    def _train_chunk(self, trainees: list[Trainee], networks: dict[str, Network]) -> None:
        from expzoo.engine.lightning import AfterBlock, KeepPartials, fit

        begin, start = time.perf_counter(), trainees[0].at
        program = self.assembler.program(trainees)
        session = Session(
            program, trainees, self.evaluator, lambda network: self._commit(network, networks), self.assembler.program
        )
        callbacks = [KeepPartials(self._keep, self.partial_seconds), AfterBlock(self.interruption.after_block)]
        if self.progress:
            callbacks.append(AfterBlock(_reporter(self.progress, session, len(trainees))))
        fit(session, callbacks, self.accelerator)
        self.tally.training_seconds += time.perf_counter() - begin
        self.tally.member_steps += (session.step - start) * len(trainees)
        if self.interruption.asked:
            self._keep(session)
            raise Interrupted
        for trainee in trainees:
            if trainee.must_restart:
                self.store.drop_partials(trainee.spec.key)

    def _keep(self, session: Session) -> None:
        for partial in session.partials():
            self.store.save_partial(partial)

    def _commit(self, network: Network, networks: dict[str, Network]) -> None:
        """Into the store; a network that was there already must have ended with the same bits."""
        stored = self.store.load_own(network.key)
        if stored is not None:
            if not np.array_equal(stored.rows[stored.step], network.rows[network.step]):
                raise Irreproducible(f"network {network.key} was trained again and ended with other bits")
            network.rows = stored.rows | network.rows
            for label, values in stored.measured.items():
                network.measured[label] = values | network.measured.get(label, {})
        network.machine = self.store.machine
        self.store.save(network)
        networks[network.key] = network
        self.tally.trained.add(network.key)


def _reporter(progress: Progress, session: Session, members: int) -> Callable[[Any, Session], None]:
    """A callback that tells the progress display what each block added."""
    seen = [session.step, 0]

    def report(_: Any, session: Session) -> None:
        finished = members - len(session.active)
        progress.advance(finished - seen[1], (session.step - seen[0]) * members)
        seen[:] = session.step, finished

    return report
