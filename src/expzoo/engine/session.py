"""One population in training: advances a program, looks at its rows when they are due, and takes finished rows out."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from expzoo.engine.device import LONGEST
from expzoo.spec.measure import Measure
from expzoo.spec.when import boundaries
from expzoo.store.network import Network, Partial, Status

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.engine.evaluation import Evaluator
    from expzoo.engine.program import Member, Program, Row, Snapshot
    from expzoo.spec.contracts import Stop
    from expzoo.spec.recipe import Event
    from expzoo.spec.spec import Spec


@dataclass
class Trainee:
    """A member in training: what it is, what is wanted of it, and what has been kept so far."""

    spec: Spec
    stop: Stop
    member: Member
    network: Network
    rows: frozenset[int]
    measures: tuple[Measure, ...]
    events: tuple[Event, ...] = ()
    at: int = 0
    done: bool = False
    must_restart: bool = False  # it diverged at the very step it was resumed at: what came before is not known

    def watched(self) -> Measure | None:
        """What the stop rule looks at, None if it only counts steps."""
        return Measure(*self.stop.watches) if self.stop.every else None

    def history(self) -> list[float]:
        """What the stop rule has seen so far, one value for each look."""
        watched = self.watched()
        values = {} if watched is None else self.network.measured.get(watched.label(self.spec), {})
        return [value for step, value in sorted(values.items()) if step and step % self.stop.every == 0]

    def look(self, step: int) -> Look:
        """What is due after `step`: each measure once, what the stop rule and the events look at among them."""
        watched = self.watched()
        asks_stop = watched is not None and step > 0 and step % self.stop.every == 0
        events = tuple(event for event in self.events if step > 0 and step % event.every == 0)
        due = [measure for measure in self.measures if step in measure.when.steps(self.stop.at_most)]
        if watched is not None and asks_stop and watched not in due:
            due.append(watched)
        due += [Measure(event.metric, event.split) for event in events]
        return Look(step in self.rows or step == 0, asks_stop, tuple(due), events)

    def due(self) -> frozenset[int]:
        """Every step at which somebody looks."""
        total, every = self.stop.at_most, self.stop.every
        looks = [measure.when.steps(total) for measure in self.measures]
        stops = frozenset(range(every, total + 1, every)) if every else frozenset()
        events = [frozenset(range(event.every, total + 1, event.every)) for event in self.events]
        return self.rows.union(stops, *looks, *events)


@dataclass(frozen=True)
class Look:
    """What is due after one step of one member."""

    keeps_row: bool
    asks_stop: bool
    measures: tuple[Measure, ...]
    events: tuple[Event, ...]

    @property
    def is_due(self) -> bool:
        """Whether there is anything to do."""
        return self.keeps_row or self.asks_stop or bool(self.measures)


class Session:
    """Trains `trainees`, all at the same step, from there to their end; `commit` gets each finished network."""

    def __init__(
        self,
        program: Program,
        trainees: Sequence[Trainee],
        evaluator: Evaluator,
        commit: Callable[[Network], None],
        rebuild: Callable[[Sequence[Trainee], Sequence[Row]], Program],
        longest: int = LONGEST,
    ) -> None:
        """No block of steps is longer than `longest`."""
        self.program = program
        self.evaluator = evaluator
        self._commit = commit
        self._rebuild = rebuild
        self.trainees = list(trainees)
        self.step, self.looking_seconds = trainees[0].at, 0.0
        self.total = trainees[0].stop.at_most
        self._before: tuple[int, Snapshot] | None = None
        self._now: tuple[int, Snapshot] | None = None
        self._between = True  # blocks, or within the steps of one: what is kept of members is that of `step`
        due = frozenset[int]().union(*(trainee.due() for trainee in trainees))
        self.blocks = boundaries(self.total, self.step, due, longest)
        if self.step == 0:
            self._look(0)

    @property
    def active(self) -> list[Trainee]:
        """Who is still in training."""
        return [trainee for trainee in self.trainees if not trainee.done]

    def advance(self, start: int, stop: int) -> None:
        """Run optimizer steps start..stop-1 and do what is due after them; nothing if everybody is done."""
        if not self.active:
            return
        self._before, self._now = self._now, (start, self.program.snapshot())
        losses = self.program.advance(start, stop).cpu()
        self.step, self._between = stop, False
        ends = stop == self.total or any(one.stop.every and stop % one.stop.every == 0 for one in self.active)
        after = self._is_finite_after(stop) if ends else None
        for index, trainee in enumerate(self.trainees):
            if trainee.done:
                continue
            bad = _first_bad(losses[index])
            kept = losses[index, :bad]
            trainee.network.losses = np.concatenate([trainee.network.losses, kept.numpy()])
            if bad is not None:
                self._diverged(index, start + bad)
            elif after is not None and not after[index]:
                self._diverged(index, stop)
        self._look(stop)
        self._compact()
        self._between = True

    def _is_finite_after(self, step: int) -> list[bool]:
        """Whether each member's loss and weights are finite as they are."""
        losses, theta = self.program.look(step), self.program.theta
        return (losses.isfinite() & theta[: len(losses)].isfinite().all(1)).tolist()

    def partials(self) -> list[Partial]:
        """Where every running member is, for the store.

        In a block that was broken off it is where its steps began. None at the start, none while they are looked at.
        """
        if not self._between or self.step == 0:
            return []
        running = [(index, trainee) for index, trainee in enumerate(self.trainees) if not trainee.done]
        begun = self._now[1] if self._now and self._now[0] == self.step else self.program
        rows = [begun.row(index) for index, _ in running]
        return [
            Partial(
                key=trainee.spec.key,
                step=self.step,
                theta=row.theta.numpy(),
                state={name: value.numpy() for name, value in row.state.items()},
                network=trainee.network,
            )
            for row, (_, trainee) in zip(rows, running, strict=True)
        ]

    def _look(self, step: int) -> None:
        """Do what is due after `step` for every member that is in training, and end those that are done."""
        due = {index: trainee.look(step) for index, trainee in enumerate(self.trainees) if not trainee.done}
        if step < self.total and not any(look.is_due for look in due.values()):
            return
        theta = self.program.theta.cpu()  # at once, where it is elsewhere
        for index, look in due.items():
            row, trainee = theta[index], self.trainees[index]
            if look.keeps_row:
                trainee.network.rows[step] = row.numpy(force=True).copy()
            self._measure(index, row, step, look.measures)
            self._note_events(trainee, row, step, look.events)
            ended = look.asks_stop and trainee.stop.done(trainee.history())
            if look.asks_stop:
                self._keep_best(trainee, row, step)
            if ended or step == self.total:
                self._finish(index, row, step, "not_fitted" if trainee.stop.must_end and not ended else "finished")

    def _note_events(self, trainee: Trainee, row: Tensor, step: int, events: Sequence[Event]) -> None:
        """Keep the row at which an event happens for the first time."""
        network = trainee.network
        for event in events:
            value = network.measured[Measure(event.metric, event.split).label(trainee.spec)][step]
            if event.name not in network.events and value <= event.at_most:
                network.events[event.name] = step
                network.rows[step] = row.numpy(force=True).copy()

    def _keep_best(self, trainee: Trainee, row: Tensor, step: int) -> None:
        """Of a stop rule that asks for it, keep the row at which what it watches was best so far."""
        history, network = trainee.history(), trainee.network
        best = trainee.stop.best
        if best is None or best(history) != len(history) - 1:
            return
        last = network.events.get("best")
        needed = {*trainee.rows, 0, *(at for name, at in network.events.items() if name != "best")}
        if last is not None and last not in needed:
            del network.rows[last]
        network.events["best"] = step
        network.rows[step] = row.numpy(force=True).copy()

    def _measure(self, index: int, row: Tensor, step: int, measures: Sequence[Measure]) -> None:
        trainee = self.trainees[index]
        lacking = [m for m in measures if step not in trainee.network.measured.get(m.label(trainee.spec), {})]
        if not lacking:
            return
        begin = time.perf_counter()
        weights = self.program.weights(index, row).cpu()
        values = self.evaluator.values(trainee.spec, weights, lacking, trainee.network)
        for measure, value in zip(lacking, values, strict=True):
            trainee.network.measured.setdefault(measure.label(trainee.spec), {})[step] = value
        self.looking_seconds += time.perf_counter() - begin

    def _finish(self, index: int, row: Tensor, step: int, status: Status) -> None:
        trainee = self.trainees[index]
        network = trainee.network
        network.rows[step] = row.numpy(force=True).copy()
        network.status, network.step = status, step
        self._measure(index, row, step, trainee.measures)
        trainee.done = True
        self._commit(network)

    def _diverged(self, index: int, step: int) -> None:
        """Freeze a member at the last row with a finite loss: replay from a snapshot, which changes nobody's bits."""
        last = max(step - 1, 0)
        found = next((kept for kept in (self._now, self._before) if kept and kept[0] <= last), None)
        if found is None:
            self.trainees[index].done = self.trainees[index].must_restart = True
            return
        (start, snapshot), present = found, self.program.snapshot()
        self.program.restore(snapshot)
        if last > start:
            self.program.advance(start, last)
        row = self.program.theta[index].clone()
        self.program.restore(present)
        network = self.trainees[index].network
        network.rows = {kept: value for kept, value in network.rows.items() if kept <= last}
        network.events = {event: kept for event, kept in network.events.items() if kept <= last}
        for label, values in network.measured.items():
            network.measured[label] = {kept: value for kept, value in values.items() if kept <= last}
        self._finish(index, row, last, "diverged")

    def _compact(self) -> None:
        """Take finished rows out once they are at least half, so that nobody waits for them."""
        active = self.active
        if active and 2 * len(active) <= len(self.trainees):
            kept = [index for index, trainee in enumerate(self.trainees) if not trainee.done]
            self.program = self._rebuild(active, [self.program.row(index) for index in kept])
            self.trainees = active
            if self._now:
                start, snapshot = self._now
                self._now = start, snapshot.select(kept, len(self.program.theta))


def _first_bad(losses: Tensor) -> int | None:
    """The index of the first loss that is not finite."""
    bad = (~losses.isfinite()).nonzero()
    return int(bad[0]) if len(bad) else None
