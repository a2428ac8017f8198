"""What an analysis gets: trained networks as it sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

from expzoo.engine.blueprints import Blueprints
from expzoo.engine.evaluation import Evaluator
from expzoo.spec.component import Component
from expzoo.spec.measure import LOSS, Measure, component
from expzoo.spec.recipe import FINAL, Event, Step
from expzoo.system.arithmetic import exact_arithmetic

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Bool, Float
    from torch import nn

    from expzoo.spec.contracts import Dataset
    from expzoo.spec.spec import Spec
    from expzoo.store.network import Network
    from expzoo.store.records import Cell, Row


@dataclass(frozen=True)
class Trained:
    """A trained network as an analysis sees it."""

    spec: Spec
    network: Network = field(repr=False)
    datasets: Callable[[Component[Dataset]], Dataset] = field(
        default_factory=lambda: cache(Component.build), repr=False, compare=False
    )

    def __repr__(self) -> str:
        ended = f"diverged after {self.step} steps" if self.diverged else f"{self.step} steps"
        return f"<Trained {self.key[:12]}: {self.spec.model.name} on {self.spec.dataset.name}, {ended}>"

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

    def row(self, step: Step | str = FINAL) -> Float[np.ndarray, " size"]:
        """The weights after `step` updates or at an event; KeyError if not asked for or it never happened."""
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
    def mask(self) -> Bool[np.ndarray, " size"] | None:
        """The mask it was trained with."""
        return self.network.mask

    @property
    def losses(self) -> Float[np.ndarray, " steps"]:
        """The batch loss before each update."""
        return self.network.losses

    def curve(self, metric: str = "accuracy", split: str = "test") -> dict[int, float]:
        """A measure over time: {step: value}."""
        return dict(sorted(self.network.measured.get(Measure(metric, split).label(self.spec), {}).items()))

    def value(self, metric: str = "accuracy", split: str = "test", step: Step = FINAL) -> float:
        """A measure at one step; NaN for a network that diverged."""
        return float("nan") if self.diverged else self.curve(metric, split)[self.step_of(step)]

    def worst(self, metric: str = "accuracy") -> float:
        """What a network that knows nothing gets: chance level, no success; NaN for a metric that does not say."""
        plugin = component(metric) if metric != LOSS else self.spec.loss
        says = getattr(plugin.build(), "worst", None) if plugin else None  # a probe has none
        return says(self.datasets(self.spec.dataset).outputs) if says else float("nan")

    def rows(self, *measures: tuple[str, str], arm: str, curve: bool = False, **varied: Cell) -> list[Row]:
        """Tidy rows of (metric, split) measures at the end, or at every step they were taken.

        The last row of each measure has `end` true. If the network diverged, its value is the worst
        of the metric, NaN for one that says none, and `diverged` is true: which networks diverge
        may depend on the arm, so that leaving them out would be a selection.
        """
        common: Row = {"key": self.key, "seed": self.spec.seed, "arm": arm, **varied}
        if self.diverged:
            common |= {"diverged": True}
        found: list[Row] = []
        for metric, split in measures:
            end = {self.step: self.worst(metric) if self.diverged else self.value(metric, split)}
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

        Averages over batches, as those of nn.BatchNorm, are made again over its training data.
        ValueError if its rows are not weights, because of a parametrisation such as a curve.
        """
        import torch

        if self.spec.parametrisation and self.spec.parametrisation.build().maps:
            raise ValueError(f"the rows of network {self.key[:12]} are not weights: it has a parametrisation")
        row = torch.from_numpy(self.row(step).copy())
        with exact_arithmetic():
            return Evaluator(Blueprints(self.datasets)).network(self.spec, row)

    def _by_name(self, row: np.ndarray) -> dict[str, np.ndarray]:
        import torch

        views = Blueprints(self.datasets).layout(self.spec).view(torch.from_numpy(row))
        return {name: value.numpy() for name, value in views.items()}
