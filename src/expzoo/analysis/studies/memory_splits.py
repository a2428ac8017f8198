"""One budget of parameters spent on one network or on an ensemble of thinner ones: the grid, its networks, its numbers.

Chirkova, Lobacheva & Vetrov 2020, "Deep ensembles on a fixed memory budget: one wide network or several thinner ones?"
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from expzoo.analysis.needs import size_of
from expzoo.analysis.predictions import Predictions, ensemble
from expzoo.analysis.tuning import Tuning
from expzoo.lab.request import Request
from expzoo.science.numerics import ensembles
from expzoo.science.numerics.calibration import log_softmax, nll
from expzoo.spec.measure import Measure
from expzoo.store import records
from expzoo.system.errors import Unfit
from expzoo.system.randomness import integers

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    import polars as pl
    from jaxtyping import Float, Int

    from expzoo.analysis.contract import Setting
    from expzoo.lab.trained import Trained
    from expzoo.spec.component import Component
    from expzoo.spec.spec import Spec
    from expzoo.store.records import Row

    Cell = tuple[int, int, int, str, list[Spec]]

NOT_TUNED = Tuning()
AGAIN = "again"  # another network where an ensemble has one member: the control whose right answer is no difference


@dataclass(frozen=True)
class Grid:
    """Budgets of parameters, biases included, and numbers of networks that each is spent on; both increase."""

    budgets: tuple[int, ...]
    parts: tuple[int, ...]
    tuning: Tuning = NOT_TUNED

    def __post_init__(self) -> None:
        for name, values in (("budgets", self.budgets), ("parts", self.parts)):
            if len(values) < 2 or any(a >= b for a, b in pairwise(values)):
                raise ValueError(f"{name} {list(values)} must be two or more numbers that increase")
        if self.parts[0] != 1:
            raise ValueError(f"parts {list(self.parts)} must start with 1, a single network")

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], list[Row]]:
        """Every ensemble of all replicates; cells whose networks have one width share them, but for the largest budget.

        Each width has its own best settings, by the validation score of one network. Networks of
        the largest budget are in no other cell, so that what is foretold about it was not fitted
        to. Unfit if the model has no size, or if a budget cannot be spent on so many networks.
        """
        data = setting.base.dataset.build()
        shape = tuple(data.inputs), data.outputs
        widths = {(b, k): widest(setting, *shape, b, k) for b in self.budgets for k in self.parts}
        arms = {width: partial(_at_width, setting, width) for width in sorted({*widths.values()})}
        settled, tried = yield from self.tuning.of(setting, arms)
        thin = {width: settled[width](setting.sized(width)) for width in arms}
        cells = self._cells(setting, {cell: thin[width] for cell, width in widths.items()})
        networks = yield Request(
            tuple(spec for *_, members in cells for spec in members), (Measure("accuracy", "test"),)
        )
        return [row | {"tuned": f"width {row['tuned']}"} for row in tried] + self._rows(cells, networks)

    def _cells(self, setting: Setting, bases: Mapping[tuple[int, int], Spec]) -> list[Cell]:
        """Seed, budget, part, arm and networks of each ensemble, from (budget, part) -> what its networks are like."""
        cells = []
        for seed in setting.seeds:
            for (budget, part), thin in bases.items():
                start = self.parts[-1] if budget == self.budgets[-1] else 0
                cells.append((seed, budget, part, "split", ensemble(thin, seed, part, start)))
                if part == 1 and budget == self.budgets[-1]:
                    cells.append((seed, budget, part, AGAIN, ensemble(thin, seed, 1, 2 * self.parts[-1])))
        return cells

    def _rows(self, cells: Sequence[Cell], networks: Sequence[Trained]) -> list[Row]:
        """Accuracy, NLL and CNLL of every ensemble, from the networks of the cells in their order."""
        predictions, first = _Remembered(), 0
        found: list[Row] = []
        for seed, budget, part, arm, members in cells:
            own = networks[first : first + len(members)]
            first += len(members)
            common: Row = {
                "seed": seed,
                "arm": arm,
                "budget": budget,
                "parts": part,
                "split": "test",
                "step": own[0].step,
            }
            common |= {"width": size_of(own[0].spec), "key": ensembles.key_of([network.key for network in own])}
            if any(network.diverged for network in own):
                common |= {"diverged": True}
            values = predictions.scores(own)
            found += [common | {"metric": metric, "value": value} for metric, value in values.items()]
        return found


def _at_width(setting: Setting, width: int, base: Spec) -> Spec:
    """The base, which has its seed and what is tried, at this width."""
    model = setting.sized(width).model
    return base.replace(model=model)


class _Remembered:
    """Scores of ensembles, whose members' predictions are made once though several ensembles hold them."""

    def __init__(self) -> None:
        self._predictions = Predictions()
        self._logits: dict[tuple[str, str], Float[np.ndarray, "n classes"]] = {}

    def _of(self, network: Trained, split: str) -> Float[np.ndarray, "n classes"]:
        if (network.key, split) not in self._logits:
            self._logits[network.key, split] = self._predictions.logits(network, split).astype(np.float32)
        return self._logits[network.key, split]

    def scores(self, networks: Sequence[Trained]) -> dict[str, float]:
        """Accuracy (%), NLL and CNLL with the temperature after averaging; if a member diverged, those of chance."""
        if any(network.diverged for network in networks):
            worst = networks[0].worst("nll")
            return {"accuracy": networks[0].worst(), "nll": worst, "cnll": worst}
        means = {
            split: ensembles.average(log_softmax(np.stack([self._of(network, split) for network in networks])))
            for split in ("validation", "test")
        }
        labels = {split: self._predictions.labels(networks[0], split) for split in means}
        calibrated = ensembles.calibrated_mean(means, labels["validation"])
        return {
            "accuracy": float(100 * (means["test"].argmax(1) == labels["test"]).mean()),
            "nll": nll(means["test"], labels["test"]),
            "cnll": nll(calibrated, labels["test"]),
        }


@cache
def num_parameters(model: Component, inputs: tuple[int, ...], outputs: int) -> int:
    """The parameters of a model on data of this shape; it is built without storage, so that its size costs nothing."""
    import torch

    from expzoo.spec.modules import settled

    with torch.device("meta"):
        module = settled(model.build(inputs, outputs), lambda: torch.zeros(2, *inputs))
    return sum(parameter.numel() for parameter in module.parameters())


def widest(setting: Setting, inputs: tuple[int, ...], outputs: int, budget: int, parts: int) -> int:
    """The largest width, or other size of the model, at which so many networks have at most `budget` parameters.

    Unfit if there is none.

    Parameters grow with the square of the width where layers are square, so a k-th of the budget is
    a width of about 1 / sqrt(k), not 1 / k.
    """

    def size(width: int) -> int:
        return num_parameters(setting.sized(width).model, inputs, outputs)

    room = budget // parts
    if (least := size(1)) > room:
        told = f"a budget of {budget} parameters is less than {parts} x {least}, the smallest that it is spent on"
        raise Unfit(f"{told} with model={setting.base.model.name}: give larger budgets=[...]")
    low, high = 1, 2
    while size(high) <= room:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if size(middle) <= room else (low, middle)
    return low


def cube(
    table: pl.DataFrame, metric: str
) -> tuple[
    Int[np.ndarray, " seeds"],
    Int[np.ndarray, " budgets"],
    Int[np.ndarray, " parts"],
    Float[np.ndarray, "seeds budgets parts"],
]:
    """Seeds, budgets, parts, and the values of the seeds that have all of them.

    A seed of which a network diverged is left out; whoever calls says how many.
    """
    chosen = records.select(table, arm="split", metric=metric)
    axes = [chosen[name].unique().sort() for name in ("seed", "budget", "parts")]
    values = np.full([len(axis) for axis in axes], np.nan)
    values[tuple(axis.search_sorted(chosen[axis.name]).to_numpy() for axis in axes)] = chosen["value"].to_numpy()
    whole = np.isfinite(values).all((1, 2))
    seeds, budgets, parts = (axis.to_numpy() for axis in axes)
    return seeds[whole], budgets, parts, values[whole]


def best(
    values: Float[np.ndarray, "seeds *cells parts"], parts: Int[np.ndarray, " parts"]
) -> Int[np.ndarray, "*cells"] | np.int64:
    """The number of networks of least mean CNLL, `values`, in each cell."""
    return parts[values.mean(0).argmin(-1)]


def best_interval(
    values: Float[np.ndarray, "seeds *cells parts"], parts: Int[np.ndarray, " parts"], draws: int = 999
) -> tuple[Int[np.ndarray, "*cells"], Int[np.ndarray, "*cells"]]:
    """Between which numbers of networks the best one lies in 95 % of resamples of the seeds: low and high."""
    count = len(values)
    drawn = integers(0, "best split", 0, draws * count, count).reshape(draws, count)
    found = np.stack([best(values[chosen], parts) for chosen in drawn])
    low, high = np.quantile(found, [0.025, 0.975], axis=0, method="nearest")
    return low, high
