"""Looking at a row: plain forward passes of one network at a time, so that no number depends on the crowd."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from expzoo.engine.layout import Layout, construct
from expzoo.metrics import METRICS
from expzoo.spec import Spec, canonical_json
from expzoo.when import END, When

if TYPE_CHECKING:
    from expzoo.interfaces import Loss

BATCH = 5000  # examples in one forward pass: part of what an evaluation means, in the last bits
LOSS = "loss"  # the metric that is the spec's own training loss


@dataclass(frozen=True)
class Measure:
    """A metric on a split, at some steps besides the end. The metric "loss" is the training loss of the spec."""

    metric: str = "accuracy"
    split: str = "test"
    when: When = END

    def label(self, spec: Spec) -> str:
        """Where the values are kept. Options of the dataset that only look, as the test set's size, are part of it."""
        looking = hashlib.sha256(canonical_json(spec.dataset.looking()).encode()).hexdigest()[:8]
        return f"{self.metric}/{self.split}/{looking}"


class Evaluator:
    """Evaluates rows of networks. Splits and modules are kept for the next one that shares them."""

    def __init__(self) -> None:
        self._splits: dict[tuple[Any, ...], tuple[Tensor, Tensor]] = {}
        self._modules: dict[tuple[Any, ...], tuple[nn.Module, Layout]] = {}

    def values(self, spec: Spec, dataset: Any, row: Tensor, measures: list[Measure]) -> list[float]:
        """One number for each measure of the network with this row (size,)."""
        outputs: dict[str, Tensor] = {}
        module = self._module(spec, dataset, row)
        numbers = []
        for measure in measures:
            x, y = self._split(spec, dataset, measure.split)
            if measure.split not in outputs:
                with torch.no_grad():
                    outputs[measure.split] = torch.cat([module(part) for part in x.to(row.dtype).split(BATCH)])
            numbers.append(self._value(spec, measure.metric, outputs[measure.split], y))
        return numbers

    def _value(self, spec: Spec, metric: str, outputs: Tensor, targets: Tensor) -> float:
        if metric != LOSS:
            return METRICS[metric](outputs, targets)
        loss: Loss = spec.loss.build()
        parts = zip(outputs.split(BATCH), targets.split(BATCH), strict=True)
        return sum(loss(o, t).double().item() * len(o) for o, t in parts) / len(outputs)

    def _split(self, spec: Spec, dataset: Any, name: str) -> tuple[Tensor, Tensor]:
        identity = (spec.dataset, dataset.identity(spec.seed), name)
        if identity not in self._splits:
            split = dataset.split(name, spec.seed)
            self._splits[identity] = torch.tensor(split.x), torch.tensor(split.y)
        return self._splits[identity]

    def _module(self, spec: Spec, dataset: Any, row: Tensor) -> nn.Module:
        identity = (spec.model, dataset.inputs, dataset.outputs, row.dtype)
        if identity not in self._modules:
            module = construct(lambda: spec.model.build(dataset.inputs, dataset.outputs), 0, row.dtype).eval()
            self._modules[identity] = module, Layout.of(module)
        module, layout = self._modules[identity]
        return layout.load(module, row)
