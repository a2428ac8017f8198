"""Activation functions against each other: each at the learning rate that suits it, on seeds that chose nothing."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.analysis import late
from expzoo.components import learned_activations
from expzoo.lab.request import Request
from expzoo.store import records
from expzoo.system.randomness import stable_hash

if TYPE_CHECKING:
    import polars as pl

    from expzoo.lab.lesson import Learned
    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec

KNOTS = np.linspace(-8, 8, 65)
EVERY = 10  # steps whose losses are averaged to one point of an inner curve


def seeds_of(purpose: str, index: int, count: int) -> list[int]:
    """Seeds that no other purpose has; more of them keep the first ones."""
    return [stable_hash("activation", purpose, index, number) for number in range(count)]


def means_by(table: pl.DataFrame, column: str, **chosen: Any) -> dict[int, float]:
    """Value of the column -> the mean over evaluation seeds, NaN if a network diverged; empty if nothing was run."""
    found = records.select(table, **chosen)
    if found.is_empty():
        return {}
    return {
        int(unit[0]): float(np.mean(rows["value"].to_numpy()))
        for unit, rows in found.sort(column).group_by(column, maintain_order=True)
    }


@dataclass(frozen=True)
class Contest:
    """Networks like `base` with one activation function or another, judged by their last training losses."""

    base: Spec
    rates: tuple[float, ...]
    last_losses: int
    score: str = "accuracy"

    def spec(self, activation: str, rate: float, seed: int) -> Spec:
        """One network."""
        return self.base.replace(model={"activation": activation}, optimizer={"lr": rate}, seed=seed)

    def tune(
        self, activations: Sequence[str], seeds: Sequence[int]
    ) -> Generator[Request, list[Trained], dict[str, float]]:
        """The learning rate of each activation at which the training loss is lowest on these seeds."""
        tried = [(name, rate) for name in activations for rate in self.rates for _ in seeds]
        runs = [seed for _ in activations for _ in self.rates for seed in seeds]
        networks = yield Request(tuple(self.spec(*pair, run) for pair, run in zip(tried, runs, strict=True)), ())
        costs: dict[tuple[str, float], list[float]] = {}
        for pair, network in zip(tried, networks, strict=True):
            costs.setdefault(pair, []).append(self.training_loss(network))
        mean = {pair: np.mean(own) if np.isfinite(own).all() else np.inf for pair, own in costs.items()}
        return {name: min(self.rates, key=lambda rate, name=name: mean[name, rate]) for name in activations}

    def training_loss(self, network: Trained) -> float:
        """The mean of its last batch losses; NaN if it diverged."""
        return (
            float("nan") if network.diverged else float(network.losses[-self.last_losses :].astype(np.float64).mean())
        )

    def rows(self, network: Trained, arm: str, **varied: Any) -> list[dict[str, Any]]:
        """Tidy rows: the score and the training loss at the end, and the inner curve."""
        common = {"key": network.key, "seed": network.spec.seed, "arm": arm, **varied}
        found = late.rows(network, (self.score, "test"), arm=arm, **varied)
        end = {"step": network.step, "split": "train", "metric": "training_loss", "end": True}
        lost = {"value": network.worst("loss"), "diverged": True}
        found.append(common | end | (lost if network.diverged else {"value": self.training_loss(network)}))
        losses = network.losses[: len(network.losses) // EVERY * EVERY].astype(np.float64).reshape(-1, EVERY).mean(1)
        for index, loss in enumerate(losses):
            step = {"step": (index + 1) * EVERY, "split": "train", "metric": "inner_loss", "end": False}
            found.append(common | step | {"value": float(loss)})
        return found


def function_rows(result: Learned, step: int, arm: str) -> list[dict[str, Any]]:
    """Tidy rows of the function at the knots, and at the end of its fit by straight pieces."""
    common = {"key": result.key, "seed": result.lesson.seed, "arm": arm, "step": step, "split": ""}
    names = learned_activations.names_of(result.key, result.row(step))
    shapes = {"activation": names[""]} | ({"activation_pieces": names["/linear"]} if step == result.step else {})
    return [
        common | {"metric": metric, "x": float(x), "value": float(y)}
        for metric, name in shapes.items()
        for x, y in zip(KNOTS, learned_activations.table(learned_activations.parse(name))[0], strict=True)
    ]
