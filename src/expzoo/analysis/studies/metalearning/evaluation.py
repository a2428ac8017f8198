"""Activation functions against each other: each at the learning rate that suits it, on seeds that chose nothing."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.analysis import late
from expzoo.analysis.tuning import Tuning
from expzoo.components import learned_activations
from expzoo.store import records
from expzoo.system.randomness import stable_hash

if TYPE_CHECKING:
    import polars as pl

    from expzoo.analysis.contract import Setting
    from expzoo.lab.lesson import Learned
    from expzoo.lab.request import Request
    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec
    from expzoo.store.records import Row

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


def tuned(
    setting: Setting, activations: Mapping[str, str], rates: tuple[float, ...]
) -> Generator[Request, list[Trained], tuple[dict[str, Spec], list[Row]]]:
    """Arm -> the base with its activation and the learning rate that is best for it on validation data; what was tried.

    `activations` are arm -> the name of its activation.
    """
    arms = {arm: partial(_with, activation=name) for arm, name in activations.items()}
    settled, tried = yield from Tuning(rates).of(setting, arms)
    return {arm: make(settled[arm](setting.base)) for arm, make in arms.items()}, tried


def _with(base: Spec, activation: str) -> Spec:
    return base.replace(model={"activation": activation})


def network_rows(network: Trained, score: str, last_losses: int, arm: str, **varied: Any) -> list[Row]:
    """Tidy rows: the score and the training loss, which is the mean of the last losses, and the inner curve."""
    common: Row = {"key": network.key, "seed": network.spec.seed, "arm": arm, **varied}
    found = late.rows(network, (score, "test"), arm=arm, **varied)
    losses = network.losses.astype(np.float64)
    end: Row = {"step": network.step, "split": "train", "metric": "training_loss", "end": True}
    lost: Row = {"value": network.worst("loss"), "diverged": True}
    found.append(common | end | (lost if network.diverged else {"value": float(losses[-last_losses:].mean())}))
    for index, loss in enumerate(losses[: len(losses) // EVERY * EVERY].reshape(-1, EVERY).mean(1)):
        step: Row = {"step": (index + 1) * EVERY, "split": "train", "metric": "inner_loss", "end": False}
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
