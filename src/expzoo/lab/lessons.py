"""How lessons are learned: from the store, or by outer loops that keep where they are."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from pytorch_lightning import Callback, Trainer

from expzoo.engine.lightning import KEEPING_SHARE, fit_module
from expzoo.lab.learned import divergence
from expzoo.lab.lesson import Learned, Lesson, crowds
from expzoo.lab.request import Want
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.signals import Interrupted

if TYPE_CHECKING:
    from expzoo.lab.resources import Resources
    from expzoo.store.network import Network, Partial

log = logging.getLogger(__name__)


class _Steps(Callback):
    """After each outer step: keep partial results when it is time, show progress, stop if a signal asked to."""

    def __init__(self, resources: Resources) -> None:
        self.resources = resources
        self.next = time.monotonic() + resources.partial_seconds

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """An outer step is done."""
        if self.resources.interruption.asked:
            trainer.should_stop = True
        self.resources.progress.advance(0, len(pl_module.lessons), 0)
        start = time.monotonic()
        if start >= self.next:
            for partial in pl_module.partials():
                self.resources.store.save_partial(partial)
            end = time.monotonic()
            self.next = end + max(self.resources.partial_seconds, (end - start) / KEEPING_SHARE)


def learn(resources: Resources, lessons: Sequence[Lesson]) -> list[Learned]:
    """The lessons, from the store or learned now, in order; Interrupted if a signal asked to stop."""
    wanted = {lesson.key: lesson for lesson in lessons}
    found = {key: network for key in wanted if (network := resources.store.load(key)) is not None}
    resources.account.cached |= found.keys()
    missing = [lesson for key, lesson in wanted.items() if key not in found]
    if missing:
        # Stopped in the middle of an outer step, the partial results of before are whole.
        with resources.training(len(missing), sum(lesson.outer_steps for lesson in missing)):
            resources.adoption.require_trainable(Want(lesson.inner) for lesson in missing)
            for group, partials in _groups(resources, missing):
                for network in _learn_group(resources, group, partials):
                    found[network.key] = network
    resources.account.note(found[key] for key in wanted)
    for key in wanted:
        if found[key].status == "diverged":
            log.warning("lesson %s: %s", key, divergence(found[key]))
    return [Learned(lesson, found[lesson.key]) for lesson in lessons]


def _groups(resources: Resources, lessons: Sequence[Lesson]) -> Iterator[tuple[list[Lesson], list[Partial | None]]]:
    """Lessons that go together and are at the same step, as many at once as a cache holds."""
    partials = {lesson.key: _kept(resources, lesson) for lesson in lessons}
    by_step: dict[int, list[Lesson]] = {}
    for lesson in lessons:
        partial = partials[lesson.key]
        by_step.setdefault(partial.step if partial else 0, []).append(lesson)
    for group in by_step.values():
        for crowd in crowds(group):
            yield crowd, [partials[lesson.key] for lesson in crowd]


def _kept(resources: Resources, lesson: Lesson) -> Partial | None:
    """Where a lesson was when it was last kept, if that is a place it can be at."""
    partial = resources.store.load_partial(lesson.key)
    if partial is not None and (not partial.step < lesson.outer_steps or partial.step not in partial.network.rows):
        resources.store.reject_partial(partial, "does not continue its lesson")
        return None
    return partial


def _learn_group(resources: Resources, lessons: list[Lesson], partials: list[Partial | None]) -> list[Network]:
    begin = time.perf_counter()
    with exact_arithmetic():
        loop = lessons[0].loop(lessons)
        loop.begin(partials)
        steps = [(step, step + 1) for step in range(loop.step_done, lessons[0].outer_steps)]
        fit_module(loop, steps, [_Steps(resources)], resources.accelerator)
    resources.account.spent([lesson.key for lesson in lessons], time.perf_counter() - begin)
    done = [network for network, ended in zip(loop.networks, loop.ended, strict=True) if ended]
    for network in done:
        network.machine = resources.store.machine
        resources.store.save(network)
        resources.account.trained.add(network.key)
    if len(done) < len(loop.networks):
        for partial in loop.partials():
            resources.store.save_partial(partial)
        raise Interrupted
    return done
