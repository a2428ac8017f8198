"""What is asked for: networks with what is to be looked at, and everything that is wanted of each one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from expzoo.engine.blueprints import Blueprints
from expzoo.spec.measure import Measure
from expzoo.spec.recipe import Event, Step
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec
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


@dataclass
class Want:
    """Everything that is wanted of one network, by whoever asks."""

    spec: Spec
    steps: set[int] = field(default_factory=set)
    measures: set[Measure] = field(default_factory=set)
    events: set[Event] = field(default_factory=set)

    def splits(self) -> set[str]:
        """The splits that somebody looks at, the stop rule included."""
        stop = self.spec.stop.shared
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
        total = self.spec.stop.shared.at_most
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
    last = source.stop.shared.at_most
    if isinstance(step, int) and step > last:
        raise BadInput(f"the weights after step {step} are wanted of a network that is trained for {last} steps")


def _refuse_other_shapes(spec: Spec, source: Spec, blueprints: Blueprints) -> None:
    """BadInput if a row is wanted of a network whose parameters have other names or shapes than the spec's own."""
    if source.model == spec.model:
        return
    own, others = (blueprints.layout(each) for each in (spec, source))
    if own != others:
        told = f"{own.num_parameters} parameters and {others.num_parameters} of model={source.model.name}"
        raise BadInput(
            f"model={spec.model.name}: weights of another shape cannot be taken over, {told}: give one model"
        )


def expand(requests: Iterable[Request]) -> dict[str, Want]:
    """Every network that the requests need, by key, the sources of their recipes included."""
    wants: dict[str, Want] = {}
    blueprints = Blueprints()

    def add(spec: Spec, steps: Iterable[Step], measures: Iterable[Measure] = ()) -> None:
        if spec.key not in wants:
            wants[spec.key] = Want(spec)
            for source, step in spec.sources():
                _refuse_beyond_end(source, step)
                _refuse_other_shapes(spec, source, blueprints)
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
