"""Trains what the store lacks: in waves of what is ready, fused into populations, each network committed as it ends."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

import numpy as np

from expzoo.engine.session import Session
from expzoo.lab.progress import reporter
from expzoo.lab.request import lacks_a_source
from expzoo.store.network import Network
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.garbage import no_collection
from expzoo.system.signals import Interrupted, Stopped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pytorch_lightning import Callback

    from expzoo.engine.assembly import Signature
    from expzoo.engine.session import Trainee
    from expzoo.lab.lookup import Lookup
    from expzoo.lab.request import Want
    from expzoo.lab.resources import Resources
    from expzoo.lab.workers import Workers
    from expzoo.spec.spec import Spec

log = logging.getLogger(__name__)
WAIT_SECONDS = 0.2  # between two looks at what others train
FEWEST_STEPS = 20_000  # of all members of a group together: fewer are not divided among processes

Networks = dict[str, Network]


class Irreproducible(RuntimeError):
    """A network trained again on the same machine class ended with other bits than the stored one."""


class Populations:
    """The training of one lab, by this process, its workers, and whoever shares the store."""

    def __init__(
        self, resources: Resources, lookup: Lookup, share: tuple[int, int] = (0, 1), workers: Workers | None = None
    ) -> None:
        """`share` = (i, n) begins with the i-th of n parts of the work; `workers` are the processes of the others."""
        self.resources = resources
        self.lookup = lookup
        self.share = share
        self.workers = workers

    def train(self, missing: Mapping[str, Want], networks: Networks) -> None:
        """Add what is missing to `networks`: trained, or waited for where others train it. Interrupted by signals."""
        if self.workers and not self._is_shared:
            self.workers.offer(missing.values())
        while missing:
            before = len(networks)
            with exact_arithmetic():
                self._train_ready(missing, networks)
            if self.resources.interruption.asked:
                raise Interrupted
            missing = {key: want for key, want in missing.items() if key not in networks}
            if missing and len(networks) == before:
                self.workers.wait(WAIT_SECONDS) if self.workers else time.sleep(WAIT_SECONDS)
                networks.update(self.lookup.found(missing))
                missing = {key: want for key, want in missing.items() if key not in networks}
            for line in self.workers.lost() if self.workers else ():
                log.warning(line)

    def _train_ready(self, missing: Mapping[str, Want], networks: Networks) -> None:
        """Train everything whose sources are there and that nobody else trains now."""
        for group in self._ready(missing, networks):
            for chunk in self._chunks(group):
                ours = self.resources.leases.take(spec.key for spec in chunk)
                try:  # what others have ended meanwhile is not trained again
                    networks.update(self.lookup.found({key: missing[key] for key in ours}))
                    left = [spec for spec in chunk if spec.key in ours - networks.keys()]
                    if left and self._is_shared:
                        self._train_shared([missing[spec.key] for spec in left], networks)
                        continue
                    for trainees in self._trainees([missing[spec.key] for spec in left], networks):
                        self._train_population(trainees, networks)
                finally:
                    self.resources.leases.release(ours)

    def _ready(self, missing: Mapping[str, Want], networks: Networks) -> list[list[Spec]]:
        """What can be trained now, in groups that can be fused; what lacks a source for good ends here.

        Of what starts in one way the first is made, and thrown away: whatever is refused is refused before training.
        """
        groups: dict[tuple[Signature, int], list[Spec]] = {}
        starts = set[tuple[object, ...]]()
        for key, want in missing.items():
            sources = [networks.get(source.key) for source, _ in want.spec.sources()]
            if not self.resources.leases.is_free(key) or None in sources:
                continue
            if lacks_a_source(want.spec, networks):
                self._commit(self._diverged_at_start(want.spec, networks), networks)
                self.resources.progress.advance(1, 0, want.spec.stop.shared.at_most)
                continue
            signature, partial = self.resources.assembler.signature(want.spec), self.lookup.partial(want)
            if (start := (signature, want.spec.start())) not in starts:
                self.lookup.trainee(want, networks)
                starts.add(start)
            groups.setdefault((signature, partial.step if partial else 0), []).append(want.spec)
        return list(groups.values())

    def _trainees(self, wants: list[Want], networks: Networks) -> list[list[Trainee]]:
        """The members to be trained, those together that are at one step."""
        found: dict[int, list[Trainee]] = {}
        for want in wants:
            trainee = self.lookup.trainee(want, networks)
            found.setdefault(trainee.at, []).append(trainee)
        return list(found.values())

    @property
    def _is_shared(self) -> bool:
        """Whether all processes train one network together."""
        return self.workers is not None and bool(self.workers.strategy)

    def _chunks(self, specs: list[Spec]) -> list[list[Spec]]:
        """What is trained at a time, in the order in which this process tries it."""
        index, count = self.share
        if self._is_shared:
            return [[spec] for spec in specs]
        if sum(spec.stop.shared.at_most for spec in specs) < FEWEST_STEPS:
            count = 1
        chunks = self.resources.assembler.chunks(specs, count)
        first = len(chunks) * index // count
        return chunks[first:] + chunks[:first]

    def _diverged_at_start(self, spec: Spec, networks: Networks) -> Network:
        """What descends from a diverged network, or from a row that never came about, counts as diverged at step 0.

        It is not trained, and not dropped.
        """
        recipes = self.resources.assembler.recipes
        row, mask = recipes.initial_row(spec, networks), recipes.mask(spec, networks)
        return Network(spec.key, "diverged", 0, {0: row}, np.empty(0, spec.dtype), mask)

    def _train_shared(self, wants: list[Want], networks: Networks) -> None:
        """Let the workers train networks together, one after the other."""
        begin, interruption, account = time.perf_counter(), self.resources.interruption, self.resources.account
        assert self.workers is not None
        for want in wants:
            self.lookup.partial(want)  # so that a bad one is set aside before several processes read it
        self.workers.share(wants, lambda: interruption.asked)
        if interruption.asked:
            raise Interrupted
        found = self.lookup.found({want.spec.key: want for want in wants})
        networks.update(found)
        account.trained |= found.keys()
        account.cached -= found.keys()
        account.spent(list(found), time.perf_counter() - begin)

    def _train_population(self, trainees: list[Trainee], networks: Networks) -> None:
        with no_collection():
            from expzoo.engine.lightning import AfterBlock, KeepPartials, fit
        own, begin, start = self.resources, time.perf_counter(), trainees[0].at
        build = own.assembler.program
        program = build(trainees)
        longest = own.assembler.policy.longest
        session = Session(program, trainees, own.evaluator, lambda done: self._commit(done, networks), build, longest)
        callbacks: list[Callback] = [
            KeepPartials(self._keep, own.partial_seconds),
            AfterBlock(own.interruption.after_block),
            AfterBlock(reporter(own.progress, session)),
            *map(AfterBlock, own.watchers),
        ]
        try:
            fit(session, callbacks, own.accelerator)
        except Stopped:
            self._keep(session)
            raise
        training = time.perf_counter() - begin - session.looking_seconds
        own.account.spent([trainee.spec.key for trainee in trainees], training, session.looking_seconds)
        own.account.member_steps += (session.step - start) * len(trainees)
        if own.interruption.asked:
            self._keep(session)
            raise Interrupted
        for trainee in trainees:
            if trainee.must_restart:
                own.store.drop_partials(trainee.spec.key)

    def _keep(self, session: Session) -> None:
        for partial in session.partials():
            self.resources.store.save_partial(partial)

    def _commit(self, network: Network, networks: Networks) -> None:
        """Into the store; a network that was there already must have ended with the same bits.

        One that started otherwise descends from networks of another machine class, and gives way.
        """
        store = self.resources.store
        stored = store.load_own(network.key)
        if stored is not None and not stored.starts_as(network):
            log.warning("network %s is replaced: it descends from networks of another machine class", network.key)
        elif stored is not None:
            if not np.array_equal(stored.rows[stored.step], network.rows[network.step]):
                raise Irreproducible(f"network {network.key} was trained again and ended with other bits")
            network.take_over(stored)
        network.machine = store.machine
        store.save(network)
        networks[network.key] = network
        self.resources.account.trained.add(network.key)
