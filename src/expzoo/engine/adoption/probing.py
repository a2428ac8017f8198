"""What can be seen of a probe: what it gives for two networks, twice, and whether it leaves them alone."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from expzoo.components.probes import Point
from expzoo.engine.adoption import looks
from expzoo.engine.adoption.fault import Fault, Refused, first_seen, same
from expzoo.engine.adoption.state import moved, remembered
from expzoo.engine.layers.differentiable import DifferentiableFunctions
from expzoo.engine.layers.normalisation import hold_statistics
from expzoo.engine.tape.trace import objective
from expzoo.science.numerics.empirical import EmpiricalLoss
from expzoo.spec.layout import ROW, Layout, construct, round_up
from expzoo.system.arithmetic import exact_arithmetic

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float

    from expzoo.components.probes import Probe
    from expzoo.engine.adoption.plain import Batch
    from expzoo.engine.blueprints import Blueprints
    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Loss
    from expzoo.spec.spec import Spec

EXAMPLES = 64  # of a batch that it sees, at most: of few all targets may be alike
FEATURES, HIDDEN = 16, 4  # of the networks that it is tried on
EXACT = 1e-9  # relative: sums over more zeros
PADDED = (
    "its number depends on the zeros between the parameters of a row, which are no weights: take "
    "point.row[point.places]"
)
SEEN = "the weights or the data it is given, which others look at too: work on point.row.clone(), x.clone(), ..."


@dataclass(frozen=True)
class Few(Point):
    """A point whose split has few examples: as many as there are, where more are asked for."""

    def data(self, examples: int | None = None) -> tuple[Tensor, Tensor]:
        """The first `examples` x and y, or all that there are."""
        x, y = self._data()
        return x[:examples], y[:examples]


@dataclass(frozen=True)
class Wider(Layout):
    """The same parameters with a row's worth of zeros after each."""

    @cached_property
    def offsets(self) -> tuple[int, ...]:
        """Where each parameter starts in a row."""
        sizes = [round_up(math.prod(shape), ROW) + ROW for shape in self.shapes]
        return (0, *itertools.accumulate(sizes[:-1]))


class Small(nn.Module):
    """Few smooth units on few numbers of an example, whatever these are: cheap to differentiate twice."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.LazyLinear(HIDDEN), nn.Linear(HIDDEN, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """The outputs, of whole numbers too."""
        return self.last(self.first(x.flatten(1)[:, :FEATURES].to(self.last.weight)).tanh())


def look_at_probe(component: Component[Probe], spec: Spec, blueprints: Blueprints) -> Fault | None:
    """Why a probe would not measure networks like this spec, if so: it writes, remembers, draws, or reads padding.

    It is shown small networks on the spec's data, and the spec's own if it raises on these. Unseen if it raises then.
    """
    dataset = blueprints.dataset(spec.dataset)
    [(x, y)] = looks.batches(dataset, spec.seed, 1, EXAMPLES)
    batch = _double(x), _double(y)

    def small() -> nn.Module:
        module = Small(dataset.outputs)
        module(batch[0].float())  # gives its first layer a shape
        return module

    with exact_arithmetic(), torch.random.fork_rng(devices=[]):
        return first_seen(
            lambda: _Look(component, small, blueprints.plugin(spec.loss), batch).run(),
            lambda: _Look(component, lambda: blueprints.module(spec, 0), blueprints.plugin(spec.loss), batch).run(),
        )


class _Look:
    """One probe at networks of one kind."""

    def __init__(self, component: Component[Probe], make: Callable[[], nn.Module], loss: Loss, batch: Batch) -> None:
        self.component, self.batch = component, batch
        modules = [construct(make, seed, torch.float64).eval() for seed in range(3)]
        self.module, self.loss = hold_statistics(modules[0]), loss
        self.layout = Layout.of(self.module)
        self.losses: dict[Layout, EmpiricalLoss] = {}
        self.rows = [self.layout.row(module) for module in modules]

    def run(self) -> None:
        """Refused at the first fault."""
        probe, again = self.component.build(), self.component.build()
        first = self._number(probe, 0)
        before = remembered(probe)
        second = self._number(probe, 1)
        for one, other in ((first, self._number(probe, 0)), (second, self._number(again, 1))):
            if one != other and not (one != one and other != other):
                raise Refused(self.component, f"it gives another number the second time: {one:g}, then {other:g}")
        if names := moved(before, remembered(probe)):
            raise Refused(
                self.component, f"it changes {', '.join(names[:3])} while it is used: keep nothing from call to call"
            )
        if not probe.on_split:
            wide = self._number(again, 0, Wider(self.layout.names, self.layout.shapes))
            if abs(wide - first) > EXACT * abs(first):
                raise Refused(self.component, f"{PADDED}; with more of them it is {wide:g}, not {first:g}")

    def _number(self, probe: Probe, index: int, layout: Layout | None = None) -> float:
        """What it gives for a network; Refused if it writes into what it sees."""
        layout = layout or self.layout
        row, start = (self._row(place, layout) for place in (index, 2))
        x, y = (part.clone() for part in self.batch)
        point = Few(row.clone(), layout, self._empirical(layout), lambda: (x, y), start.clone, lambda: None)
        found = float(probe(point))
        seen = ((point.row, row), (point.first, start), (x, self.batch[0]), (y, self.batch[1]))
        if not all(same(one, other) for one, other in seen):
            raise Refused(self.component, f"it changes {SEEN}")
        return found

    def _empirical(self, layout: Layout) -> EmpiricalLoss:
        """The loss of rows, with what was traced of it for networks before."""
        if layout not in self.losses:
            of = objective(self.module, self.loss)

            def loss(weights: Tensor, x: Tensor, y: Tensor) -> Tensor:
                with DifferentiableFunctions():
                    return of(layout.view(weights), x, y)

            self.losses[layout] = EmpiricalLoss(loss)
        return self.losses[layout]

    def _row(self, index: int, layout: Layout) -> Float[Tensor, " size"]:
        row = torch.zeros(layout.size, dtype=torch.float64)
        row[layout.places()] = self.rows[index][self.layout.places()]
        return row


def _double(value: Tensor) -> Tensor:
    return value.double() if value.is_floating_point() else value
