"""Several trained networks of one model, and what an analysis asks of all of them: predictions, losses, derivatives.

Rows of weights are plain tensors, so that moving through the landscape is arithmetic:
`cohort.loss(torch.lerp(cohort.rows[0], cohort.rows[1], 0.5).unsqueeze(0))`.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from functools import cached_property
from typing import TYPE_CHECKING, Literal, NamedTuple, TypedDict

import torch
from torch import Tensor

from expzoo.analysis.cohort_faults import cohort_faults
from expzoo.engine.blueprints import Blueprints
from expzoo.engine.evaluation import Evaluator
from expzoo.science.numerics.alignment import match_weights, permuted
from expzoo.science.numerics.averages import weighted_mean
from expzoo.science.numerics.hessians import Hessians
from expzoo.science.numerics.lanczos import top_eigenvalues
from expzoo.science.numerics.symmetry import hidden_units
from expzoo.spec.measure import LOSS, Measure
from expzoo.spec.recipe import FINAL, Step
from expzoo.system.arithmetic import exact_arithmetic

if TYPE_CHECKING:
    from jaxtyping import Float, Real

    from expzoo.lab.trained import Trained
    from expzoo.science.numerics.empirical import EmpiricalLoss
    from expzoo.spec.spec import Spec


class _Data(NamedTuple):
    """Examples of a split: x (n, ...) and y (n, ...) if shared, else each with an axis of members first."""

    x: Tensor
    y: Tensor
    shared: bool


class _Seen(TypedDict):
    """The same, as keywords of `EmpiricalLoss`."""

    x: Tensor
    y: Tensor
    shared: bool


class Cohort:
    """Networks of one model, one loss and one kind of data, seen together. A member is a network's index, from 0.

    Predictions, losses and metrics are computed network by network, exactly as while training, and
    do not depend on the company. Derivatives are batched over members: their last bits may. All of
    it runs in `dtype`, on the CPU, and in evaluation mode; the mask is not looked at, so
    derivatives are those of all weights. Averages over batches, as those of nn.BatchNorm, are made
    again at each row, over the training data of its member, and held in place while the loss is
    differentiated.

    Where a method takes `rows`, they are weights as in `rows`, by default the members' own. Each is
    seen with the data that the members share; if the members have their own data there must be one
    row for each of them.
    """

    def __init__(
        self,
        networks: Sequence[Trained],
        *,
        dtype: Literal["float32", "float64"] | None = None,
        step: Step | str = FINAL,
    ) -> None:
        """The networks after `step` updates or at an event, in `dtype`, by default that of their training.

        Raises ValueError if there are none, if they differ in model, loss, shape of data or dtype,
        if a row was not kept at this step, or if what was trained is not the weights themselves (a
        parametrisation such as a curve).
        """
        self.networks = tuple(networks)
        if faults := list(cohort_faults(self.networks, step, dtype)):
            raise ValueError("; ".join(faults))
        self._blueprints = Blueprints(self.networks[0].datasets)
        self._evaluator = Evaluator(self._blueprints)
        self._outputs: dict[str, Tensor] = {}
        self._splits: dict[str, _Data] = {}
        seen = (self._blueprints.dataset(spec.dataset) for spec in self.specs)
        shapes = {(tuple(data.inputs), data.outputs) for data in seen}
        if len(shapes) > 1:
            raise ValueError(f"a cohort has one shape of data (inputs, outputs), not {sorted(shapes)}")
        self.dtype: torch.dtype = getattr(torch, dtype or self.specs[0].dtype)
        self.layout = self._blueprints.layout(self.specs[0])
        self.rows = torch.stack([torch.from_numpy(network.row(step)) for network in self.networks]).to(self.dtype)

    def __len__(self) -> int:
        return len(self.networks)

    def __getitem__(self, members: int | slice | Sequence[int]) -> Cohort:
        """The cohort of some members, with their weights as they are here."""
        indices = range(len(self))[members] if isinstance(members, slice) else members
        chosen = [indices] if isinstance(indices, int) else list(indices)
        part = copy(self)
        part.networks = tuple(self.networks[member] for member in chosen)
        part.rows = self.rows[chosen]
        part._outputs, part._splits = {split: outputs[chosen] for split, outputs in self._outputs.items()}, {}
        part.__dict__.pop("_loss", None)  # it knows whose averages go with which row
        return part

    @property
    def specs(self) -> list[Spec]:
        """The spec of each member."""
        return [network.spec for network in self.networks]

    # Evaluation.

    def predict(self, split: str = "test") -> Float[Tensor, "members n outputs"]:
        """What each member gives on the split; computed once.

        Raises ValueError if the members' splits have different lengths.
        """
        if split not in self._outputs:
            self._data(split)
            pairs = zip(self.specs, self.rows, strict=True)
            with exact_arithmetic():
                outputs = [self._evaluator.outputs(spec, row, split) for spec, row in pairs]
            self._outputs[split] = torch.stack(outputs)
        return self._outputs[split]

    def loss(self, rows: Real[Tensor, "k size"] | None = None, split: str = "test") -> Float[Tensor, " k"]:
        """The training loss on the split in float64."""
        return self.measure(LOSS, rows, split)

    def accuracy(self, rows: Real[Tensor, "k size"] | None = None, split: str = "test") -> Float[Tensor, " k"]:
        """The accuracy on the split in percent, float64."""
        return self.measure("accuracy", rows, split)

    def measure(
        self, metric: str, rows: Real[Tensor, "k size"] | None = None, split: str = "test"
    ) -> Float[Tensor, " k"]:
        """A metric on the split, or with split "" a probe, in float64.

        Of rows that are not one for each member, a probe cannot know the first row or the mask.
        """
        measure = Measure(metric, split)
        rows = self._checked(rows)
        if measure.on_split:
            self._require_data(rows, split)
        owned = len(rows) == len(self)
        numbers = []
        with exact_arithmetic():
            for index, row in enumerate(rows):
                network = self.networks[index if owned else 0]
                spec, kept = network.spec, network.network if owned else None
                numbers += self._evaluator.values(spec, row, [measure], kept)
        return torch.tensor(numbers, dtype=torch.float64)

    # Averages.

    def average(
        self, weights: Sequence[float] | Real[Tensor, " k"] | None = None, rows: Real[Tensor, "k size"] | None = None
    ) -> Float[Tensor, " size"]:
        """The weighted mean of the rows. `weights` are divided by their sum, by default all equal."""
        return weighted_mean(self._checked(rows), weights).to(self.dtype)

    def ensemble(
        self,
        split: str = "test",
        weights: Sequence[float] | Real[Tensor, " members"] | None = None,
        of: Literal["probabilities", "outputs"] = "probabilities",
    ) -> Float[Tensor, "n outputs"]:
        """The weighted mean of the members' predictions, as outputs that a metric takes.

        `probabilities` averages softmax (Lakshminarayanan, Pritzel & Blundell 2017, "Simple and
        scalable predictive uncertainty estimation using deep ensembles", section 2.4) and gives its
        logarithm, whose softmax it is, or of one output alone the logit of class 1; `outputs` averages
        the outputs themselves, as does a loss that takes one alone for a probability.
        """
        outputs, is_one = self.predict(split).double(), self.predict(split).shape[-1] == 1
        if of == "outputs" or (is_one and self.specs[0].loss.build().of_probabilities):
            return weighted_mean(outputs, weights).to(self.dtype)
        if is_one:
            return weighted_mean(outputs.sigmoid(), weights).logit().to(self.dtype)
        return weighted_mean(outputs.softmax(-1), weights).log().to(self.dtype)

    # Derivatives of the training loss.

    def grad(
        self, rows: Real[Tensor, "k size"] | None = None, split: str = "train", examples: Sequence[int] | None = None
    ) -> Float[Tensor, "k size"]:
        """The gradient of the mean loss over the split, or over these examples of it."""
        rows = self._checked(rows)
        with exact_arithmetic():
            return self._loss.grad(rows, **self._seen(rows, split, examples))

    def hvp(
        self,
        rows: Real[Tensor, "k size"] | None,
        vectors: Real[Tensor, "k size"],
        split: str = "train",
        examples: Sequence[int] | None = None,
    ) -> Float[Tensor, "k size"]:
        """The Hessian of the mean loss at each row times the vector of that row."""
        rows = self._checked(rows)
        if vectors.shape != rows.shape:
            raise ValueError(f"vectors of shape {tuple(vectors.shape)} do not fit rows of shape {tuple(rows.shape)}")
        with exact_arithmetic():
            return self._loss.hvp(rows, vectors.to(self.dtype), **self._seen(rows, split, examples))

    def per_example_grad(
        self, rows: Real[Tensor, "k size"] | None = None, split: str = "train", examples: Sequence[int] | None = None
    ) -> Float[Tensor, "k n size"]:
        """The gradient of each example's own loss. It takes that much memory: choose `examples`."""
        rows = self._checked(rows)
        with exact_arithmetic():
            return self._loss.per_example_grad(rows, **self._seen(rows, split, examples))

    def top_eigenvalues(
        self, k: int = 1, split: str = "train", examples: Sequence[int] | None = None, tolerance: float = 1e-4
    ) -> Float[Tensor, "members k"]:
        """The k largest eigenvalues of each member's Hessian, largest first. Use float64."""
        with exact_arithmetic():
            one = [self[member].hessians(split, examples).of_one for member in range(len(self))]
            size, dtype = self.layout.size, self.dtype
            return torch.stack([top_eigenvalues(v, size, k, tolerance=tolerance, dtype=dtype) for v in one])

    def hessians(self, split: str = "train", examples: Sequence[int] | None = None, columns: int = 1) -> Hessians:
        """Each member's Hessian, for many products; what is made of it is in `analysis.curvature`."""
        return Hessians(self._loss, self.rows, **self._seen(self.rows, split, examples), columns=columns)

    # Symmetry.

    def align(self, to: int = 0) -> Float[Tensor, "members size"]:
        """The rows with hidden units permuted to be as near as possible to those of member `to`.

        Each network stays the same function. Weight matching as in
        `numerics.alignment.match_weights`; for chains of `nn.Linear`, residual ones included, as
        `numerics.symmetry.hidden_units` finds them. ValueError for others.
        """
        units = hidden_units(self._blueprints.evaluated(self.specs[0], self.dtype)[0])
        reference = self.layout.view(self.rows[to])
        aligned = self.rows.clone()
        for row in aligned:
            parameters = self.layout.view(row)
            with exact_arithmetic():
                orders = match_weights(units, reference, parameters)
            for name, value in permuted(parameters, units, orders).items():
                parameters[name].copy_(value)
        return aligned

    # What the methods need.

    @cached_property
    def _loss(self) -> EmpiricalLoss:
        return self._evaluator.loss(self.specs[0], self.dtype, self._averages)

    def _averages(self, rows: Float[Tensor, "k size"]) -> Float[Tensor, "k averages"]:
        """What each row's network keeps of its member's training data, or of those that all members share."""
        self._require_data(rows, "train")
        specs = self.specs if len(rows) == len(self) else self.specs[:1] * len(rows)
        pairs = zip(specs, rows, strict=True)
        return torch.stack([self._evaluator.statistics(spec, row) for spec, row in pairs])

    def _checked(self, rows: Tensor | None) -> Float[Tensor, "k size"]:
        rows = self.rows if rows is None else torch.as_tensor(rows)
        if rows.dim() != 2 or rows.shape[1] != self.layout.size:
            raise ValueError(f"rows of shape {tuple(rows.shape)} must have the shape (k, {self.layout.size})")
        return rows.to(self.dtype)

    def _seen(self, rows: Tensor, split: str, examples: Sequence[int] | None) -> _Seen:
        """The examples that these rows see, as `EmpiricalLoss` takes them."""
        self._require_data(rows, split)
        x, y, shared = self._data(split)
        if examples is not None:
            axis, chosen = (0 if shared else 1), torch.as_tensor(examples, dtype=torch.long)
            x, y = x.index_select(axis, chosen), y.index_select(axis, chosen)
        return {"x": x, "y": y, "shared": shared}

    def _require_data(self, rows: Tensor, split: str) -> None:
        """ValueError if it is not known which data these rows see."""
        if len(rows) != len(self) and not self._data(split).shared:
            said = f"every member has its own {split} split, so there must be {len(self)}, one for each"
            raise ValueError(f"{len(rows)} rows: {said}")

    def _data(self, split: str) -> _Data:
        """The split as all members see it; ValueError if their splits have different lengths."""
        if split not in self._splits:
            xs, ys = zip(*(self._blueprints.split(spec, split) for spec in self.specs), strict=True)
            if len(lengths := {len(x) for x in xs}) > 1:
                raise ValueError(f"the members' {split} splits have {sorted(lengths)} examples: make a cohort of each")
            shared = all(_same(x, xs[0]) and _same(y, ys[0]) for x, y in zip(xs, ys, strict=True))
            x, y = (xs[0], ys[0]) if shared else (torch.stack(xs), torch.stack(ys))
            x, y = (value.to(self.dtype) if value.is_floating_point() else value for value in (x, y))
            self._splits[split] = _Data(x, y, shared)
        return self._splits[split]


def _same(a: Tensor, b: Tensor) -> bool:
    return a is b or torch.equal(a, b)
