"""Looking at a row: plain forward passes of one network at a time, so that no number depends on the crowd."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from expzoo.components.metrics import outputs_are_probabilities
from expzoo.components.probes import Point
from expzoo.config import registry
from expzoo.engine.blueprints import Blueprints
from expzoo.engine.layers.differentiable import DifferentiableFunctions
from expzoo.engine.layers.normalisation import estimate_statistics, has_statistics, statistics
from expzoo.engine.tape.trace import objective
from expzoo.science.numerics.empirical import EmpiricalLoss
from expzoo.system.errors import BadInput, PluginError

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float

    from expzoo.spec.contracts import Loss
    from expzoo.spec.measure import Measure
    from expzoo.spec.spec import Spec
    from expzoo.store.network import Network

BATCH = 5000  # examples in one forward pass: part of what an evaluation means, in the last bits


class Evaluator:
    """Evaluates rows of networks; a module that is evaluated is the same one for the next row."""

    def __init__(self, blueprints: Blueprints | None = None) -> None:
        self.blueprints = blueprints or Blueprints()
        self._losses: dict[tuple[int, object], EmpiricalLoss] = {}

    def values(
        self, spec: Spec, row: Float[Tensor, " size"], measures: list[Measure], network: Network | None = None
    ) -> list[float]:
        """One number for each measure of the network with this row of weights.

        `network` is what has been kept of it: some probes compare the row with the first one, or need the mask.
        """
        outputs: dict[str, Tensor] = {}
        points: dict[str, Point] = {}
        numbers = []
        for measure in measures:
            if measure.plugin and measure.plugin.kind == "probe":
                if measure.split not in points:
                    points[measure.split] = self._point(spec, row, measure.split, network)
                seen: tuple[Any, ...] = (points[measure.split],)
            else:
                if measure.split not in outputs:
                    outputs[measure.split] = self.outputs(spec, row, measure.split)
                seen = outputs[measure.split], self.blueprints.split(spec, measure.split)[1]
            numbers.append(self._number(spec, measure, seen))
        return numbers

    def outputs(self, spec: Spec, row: Float[Tensor, " size"], split: str) -> Float[Tensor, "n outputs"]:
        """What the network with this row gives on a split, of the row's dtype."""
        module = self.network(spec, row)
        with torch.no_grad():
            return torch.cat([module(part) for part in self._inputs(spec, split, row.dtype)])

    def network(self, spec: Spec, row: Float[Tensor, " size"]) -> nn.Module:
        """The network with this row, in evaluation mode; it is the same module for the next row.

        Averages that it keeps over batches, as those of nn.BatchNorm, are made again over the training data.
        """
        module, layout = self.blueprints.evaluated(spec, row.dtype)
        layout.load(module, row)
        if has_statistics(module):
            estimate_statistics(module, self._inputs(spec, "train", row.dtype))
        return module

    def statistics(self, spec: Spec, row: Float[Tensor, " size"]) -> Float[Tensor, " averages"]:
        """The averages over batches that the network with this row keeps, one after the other."""
        return torch.cat([value.flatten() for value in statistics(self.network(spec, row)).values()])

    def _inputs(self, spec: Spec, split: str, dtype: torch.dtype) -> tuple[Tensor, ...]:
        """The inputs of a split in batches, floating ones in `dtype`."""
        x, _ = self.blueprints.split(spec, split)
        return (x.to(dtype) if x.is_floating_point() else x).tensor_split(-(-len(x) // BATCH))

    def loss(self, spec: Spec, dtype: torch.dtype, held: Callable[[Tensor], Tensor] | None = None) -> EmpiricalLoss:
        """The spec's training loss, in evaluation mode, as a differentiable function of rows of weights.

        Averages over batches that a module keeps are those at each row, held in place while it is
        differentiated: `held` gives them for rows (k, size), by default with `statistics` of this
        spec.
        """
        module, layout = self.blueprints.evaluated(spec, dtype)
        of, averages = objective(module, self.blueprints.plugin(spec.loss)), statistics(module)

        def loss(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
            with DifferentiableFunctions():
                return of(layout.view(row), x, y)

        def normalised(row: Tensor, given: Tensor, x: Tensor, y: Tensor) -> Tensor:
            parts = given.split([value.numel() for value in averages.values()])
            own = {name: part.view(like.shape) for (name, like), part in zip(averages.items(), parts, strict=True)}
            with DifferentiableFunctions():
                return of(layout.view(row) | own, x, y)

        def own_averages(rows: Tensor) -> Tensor:
            return torch.stack([self.statistics(spec, row) for row in rows])

        return EmpiricalLoss(normalised, held=held or own_averages) if averages else EmpiricalLoss(loss)

    def _number(self, spec: Spec, measure: Measure, seen: tuple[Any, ...]) -> float:
        if measure.plugin is None:
            return self._training_loss(spec, *seen)
        try:
            with outputs_are_probabilities(self.blueprints.plugin(spec.loss).of_probabilities):
                return float(self.blueprints.plugin(measure.plugin)(*seen))
        except ValueError as error:
            where = f"{measure.metric} on {measure.split}" if measure.split else measure.metric
            raise BadInput(f"{where}: {error}") from error
        except Exception as error:
            file = registry.path(measure.plugin.kind, measure.plugin.name)
            plugin = f"{measure.plugin.kind}={measure.plugin.name} of {registry.owner(file)}"
            raise PluginError(plugin, file, "measured") from error

    def _training_loss(self, spec: Spec, outputs: Tensor, targets: Tensor) -> float:
        loss: Loss = self.blueprints.plugin(spec.loss)
        parts = zip(outputs.split(BATCH), targets.split(BATCH), strict=True)
        return sum(loss(o, t).double().item() * len(o) for o, t in parts) / len(outputs)

    def _point(self, spec: Spec, row: Tensor, split: str, network: Network | None) -> Point:
        def kept() -> Network:
            if network is None or (spec.parametrisation and spec.parametrisation.build().maps):
                raise ValueError("what was kept of the network is not known here")
            return network

        def mask() -> Tensor | None:
            has_mask = spec.mask or (spec.parametrisation and spec.parametrisation.build().prunes)
            kept_mask = kept().mask if has_mask else None
            return None if kept_mask is None else torch.from_numpy(kept_mask).double()

        def data() -> tuple[Tensor, Tensor]:
            x, y = (v.double() if v.is_floating_point() else v for v in self.blueprints.split(spec, split))
            return x, y

        module, layout = self.blueprints.evaluated(spec, torch.float64)
        loss = self._kept_loss(spec, module)
        return Point(row.double(), layout, loss, data, lambda: torch.from_numpy(kept().rows[0]).double(), mask)

    def _kept_loss(self, spec: Spec, module: nn.Module) -> EmpiricalLoss:
        """The loss in float64, with what was traced of it for networks before; one with averages knows its network."""
        if has_statistics(module):
            return self.loss(spec, torch.float64)
        if (id(module), spec.loss) not in self._losses:
            self._losses[id(module), spec.loss] = self.loss(spec, torch.float64)
        return self._losses[id(module), spec.loss]
