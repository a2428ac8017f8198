"""The lab: knows what is stored, fuses the rest into populations, trains them and commits each network as it ends.

It drives one or many analyses in lock-step: each is a generator that asks for networks, and all
questions that are open at one time are answered together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from expzoo.lab.lesson import Learned, Lesson, Lessons
from expzoo.lab.lockstep import Analysing, Asking, Result, lockstep
from expzoo.lab.lookup import Lookup
from expzoo.lab.populations import Populations
from expzoo.lab.progress import SILENT, Progress, notebook_progress
from expzoo.lab.request import Request, Want, expand
from expzoo.lab.resources import PARTIAL_SECONDS, Resources
from expzoo.lab.trained import Trained
from expzoo.spec.spec import Spec
from expzoo.store.store import Store
from expzoo.system.errors import BadInput
from expzoo.system.machine import machine_class
from expzoo.system.signals import Interrupted

if TYPE_CHECKING:
    from expzoo.lab.workers import Workers
    from expzoo.store.network import Network


class Lab:
    """Answers requests from the store and by training. `train` is its one-line form."""

    def __init__(
        self,
        store: Store,
        *,
        accelerator: str = "cpu",
        progress: Progress = SILENT,
        partial_seconds: float = PARTIAL_SECONDS,
        share: tuple[int, int] = (0, 1),
        workers: Workers | None = None,
        most_members: int | None = None,
    ) -> None:
        """`share` = (i, n) begins with the i-th of n parts of the work; `workers` are the processes of the others.

        At most `most_members` networks are fused, if fewer than usual, which changes none of them.
        """
        self.resources = Resources(
            store,
            accelerator=accelerator,
            progress=progress,
            partial_seconds=partial_seconds,
            most_members=most_members,
        )
        self.store, self.account = store, self.resources.account
        self.assembler, self.interruption = self.resources.assembler, self.resources.interruption
        self.workers = workers
        self._lookup = Lookup(self.resources)
        self._populations = Populations(self.resources, self._lookup, share, workers)

    def train(self, specs: Request | Sequence[Spec]) -> list[Trained]:
        """The trained networks of these specs, in order; Interrupted if a signal asked to stop."""
        request = specs if isinstance(specs, Request) else Request(tuple(specs))
        [answer] = self._networks([request])
        return answer

    def fit(self, lessons: Sequence[Lesson]) -> list[Learned]:
        """What the outer loops of these lessons learned, in order; Interrupted if a signal asked to stop."""
        from expzoo.lab.lessons import learn

        return learn(self.resources, lessons)

    def run_together(self, analyses: Sequence[Analysing[Result]]) -> list[Result]:
        """Drive generators in lock-step until all have returned; their results, in order."""
        return self.drive(lockstep(analyses))

    def drive(self, asking: Asking[Result]) -> Result:
        """Answer what is asked until it returns; its result."""
        reply: list[list[Trained] | list[Learned]] | None = None
        while True:
            try:
                requests = next(asking) if reply is None else asking.send(reply)
            except StopIteration as stop:
                return stop.value
            reply = self.answer(requests)

    def answer(self, requests: Sequence[Request | Lessons]) -> list[list[Trained] | list[Learned]]:
        """Everything that the requests want: found, or trained in waves of what is ready; lessons are learned."""
        networks = iter(self._networks([request for request in requests if isinstance(request, Request)]))
        return [self.fit(own.lessons) if isinstance(own, Lessons) else next(networks) for own in requests]

    def _networks(self, requests: Sequence[Request]) -> list[list[Trained]]:
        networks, datasets = self.obtain(expand(requests)), self.resources.blueprints.dataset
        return [
            [Trained(spec, networks[spec.key], datasets) for part in request.parts() for spec in part.specs]
            for request in requests
        ]

    def obtain(self, wants: Mapping[str, Want]) -> dict[str, Network]:
        """All these networks by key: found, or trained in waves of what is ready."""
        self._lookup.refuse_absent_splits(wants)
        self.resources.adoption.say_changed_sources(wants.values())
        self.resources.adoption.require_measurable(wants.values())
        networks = self._lookup.found(wants)
        if missing := {key: want for key, want in wants.items() if key not in networks}:
            steps = sum(want.spec.stop.shared.at_most for want in missing.values())
            try:
                with self.resources.training(len(missing), steps):
                    self.resources.adoption.require_trainable(missing.values())
                    self._populations.train(missing, networks)
            except Interrupted:
                if self.workers:
                    self.workers.interrupt()
                raise
        self.account.note(networks[key] for key in wants)
        return networks

    def close(self) -> None:
        """End the processes that work for this lab."""
        if self.workers:
            self.workers.close()


def train(specs: Request | Sequence[Spec], store: str | Path = "outputs/store") -> list[Trained]:
    """The trained networks of these specs, from the store or trained now: the one-line form for notebooks.

        cfg = expzoo.compose("model.width=50", "stop.steps=500")
        networks = expzoo.train([expzoo.Spec.from_config(cfg, seed) for seed in range(8)])
        networks[0].row()                    # the weights, (size,)

    Raises:
        BadInput: that are no specs, or some that cannot be trained.
    """
    if not isinstance(specs, Request):
        specs = _listed(specs)
    return Lab(Store(Path(store).absolute(), machine_class()), progress=notebook_progress()).train(specs)


def _listed(specs: object) -> list[Spec]:
    """The specs as a list; BadInput, with what to write instead, if they are none."""
    if isinstance(specs, Spec):
        raise BadInput("train takes a list of specs, not one: write train([spec])")
    given = [*specs] if isinstance(specs, Iterable) and not isinstance(specs, str | Mapping) else [specs]
    for one in given:
        if not isinstance(one, Spec):
            told = "write train([Spec.from_config(cfg, seed) for seed in range(8)]), with cfg = compose(...)"
            raise BadInput(f"train takes a list of specs, not {type(one).__name__}: {told}")
    return given
