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

from expzoo.engine.assembly import Assembler
from expzoo.engine.evaluation import Evaluator
from expzoo.engine.session import Session, Trainee
from expzoo.lab.accounting import Tally
from expzoo.lab.lesson import Learned, Lesson, Lessons
from expzoo.lab.lockstep import Asking, Result, lockstep
from expzoo.lab.lookup import Shelf
from expzoo.lab.progress import Progress, reporter
from expzoo.lab.trained import Request, Trained, Want, expand, lacks_a_source
from expzoo.store.leases import Leases
from expzoo.store.network import Network
from expzoo.store.store import Store
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.garbage import no_collection
from expzoo.system.machine import machine_class
from expzoo.system.signals import Interrupted, Interruption, Stopped

if TYPE_CHECKING:
    from expzoo.lab.workers import Crew
    from expzoo.spec.spec import Spec

log = logging.getLogger(__name__)
PARTIAL_SECONDS = 5.0
WAIT_SECONDS = 0.2  # between two looks at what others train


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
        share: tuple[int, int] = (0, 1),
        crew: Crew | None = None,
    ) -> None:
        """`share` = (i, n) begins with the i-th of n parts of the work; `crew` are the processes of the other parts."""
        import torch

        self.store, self.accelerator, self.progress = store, accelerator, progress
        self.partial_seconds, self.share, self.crew = partial_seconds, share, crew
        self.tally = Tally()
        self.leases = Leases(store.folder)
        self.assembler = Assembler(torch.device(accelerator))
        self.evaluator = Evaluator()
        self.interruption = Interruption()
        self.shelf = Shelf(store, self.leases, self.assembler, self.evaluator, self.tally)

    def train(self, specs: Request | Sequence[Spec]) -> list[Trained]:
        """The trained networks of these specs, in order; Interrupted if a signal asked to stop."""
        request = specs if isinstance(specs, Request) else Request(tuple(specs))
        [answer] = self.answer([request])
        return answer

    def fit(self, lessons: Sequence[Lesson]) -> list[Learned]:
        """What the outer loops of these lessons learned, in order; Interrupted if a signal asked to stop."""
        from expzoo.lab.outer_loop import learn

        return learn(self, lessons)

    def run_together(self, analyses: Sequence[Generator[Any, Any, Any]]) -> list[Any]:
        """Drive generators in lock-step until all have returned; their results, in order."""
        return self.drive(lockstep(analyses))

    def drive(self, asking: Asking[Result]) -> Result:
        """Answer what is asked until it returns; its result."""
        reply: Any = None
        while True:
            try:
                asked = asking.send(reply)
            except StopIteration as stop:
                return stop.value
            reply = self.answer(asked)

    def answer(self, requests: Sequence[Request | Lessons]) -> list[list[Any]]:
        """Everything that the requests want: found, or trained in waves of what is ready; lessons are learned."""
        networks = iter(self._networks([request for request in requests if isinstance(request, Request)]))
        return [self.fit(own.lessons) if isinstance(own, Lessons) else next(networks) for own in requests]

    def _networks(self, requests: Sequence[Request]) -> list[list[Trained]]:
        networks = self.obtain(expand(requests))
        return [
            [
                Trained(spec, networks[spec.key], self.assembler.dataset)
                for part in request.parts()
                for spec in part.specs
            ]
            for request in requests
        ]

    def obtain(self, wants: dict[str, Want]) -> dict[str, Network]:
        """All these networks by key: found, or trained in waves of what is ready."""
        self.shelf.refuse_absent_splits(wants)
        networks = self.shelf.found(wants)
        missing = {key: want for key, want in wants.items() if key not in networks}
        if missing:
            self.store.require_writable()
            self._start_progress(missing)
            try:
                with self.interruption.listening(self.progress.stopping if self.progress else None):
                    self._train(missing, networks)
            except (Stopped, Interrupted):
                if self.crew:
                    self.crew.interrupt()
                raise Interrupted from None
            finally:
                if self.progress:
                    self.progress.finish()
        for key in wants:
            self.tally.machines[key] = networks[key].machine
            if networks[key].status == "diverged":
                self.tally.diverged.add(key)
        return networks

    def close(self) -> None:
        """End the processes that work for this lab."""
        if self.crew:
            self.crew.close()

    # Training.

    def _start_progress(self, missing: dict[str, Want]) -> None:
        if self.progress:
            steps = sum(want.spec.stop.build().at_most for want in missing.values())
            self.progress.start(len(missing), steps)

    def _train(self, missing: dict[str, Want], networks: dict[str, Network]) -> None:
        """Train what is missing, or wait until others that share the store have trained it."""
        if self.crew and not self._is_shared:
            self.crew.send(missing.values())
        while missing:
            before = len(networks)
            self._train_wave(missing, networks)
            if self.interruption.asked:
                raise Interrupted
            missing = {key: want for key, want in missing.items() if key not in networks}
            if missing and len(networks) == before:
                self.crew.wait(WAIT_SECONDS) if self.crew else time.sleep(WAIT_SECONDS)
                networks.update(self.shelf.found(missing))
                missing = {key: want for key, want in missing.items() if key not in networks}
            for said in self.crew.lost() if self.crew else ():
                log.warning(said)

    def _train_wave(self, missing: dict[str, Want], networks: dict[str, Network]) -> None:
        """Train everything whose sources are there and that nobody else trains now."""
        with exact_arithmetic():
            self._train_ready(missing, networks)

    def _train_ready(self, missing: dict[str, Want], networks: dict[str, Network]) -> None:
        groups: dict[Any, dict[Spec, Trainee]] = {}
        for key, want in missing.items():
            if not self.leases.is_free(key):
                continue
            sources = [networks.get(source.key) for source, _ in want.spec.sources()]
            if None in sources:
                continue
            if lacks_a_source(want.spec, networks):
                self._commit(self._stillborn(want.spec, networks), networks)
                if self.progress:
                    self.progress.advance(1, 0, want.spec.stop.build().at_most)
                continue
            trainee = self._trainee(want, networks)
            groups.setdefault((self.assembler.signature(want.spec), trainee.at), {})[want.spec] = trainee
        for group in groups.values():
            for chunk in self._chunks(list(group)):
                ours = self.leases.take(spec.key for spec in chunk)
                try:
                    networks.update(self.shelf.found({key: missing[key] for key in ours}))  # ended by others meanwhile
                    left = [spec for spec in chunk if spec.key in ours - networks.keys()]
                    if left and self._is_shared:
                        self._train_shared([missing[spec.key] for spec in left], networks)
                    elif left:
                        self._train_chunk([group[spec] for spec in left], networks)
                finally:
                    self.leases.release(ours)

    @property
    def _is_shared(self) -> bool:
        """Whether all processes train one network together."""
        return self.crew is not None and bool(self.crew.strategy)

    def _chunks(self, specs: list[Spec]) -> list[list[Spec]]:
        """What is trained at a time, in the order in which this process tries it."""
        index, count = self.share
        if self._is_shared:
            return [[spec] for spec in specs]
        chunks = self.assembler.chunks(specs, count)
        first = len(chunks) * index // count
        return chunks[first:] + chunks[:first]

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

    def _train_shared(self, wants: list[Want], networks: dict[str, Network]) -> None:
        """Let the crew train networks one after the other."""
        begin = time.perf_counter()
        assert self.crew is not None
        self.crew.share(wants, lambda: self.interruption.asked)
        if self.interruption.asked:
            raise Interrupted
        found = self.shelf.found({want.spec.key: want for want in wants})
        networks.update(found)
        self.tally.trained |= found.keys()
        self.tally.cached -= found.keys()
        self.tally.spent(list(found), time.perf_counter() - begin)

    def _train_chunk(self, trainees: list[Trainee], networks: dict[str, Network]) -> None:
        with no_collection():
            from expzoo.engine.lightning import AfterBlock, KeepPartials, fit
        begin, start = time.perf_counter(), trainees[0].at
        stop = AfterBlock(self.interruption.after_block)
        callbacks: list[Any] = [KeepPartials(self._keep, self.partial_seconds), stop]
        build = self.assembler.program
        program = build(trainees)
        session = Session(program, trainees, self.evaluator, lambda done: self._commit(done, networks), build)
        if self.progress:
            callbacks.append(AfterBlock(reporter(self.progress, session)))
        try:
            fit(session, callbacks, self.accelerator)
        except Stopped:
            self._keep(session)
            raise
        training = time.perf_counter() - begin - session.looking_seconds
        self.tally.spent([trainee.spec.key for trainee in trainees], training, session.looking_seconds)
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


def train(specs: Request | Sequence[Spec], store: str | Path = "outputs/store") -> list[Trained]:
    """The trained networks of these specs, from the store or trained now: the one-line form for notebooks."""
    return Lab(Store(Path(store).absolute(), machine_class())).train(specs)
