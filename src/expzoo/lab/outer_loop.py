"""The outer loop as a LightningModule, one outer step in each `training_step`, and how a lab learns lessons by it."""

from __future__ import annotations

import logging
import time
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import Tensor

from expzoo.components.learned_activations import divergence
from expzoo.engine.lightning import KEEPING_SHARE, fit_module
from expzoo.lab.lesson import Learned, Lesson, crowds
from expzoo.store.network import Network, Partial
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.signals import Stopped

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab


log = logging.getLogger(__name__)


class OuterLoop(LightningModule):
    """Learns several lessons side by side; what is learned of lesson i is `rows[i]` (size,).

    A subclass gives the first rows and what an outer step costs with its gradient; the update is its own too.
    """

    def __init__(self, lessons: Sequence[Lesson]) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.lessons = list(lessons)
        self.rows: list[Tensor] = []
        self.networks = [Network(lesson.key, "finished", 0, {}, np.empty(0, np.float64)) for lesson in lessons]
        self.step_done = 0
        self.ended = [False] * len(lessons)

    @abstractmethod
    def first_row(self, lesson: Any) -> Tensor:
        """What a lesson starts from, (size,)."""

    @abstractmethod
    def look(self, step: int) -> tuple[Tensor, Tensor]:
        """The cost of every lesson (lessons,) at its row, and the gradients (lessons, size)."""

    @abstractmethod
    def updated(self, lesson: Any, row: Tensor, gradient: Tensor) -> Tensor:
        """The next row."""

    def is_possible(self, row: Tensor) -> bool:
        """Whether inner networks can be trained with this row; if not, the lesson has diverged."""
        return bool(row.isfinite().all())

    def begin(self, partials: Sequence[Partial | None]) -> None:
        """Start every lesson, or go on where it was; all of them at the same step."""
        for place, (lesson, partial) in enumerate(zip(self.lessons, partials, strict=True)):
            if partial is None:
                self.rows.append(self.first_row(lesson))
                self.networks[place].rows[0] = self.rows[-1].numpy().copy()
            else:
                self.rows.append(torch.from_numpy(partial.theta.copy()))
                self.networks[place], self.step_done = partial.network, partial.step

    def training_step(self, batch: tuple[int, int], batch_idx: int) -> None:
        """One outer step of all lessons that have not ended."""
        step, _ = batch
        costs, gradients = self.look(step)
        for place, lesson in enumerate(self.lessons):
            if not self.ended[place]:
                self._advance(place, lesson, costs[place], gradients[place], step)
        self.step_done = step + 1
        if all(self.ended):
            self.trainer.should_stop = True

    def _advance(self, place: int, lesson: Lesson, cost: Tensor, gradient: Tensor, step: int) -> None:
        network = self.networks[place]
        following = self.updated(lesson, self.rows[place], gradient)
        if not (cost.isfinite() and gradient.isfinite().all()):
            self._diverged(place, max(step - 1, 0))  # this row itself is what diverges
        elif not self.is_possible(following):
            self._diverged(place, step)
        else:
            self.rows[place] = following
            network.losses = np.append(network.losses, float(cost))
            network.measured.setdefault(f"{lesson.KIND}/", {})[step] = float(cost)
            network.step = step + 1
            network.rows[step + 1] = following.numpy().copy()
            self.ended[place] = step + 1 == lesson.outer_steps

    def _diverged(self, place: int, good: int) -> None:
        """End a lesson with its row after `good` outer steps, the last with which inner networks could be trained."""
        network, self.ended[place] = self.networks[place], True
        network.status, network.step = "diverged", good
        network.measured.setdefault(f"{self.lessons[place].KIND}/", {})  # which says what kind of lesson it was
        network.rows = {at: row for at, row in network.rows.items() if at <= good}
        self.rows[place] = torch.from_numpy(network.rows[good].copy())

    def partials(self) -> list[Partial]:
        """Where every running lesson is, for the store."""
        running = (place for place, ended in enumerate(self.ended) if not ended)
        return [
            Partial(self.lessons[place].key, self.step_done, self.rows[place].numpy(), {}, self.networks[place])
            for place in running
            if self.step_done
        ]

    def configure_optimizers(self) -> None:
        """The outer update is a subclass's own."""

    def transfer_batch_to_device(self, batch: Any, device: torch.device, dataloader_idx: int) -> Any:
        """A batch is two numbers."""
        return batch


class _Steps(Callback):
    """After each outer step: keep partial results when it is time, show progress, stop if a signal asked to."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.next = time.monotonic() + lab.partial_seconds

    def on_train_batch_end(self, trainer: Trainer, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """An outer step is done."""
        if self.lab.interruption.asked:
            trainer.should_stop = True
        if self.lab.progress:
            self.lab.progress.advance(0, len(pl_module.lessons), 0)
        start = time.monotonic()
        if start >= self.next:
            for partial in pl_module.partials():
                self.lab.store.save_partial(partial)
            end = time.monotonic()
            self.next = end + max(self.lab.partial_seconds, (end - start) / KEEPING_SHARE)


def learn(lab: Lab, lessons: Sequence[Lesson]) -> list[Learned]:
    """The lessons, from the store or learned now, in order; Interrupted if a signal asked to stop."""
    wanted = {lesson.key: lesson for lesson in lessons}
    found = {key: network for key in wanted if (network := lab.store.load(key)) is not None}
    lab.tally.cached |= found.keys()
    missing = [lesson for key, lesson in wanted.items() if key not in found]
    if missing:
        lab.store.require_writable()
        if lab.progress:
            lab.progress.start(len(missing), sum(lesson.outer_steps for lesson in missing))
        try:
            with lab.interruption.listening(lab.progress.stopping if lab.progress else None):
                for group, partials in _groups(lab, missing):
                    for network in _learn_group(lab, group, partials):
                        found[network.key] = network
        except Stopped:  # in the middle of an outer step: the partial results of before are whole
            raise _interrupted() from None
        finally:
            if lab.progress:
                lab.progress.finish()
    lab.tally.diverged |= {key for key in wanted if found[key].status == "diverged"}
    lab.tally.machines |= {key: found[key].machine for key in wanted}
    for key in wanted:
        if found[key].status == "diverged":
            log.warning("lesson %s: %s", key, divergence(found[key]))
    return [Learned(lesson, found[lesson.key]) for lesson in lessons]


def _groups(lab: Lab, lessons: Sequence[Lesson]) -> Iterator[tuple[list[Lesson], list[Partial | None]]]:
    """Lessons that go together and are at the same step, as many at once as a cache holds."""
    partials = {lesson.key: _kept(lab, lesson) for lesson in lessons}
    by_step: dict[int, list[Lesson]] = {}
    for lesson in lessons:
        partial = partials[lesson.key]
        by_step.setdefault(partial.step if partial else 0, []).append(lesson)
    for group in by_step.values():
        for crowd in crowds(group):
            yield crowd, [partials[lesson.key] for lesson in crowd]


def _kept(lab: Lab, lesson: Lesson) -> Partial | None:
    """Where a lesson was when it was last kept, if that is a place it can be at."""
    partial = lab.store.load_partial(lesson.key)
    if partial is not None and (not partial.step < lesson.outer_steps or partial.step not in partial.network.rows):
        lab.store.reject_partial(partial, "does not continue its lesson")
        return None
    return partial


def _learn_group(lab: Lab, lessons: list[Lesson], partials: list[Partial | None]) -> list[Network]:
    begin = time.perf_counter()
    with exact_arithmetic():
        loop = lessons[0].loop(lessons)
        loop.begin(partials)
        steps = [(step, step + 1) for step in range(loop.step_done, lessons[0].outer_steps)]
        fit_module(loop, steps, [_Steps(lab)], lab.accelerator)
    lab.tally.spent([lesson.key for lesson in lessons], time.perf_counter() - begin)
    done = [network for network, ended in zip(loop.networks, loop.ended, strict=True) if ended]
    for network in done:
        network.machine = lab.store.machine
        lab.store.save(network)
        lab.tally.trained.add(network.key)
    if len(done) < len(loop.networks):
        for partial in loop.partials():
            lab.store.save_partial(partial)
        raise _interrupted()
    return done


def _interrupted() -> Exception:
    from expzoo.system.signals import Interrupted

    return Interrupted()
