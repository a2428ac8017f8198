"""One population in training: advances a program, looks at its rows when they are due, and takes finished rows out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.engine.evaluation import LOSS, Evaluator, Measure
from expzoo.store import Network, Partial, Status
from expzoo.when import boundaries

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.engine.program import Member, Program, Row, Snapshot
    from expzoo.interfaces import Stop
    from expzoo.spec import Spec

LONGEST = 50  # optimizer steps in one Lightning step at most: what a signal may have to wait for


@dataclass
class Trainee:
    """A member in training: what it is, what is wanted of it, and what has been kept so far."""

    spec: Spec
    dataset: Any
    stop: Stop
    member: Member
    network: Network
    rows: frozenset[int]
    measures: tuple[Measure, ...]
    at: int = 0
    done: bool = False
    must_restart: bool = False  # it diverged at the very step it was resumed at: what came before is not known

    def due(self) -> frozenset[int]:
        """Every step at which somebody looks."""
        total, every = self.stop.at_most, self.stop.every
        looks = [measure.when.steps(total) for measure in self.measures]
        stops = frozenset(range(every, total + 1, every)) if every else frozenset()
        return self.rows.union(stops, *looks)


class Session:
    """Trains `trainees`, all at the same step, from there to their end; `commit` gets each finished network."""

    def __init__(
        self,
        program: Program,
        trainees: Sequence[Trainee],
        evaluator: Evaluator,
        commit: Callable[[Network], None],
        rebuild: Callable[[Sequence[Trainee], Sequence[Row]], Program],
    ) -> None:
        self.program, self.evaluator, self._commit, self._rebuild = program, evaluator, commit, rebuild
        self.trainees = list(trainees)
        self.step = trainees[0].at
        self.total = trainees[0].stop.at_most
        self._before: tuple[int, Snapshot] | None = None
        self._now: tuple[int, Snapshot] | None = None
        due = frozenset[int]().union(*(trainee.due() for trainee in trainees))
        self.blocks = boundaries(self.total, self.step, due, LONGEST)
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
        self.step = stop
        for index, trainee in enumerate(self.trainees):
            if trainee.done:
                continue
            bad = _first_bad(losses[index])
            kept = losses[index, :bad]
            trainee.network.losses = np.concatenate([trainee.network.losses, kept.numpy()])
            if bad is not None:
                self._diverged(index, start + bad)
            elif stop == self.total and not bool(self.program.theta[index].isfinite().all()):
                self._diverged(index, stop)
        self._look(stop)
        self._compact()

    def partials(self) -> list[Partial]:
        """Where every running member is, for the store."""
        return [
            Partial(
                key=trainee.spec.key,
                step=self.step,
                theta=(row := self.program.row(index)).theta.numpy(),
                state={name: value.numpy() for name, value in row.state.items()},
                network=trainee.network,
            )
            for index, trainee in enumerate(self.trainees)
            if not trainee.done
        ]

    def _look(self, step: int) -> None:
        """Keep rows, measure and ask the stop rule, of every member for which it is time."""
        for index, trainee in enumerate(self.trainees):
            if trainee.done:
                continue
            row = self.program.theta[index]
            if step in trainee.rows or step == 0:
                trainee.network.rows[step] = row.numpy(force=True).copy()
            fitted = self._fitted(trainee, row, step)
            if fitted or step == self.total:
                self._finish(trainee, row, step, "finished" if fitted or not trainee.stop.every else "not_fitted")
            else:
                self._measure(trainee, row, step, [m for m in trainee.measures if step in m.when.steps(self.total)])

    def _fitted(self, trainee: Trainee, row: Tensor, step: int) -> bool:
        every = trainee.stop.every
        if not every or step == 0 or step % every:
            return False
        [loss] = self.evaluator.values(trainee.spec, trainee.dataset, row.cpu(), [Measure(LOSS, "train")])
        return trainee.stop.done(loss)

    def _measure(self, trainee: Trainee, row: Tensor, step: int, measures: Sequence[Measure]) -> None:
        values = self.evaluator.values(trainee.spec, trainee.dataset, row.cpu(), list(measures)) if measures else []
        for measure, value in zip(measures, values, strict=True):
            trainee.network.measured.setdefault(measure.label(trainee.spec), {})[step] = value

    def _finish(self, trainee: Trainee, row: Tensor, step: int, status: Status) -> None:
        network = trainee.network
        network.rows[step] = row.numpy(force=True).copy()
        network.status, network.step = status, step
        self._measure(trainee, row, step, trainee.measures)
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
        for label, values in network.measured.items():
            network.measured[label] = {kept: value for kept, value in values.items() if kept <= last}
        self._finish(self.trainees[index], row, last, "diverged")

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
    """The place of the first loss that is not finite."""
    bad = (~losses.isfinite()).nonzero()
    return int(bad[0]) if len(bad) else None
