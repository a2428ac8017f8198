"""What an analysis asks for and what it gets: requests for networks, and networks as it sees them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cache
from typing import TYPE_CHECKING, Any

from expzoo.engine.assembly import Assembler
from expzoo.engine.evaluation import Evaluator
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import FINAL, Event, Spec, Step
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from expzoo.store.network import Network


@dataclass(frozen=True)
class Request:
    """Networks that an analysis wants, with what is to be looked at: rows at steps and events, and measures."""

    specs: tuple[Spec, ...]
    measures: tuple[Measure, ...] = (Measure("accuracy", "test"),)
    steps: tuple[int, ...] = ()
    events: tuple[Event, ...] = ()
    more: tuple[Request, ...] = ()

    def __post_init__(self) -> None:
        if any(step < 0 for step in self.steps):
            raise ValueError(f"steps {list(self.steps)}: none can be below 0")

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
    datasets: Callable[[Component], Any] = field(
        default_factory=lambda: cache(Component.build), repr=False, compare=False
    )

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

    def row(self, step: Step | str = FINAL) -> np.ndarray:
        """The weights (size,) after `step` updates or at an event; KeyError if not asked for or it never happened."""
        return self.network.rows[self.step_of(step)]

    def has_row(self, step: Step | str) -> bool:
        """Whether the weights after `step` updates or at an event were kept."""
        try:
            return self.step_of(step) in self.network.rows
        except KeyError:
            return False

    def step_of(self, event: Step | str) -> int:
        """The step of an event, of a named one such as "best", or of the end; KeyError if it never happened."""
        if event == FINAL:
            return self.network.step
        if isinstance(event, Event):
            return self.network.events[event.name]
        return event if isinstance(event, int) else self.network.events[event]

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
        return float("nan") if self.diverged else self.curve(metric, split)[self.step_of(step)]

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
        return self._by_name(self.row(step))

    def masks(self) -> dict[str, np.ndarray]:
        """Its mask by parameter name, each bool of the parameter's own shape; ValueError if it has none."""
        if self.mask is None:
            raise ValueError(f"network {self.key} has no mask")
        return self._by_name(self.mask)

    def module(self, step: Step = FINAL) -> nn.Module:
        """An ordinary module with its weights, to take away, in evaluation mode.

        Averages over batches, as those of nn.BatchNorm, are made again over its training data. ValueError if its rows
        are not weights, because of a parametrisation such as a curve.
        """
        import torch

        if self.spec.parametrisation and self.spec.parametrisation.build().maps:
            raise ValueError(f"the rows of network {self.key[:12]} are not weights: it has a parametrisation")
        row = torch.from_numpy(self.row(step).copy())
        with exact_arithmetic():
            return Evaluator().network(self.spec, self.datasets(self.spec.dataset), row)

    def _by_name(self, row: np.ndarray) -> dict[str, np.ndarray]:
        import torch

        views = Assembler(datasets=self.datasets).layout(self.spec).view(torch.from_numpy(row))
        return {name: value.numpy() for name, value in views.items()}


@dataclass
class Want:
    """Everything that is wanted of one network, by whoever asks."""

    spec: Spec
    steps: set[int] = field(default_factory=set)
    measures: set[Measure] = field(default_factory=set)
    events: set[Event] = field(default_factory=set)

    def splits(self) -> set[str]:
        """The splits that somebody looks at, the stop rule included."""
        stop = self.spec.stop.build()
        watched = {stop.watches[1]} if stop.every else set()
        return {measure.split for measure in self.measures if measure.split} | {e.split for e in self.events} | watched

    def lacking(self, network: Network, step: int, *, ended: bool) -> dict[int, list[Measure]] | None:
        """What is wanted up to `step` and not kept: measures by step; None if it is a row.

        At the end of a training every measure is wanted.
        """
        if any(wanted <= step and wanted not in network.rows for wanted in self.steps):
            return None
        if any(not self._looked_for(event, network, step) for event in self.events):
            return None
        total = self.spec.stop.build().at_most
        lacking: dict[int, list[Measure]] = {}
        for measure in sorted(self.measures, key=repr):
            due = {at for at in measure.when.steps(total) if at <= step} | ({step} if ended else set())
            for at in sorted(due - network.measured.get(measure.label(self.spec), {}).keys()):
                lacking.setdefault(at, []).append(measure)
        return lacking

    def _looked_for(self, event: Event, network: Network, step: int) -> bool:
        """Whether it is known up to `step` when the event happened, or that it did not."""
        if event.name in network.events:
            return True
        seen = network.measured.get(Measure(event.metric, event.split).label(self.spec), {})
        looks = range(event.every, step + 1, event.every)
        return all(look in seen and not seen[look] <= event.at_most for look in looks)


def _refuse_beyond_end(source: Spec, step: Step) -> None:
    """BadInput if a recipe names a row after the end: to start from the last instead would be another experiment."""
    last = source.stop.build().at_most
    if isinstance(step, int) and step > last:
        raise BadInput(f"the weights after step {step} are wanted of a network that is trained for {last} steps")


def expand(requests: Iterable[Request]) -> dict[str, Want]:
    """Every network that the requests need, by key, the sources of their recipes included."""
    wants: dict[str, Want] = {}

    def add(spec: Spec, steps: Iterable[Step], measures: Iterable[Measure] = ()) -> None:
        if spec.key not in wants:
            wants[spec.key] = Want(spec)
            for source, step in spec.sources():
                _refuse_beyond_end(source, step)
                add(source, [step])
        wants[spec.key].steps.update(step for step in steps if isinstance(step, int))
        wants[spec.key].events.update(step for step in steps if isinstance(step, Event))
        wants[spec.key].measures.update(measures)

    for part in (part for request in requests for part in request.parts()):
        for spec in part.specs:
            add(spec, (*part.steps, *part.events), part.measures)
            for source, step in spec.sources():
                add(source, [step])
    return wants


def lacks_a_source(spec: Spec, networks: dict[str, Network]) -> bool:
    """Whether a row that the spec is made from never came about: its network diverged, or its event did not happen."""
    sources = [(networks[source.key], step) for source, step in spec.sources()]
    return any(
        source.status == "diverged" or (isinstance(step, Event) and step.name not in source.events)
        for source, step in sources
    )
