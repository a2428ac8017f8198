"""Each arm at its own best settings: a small grid that all share, tried on validation data with seeds of its own.

A comparison of arms of unlike size or kind at one learning rate compares how well that rate suits
them. Nothing of the test data, and no seed of the comparison, has a part in the choice.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from expzoo.lab.request import Request
from expzoo.spec.measure import Measure
from expzoo.spec.when import at
from expzoo.system.errors import Unfit
from expzoo.system.randomness import member_seed, stable_hash

if TYPE_CHECKING:
    from expzoo.analysis.contract import Setting
    from expzoo.lab.trained import Trained
    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset
    from expzoo.spec.spec import Spec
    from expzoo.store.records import Row
    from expzoo.system.canonical import Option

SEEDS = 3  # of a tuning: enough to rank settings whose scores differ by more than the noise of a seed
LATE = (0.9, 0.925, 0.95, 0.975, 1.0)  # of the training: one step's score would reward luck
ARM = "tuning"  # the arm of the records

Name = TypeVar("Name", bound=Hashable)


@dataclass(frozen=True)
class Choice:
    """The settings that were best for an arm, and whether better ones may lie beyond the grid."""

    settings: Mapping[str, Option]
    score: float
    at_edge: bool

    @property
    def words(self) -> str:
        """What a note says: "optimizer.lr 0.01 (the edge of the grid)"."""
        told = ", ".join(f"{key} {value}" for key, value in self.settings.items())
        return told + " (the edge of the grid)" * self.at_edge


def grid(settings: Mapping[str, Sequence[Option]]) -> list[dict[str, Option]]:
    """Every combination of the values of each setting."""
    return [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]


def tune(
    setting: Setting,
    arms: Mapping[Name, Callable[[Spec, Mapping[str, Option]], Spec]],
    over: Mapping[str, Sequence[Option]],
) -> Generator[Request, list[Trained], tuple[dict[Name, Choice], list[Row]]]:
    """The best settings of each arm by its mean validation score, and the records of all that were tried.

    `arms` make an arm's network from the base and the settings. A network that diverged counts as
    chance, or as worse than all others where the score has no chance level. Unfit if the data have
    no validation split.
    """
    run = stable_hash("tuning", *setting.seeds[:1])
    seeds = [member_seed(run, index) for index in range(SEEDS)]
    points = grid(over)
    plan = [
        (name, index, make(setting.base.replace(seed=seed), point))
        for name, make in arms.items()
        for index, point in enumerate(points)
        for seed in seeds
    ]
    chances = _chances(setting, {spec.dataset for *_, spec in plan})
    parts = [Request((spec,), (_late(setting.score.metric, spec),)) for *_, spec in plan]
    networks = yield Request(parts[0].specs, parts[0].measures, more=tuple(parts[1:]))
    sign = 1 if setting.score.higher_is_better else -1
    found: dict[tuple[Name, int], list[float]] = {}
    rows: list[Row] = []
    for (name, index, spec), network in zip(plan, networks, strict=True):
        value = _score(network, setting.score.metric)
        lost = chance if math.isfinite(chance := chances[spec.dataset]) else -sign * math.inf
        found.setdefault((name, index), []).append(value if math.isfinite(value) else lost)
        where: Row = {"key": network.key, "seed": spec.seed, "arm": ARM, "tuned": str(name), "end": True}
        tried = ", ".join(f"{key}={value}" for key, value in points[index].items())
        seen = {"step": network.step, "split": "validation", "metric": setting.score.metric, "value": value}
        rows.append(where | seen | {"tried": tried})
    choices = {}
    for name in arms:
        means = [sign * float(np.mean(found[name, index])) for index in range(len(points))]
        best = int(np.argmax(means))
        choices[name] = Choice(points[best], sign * means[best], _at_edge(points[best], over))
    return choices, rows


def _chances(setting: Setting, datasets: set[Component[Dataset]]) -> dict[Component[Dataset], float]:
    """The chance level on the validation data of each dataset; Unfit if one has none."""
    found = {}
    for dataset in datasets:
        try:
            found[dataset] = setting.score.chance(dataset.build(), setting.seeds[0], "validation")
        except ValueError as error:
            raise Unfit(f"its arms are tuned on validation data, and dataset={dataset.name}: {error}") from error
    return found


def _late(metric: str, spec: Spec) -> Measure:
    total = spec.stop.shared.at_most
    return Measure(metric, "validation", at(*sorted({round(part * total) for part in LATE})))


def _score(network: Trained, metric: str) -> float:
    if network.diverged:
        return float("nan")
    due = _late(metric, network.spec).when.steps(network.spec.stop.shared.at_most) | {network.step}
    curve = network.curve(metric, "validation").items()
    return float(np.mean([value for step, value in curve if step in due and step >= LATE[0] * network.step]))


def _at_edge(point: Mapping[str, Option], over: Mapping[str, Sequence[Option]]) -> bool:
    """Whether a number that was tuned is the smallest or the largest of those tried."""
    numbers = {key: [value for value in values if isinstance(value, int | float)] for key, values in over.items()}
    whole = {key: found for key, found in numbers.items() if len(found) == len(over[key]) > 1}
    return any(point[key] in (min(found), max(found)) for key, found in whole.items())
