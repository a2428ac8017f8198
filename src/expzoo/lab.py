"""The lab: knows what is stored, fuses the rest into populations, trains them and commits each network as it ends.

It drives one or many analyses in lock-step: each is a generator that asks for networks, and all questions that are open
at one time are answered together.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Generator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.engine.arithmetic import exact_arithmetic
from expzoo.engine.assembly import Assembler
from expzoo.engine.evaluation import Evaluator, Measure
from expzoo.engine.session import Session, Trainee
from expzoo.errors import BadInput
from expzoo.interruption import Interruption, Stopped
from expzoo.machine import machine_class
from expzoo.meta.lesson import Learned, Lesson, Lessons
from expzoo.progress import Progress, reporter
from expzoo.spec import Event
from expzoo.store import Network, Store
from expzoo.tally import Tally
from expzoo.trained import Request, Trained, Want, expand

if TYPE_CHECKING:
    from expzoo.spec import Spec

log = logging.getLogger(__name__)
PARTIAL_SECONDS = 5.0


class Interrupted(Exception):
    """Training was asked to stop; everything finished or kept stays in the store."""


class Irreproducible(RuntimeError):
    """A network trained again on the same machine class ended with other bits than the stored one."""


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

    def fit(self, lessons: Sequence[Lesson]) -> list[Learned]:
        """What the outer loops of these lessons learned, in order; Interrupted if a signal asked to stop."""
        from expzoo.meta.outer import learn

        return learn(self, lessons)

    def run_together(self, analyses: Sequence[Generator[Any, Any, Any]]) -> list[Any]:
        """Drive generators in lock-step until all have returned; their results, in order."""
        results: dict[int, Any] = {}
        waiting: dict[int, Any] = {}

        def resume(index: int, reply: list[Any] | None) -> None:
            try:
                waiting[index] = analyses[index].send(reply)
            except StopIteration as stop:
                results[index] = stop.value

        for index in range(len(analyses)):
            resume(index, None)
        while waiting:
            asked, waiting = waiting, {}
            for index, reply in zip(asked, self.answer(list(asked.values())), strict=True):
                resume(index, reply)
        return [results[index] for index in range(len(analyses))]

    def answer(self, requests: Sequence[Request | Lessons]) -> list[list[Any]]:
        """Everything that the requests want: found, or trained in waves of what is ready; lessons are learned."""
        networks = iter(self._networks([request for request in requests if isinstance(request, Request)]))
        return [self.fit(own.lessons) if isinstance(own, Lessons) else next(networks) for own in requests]

    def _networks(self, requests: Sequence[Request]) -> list[list[Trained]]:
        wants = expand(requests)
        self._refuse_absent_splits(wants)
        networks = self._found(wants)
        missing = {key: want for key, want in wants.items() if key not in networks}
        if missing:
            self.store.require_writable()
            self._start_progress(missing)
            try:
                with self.interruption.listening(self.progress.stopping if self.progress else None):
                    self._train(missing, networks)
            except Stopped:
                raise Interrupted from None
            finally:
                if self.progress:
                    self.progress.finish()
        for key in wants:
            self.tally.machines.add(networks[key].machine)
            if networks[key].status == "diverged":
                self.tally.diverged.add(key)
        return [
            [
                Trained(spec, networks[spec.key], self.assembler.dataset)
                for part in request.parts()
                for spec in part.specs
            ]
            for request in requests
        ]

    def _refuse_absent_splits(self, wants: dict[str, Want]) -> None:
        """BadInput, before anything is trained, if somebody looks at a split that a dataset does not have."""
        asked = {(want.spec.dataset, split): want.spec for want in wants.values() for split in want.splits()}
        faults = []
        for (dataset, split), spec in asked.items():
            try:
                self.evaluator.split(spec, self.assembler.dataset(dataset), split)
            except ValueError as error:
                faults.append(f"dataset={dataset.name}: {error}")
        if faults:
            raise BadInput("\n".join(sorted(set(faults))))

    # What is there.

    def _found(self, wants: dict[str, Want]) -> dict[str, Network]:
        """The wanted networks that the store has, with everything that is wanted of them."""
        found = {}
        for key, want in wants.items():
            network = self.store.load(key)
            if network is None or not self._fits(network, want.spec):
                continue
            lacking = want.lacking(network, network.step, ended=True)
            if lacking is None or any(step not in network.rows for step in lacking):
                continue
            if lacking and self.assembler.maps(want.spec):
                continue  # its rows are not weights: they are looked at on the way
            if lacking:
                self._measure(network, want.spec, lacking)
            self.store.drop_partials(key)  # what a kill between the last commit and its clean-up has left
            found[key] = network
            self.tally.cached.add(key)
        return found

    def _fits(self, network: Network, spec: Spec) -> bool:
        """Whether a stored network has the rows that its spec has; if not it is set aside."""
        row = network.rows[0]
        size = self.assembler.row_size(spec)
        if fits := row.shape == (size,) and row.dtype == spec.dtype:
            return fits
        self.store.reject(network, f"has rows of {row.shape[0]} {row.dtype}, not {size} {spec.dtype}")
        return False

    def _measure(self, network: Network, spec: Spec, lacking: dict[int, list[Measure]]) -> None:
        """Measure kept rows, and keep the values with the network."""
        import torch

        begin, dataset = time.perf_counter(), self.assembler.dataset(spec.dataset)
        with exact_arithmetic():
            for step, measures in lacking.items():
                row = torch.from_numpy(network.rows[step])
                values = self.evaluator.values(spec, dataset, row, measures, network)
                for measure, value in zip(measures, values, strict=True):
                    network.measured.setdefault(measure.label(spec), {})[step] = value
        self.tally.looking_seconds += time.perf_counter() - begin
        stored = self.store.load(network.key)  # with what others have looked at meanwhile
        if stored is not None and stored.machine == network.machine:
            network.take_over(stored)
        self.store.save(network)

    # Training.

    def _start_progress(self, missing: dict[str, Want]) -> None:
        if self.progress:
            steps = sum(want.spec.stop.build().at_most for want in missing.values())
            self.progress.start(len(missing), steps)

    def _train(self, missing: dict[str, Want], networks: dict[str, Network]) -> None:
        while missing:
            self._train_wave(missing, networks)
            if self.interruption.asked:
                raise Interrupted
            missing = {key: want for key, want in missing.items() if key not in networks}

    def _train_wave(self, missing: dict[str, Want], networks: dict[str, Network]) -> None:
        """Train everything whose sources are there."""
        with exact_arithmetic():
            self._train_ready(missing, networks)

    def _train_ready(self, missing: dict[str, Want], networks: dict[str, Network]) -> None:
        groups: dict[Any, dict[Spec, Trainee]] = {}
        for want in missing.values():
            sources = [networks.get(source.key) for source, _ in want.spec.sources()]
            if None in sources:
                continue
            if _lacks_a_source(want.spec, networks):
                self._commit(self._stillborn(want.spec, networks), networks)
                if self.progress:
                    self.progress.advance(1, 0, want.spec.stop.build().at_most)
                continue
            trainee = self._trainee(want, networks)
            groups.setdefault((self.assembler.signature(want.spec), trainee.at), {})[want.spec] = trainee
        for group in groups.values():
            for chunk in self.assembler.chunks(list(group)):
                self._train_chunk([group[spec] for spec in chunk], networks)

    def _stillborn(self, spec: Spec, networks: dict[str, Network]) -> Network:
        """What descends from a diverged network, or from a row that never came about, counts as diverged at step 0.

        It is not trained, and not dropped.
        """
        row = self.assembler.initial_row(spec, networks)
        mask = self.assembler.mask(spec, networks)
        return Network(spec.key, "diverged", 0, {0: row}, np.empty(0, spec.dtype), mask)

    def _trainee(self, want: Want, networks: dict[str, Network]) -> Trainee:
        """A member where it was kept, if all that is wanted up to there was kept too, else at its start."""
        partial = self.store.load_partial(want.spec.key)
        if partial is not None and not self.assembler.continues(want.spec, partial):
            self.store.reject_partial(partial, "does not continue the training of its spec")
            partial = None
        if partial is not None and want.lacking(partial.network, partial.step, ended=False) != {}:
            partial = None
        measures, events = sorted(want.measures, key=repr), sorted(want.events, key=repr)
        return self.assembler.trainee(want.spec, networks, partial, frozenset(want.steps), measures, events)

    def _train_chunk(self, trainees: list[Trainee], networks: dict[str, Network]) -> None:
        from expzoo.engine.lightning import AfterBlock, KeepPartials, fit

        begin, start = time.perf_counter(), trainees[0].at
        callbacks: list[Any] = [KeepPartials(self._keep, self.partial_seconds)]
        callbacks.append(AfterBlock(self.interruption.after_block))
        program = self.assembler.program(trainees)
        session = Session(
            program, trainees, self.evaluator, lambda done: self._commit(done, networks), self.assembler.program
        )
        if self.progress:
            callbacks.append(AfterBlock(reporter(self.progress, session)))
        try:
            fit(session, callbacks, self.accelerator)
        except Stopped:
            self._keep(session)
            raise
        self.tally.training_seconds += time.perf_counter() - begin - session.looking_seconds
        self.tally.looking_seconds += session.looking_seconds
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
        """Into the store; a network that was there already must have ended with the same bits.

        One that started otherwise descends from networks of another machine class, and gives way.
        """
        stored = self.store.load_own(network.key)
        if stored is not None and not stored.starts_as(network):
            log.warning("network %s is replaced: it descends from networks of another machine class", network.key)
        elif stored is not None:
            if not np.array_equal(stored.rows[stored.step], network.rows[network.step]):
                raise Irreproducible(f"network {network.key} was trained again and ended with other bits")
            network.take_over(stored)
        network.machine = self.store.machine
        self.store.save(network)
        networks[network.key] = network
        self.tally.trained.add(network.key)


def _lacks_a_source(spec: Spec, networks: dict[str, Network]) -> bool:
    """Whether a row that the spec is made from never came about: its network diverged, or its event did not happen."""
    sources = [(networks[source.key], step) for source, step in spec.sources()]
    return any(
        source.status == "diverged" or (isinstance(step, Event) and step.name not in source.events)
        for source, step in sources
    )


def train(specs: Request | Sequence[Spec], store: str | Path = "outputs/store") -> list[Trained]:
    """The trained networks of these specs, from the store or trained now: the one-line form for notebooks."""
    return Lab(Store(Path(store).absolute(), machine_class())).train(specs)
