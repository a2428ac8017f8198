"""Each arm at its own best settings: a small grid that all share, tried on validation data with seeds of its own.

A comparison of arms of unlike size or kind at one learning rate compares how well that rate suits
them. Nothing of the test data, and no seed of the comparison, has a part in the choice.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from expzoo.analysis import late
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import LOSS
from expzoo.store import records
from expzoo.system.errors import Unfit
from expzoo.system.randomness import member_seed, stable_hash

if TYPE_CHECKING:
    import polars as pl

    from expzoo.analysis.contract import Setting
    from expzoo.lab.trained import Trained
    from expzoo.science.verdicts import Verdict
    from expzoo.spec.contracts import Dataset
    from expzoo.spec.spec import Spec
    from expzoo.store.records import Row
    from expzoo.system.canonical import Option

SEEDS = 3  # of a tuning: enough to rank settings whose scores differ by more than the noise of a seed
ARM = "tuning"  # the arm of the records
RATE, SCHEDULE = "optimizer.lr", "schedule"

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


@dataclass(frozen=True)
class Tuning:
    """Learning rates and schedules of which each arm of an analysis gets the best; none of a kind leaves the base's."""

    rates: tuple[float, ...] = ()
    schedules: tuple[str, ...] = ()

    @property
    def needs(self) -> tuple[str, ...]:
        """What an analysis needs for it, in the words of `analysis.needs`."""
        return ("split validation", *["optimizer.lr"] * bool(self.rates)) if self.rates or self.schedules else ()

    def of(
        self, setting: Setting, arms: Mapping[Name, Callable[[Spec], Spec]]
    ) -> Generator[Request, list[Trained], tuple[dict[Name, Callable[[Spec], Spec]], list[Row]]]:
        """For each arm what changes a spec to the settings that are best for it, and records of all that were tried.

        `arms` make an arm's network from a base that has the settings.
        """
        tried = {RATE: self.rates, SCHEDULE: self.schedules}
        over = {key: values for key, values in tried.items() if values}
        if not over:
            return {name: _unchanged for name in arms}, []
        makers = {name: lambda base, point, make=make: make(changed(base, point)) for name, make in arms.items()}
        choices, rows = yield from tune(setting, makers, over)
        return {name: lambda base, own=own: changed(base, own.settings) for name, own in choices.items()}, rows


def _unchanged(base: Spec) -> Spec:
    return base


def changed(base: Spec, settings: Mapping[str, Option]) -> Spec:
    """The base with this learning rate and schedule, of those that are given."""
    if RATE in settings:
        base = base.replace(optimizer={"lr": settings[RATE]})
    return base.replace(schedule=Component.of(SCHEDULE, str(settings[SCHEDULE]))) if SCHEDULE in settings else base


def grid(settings: Mapping[str, Sequence[Option]]) -> list[dict[str, Option]]:
    """Every combination of the values of each setting."""
    return [dict(zip(settings, values, strict=True)) for values in itertools.product(*settings.values())]


def tune(
    setting: Setting,
    arms: Mapping[Name, Callable[[Spec, Mapping[str, Option]], Spec]],
    over: Mapping[str, Sequence[Option]],
    *,
    loss_on: str = "",
) -> Generator[Request, list[Trained], tuple[dict[Name, Choice], list[Row]]]:
    """The best settings of each arm by its mean validation score, and the records of all that were tried.

    With `loss_on` a split, by the mean loss on that instead, such as the training data where claims are of those.

    `arms` make an arm's network from the base and the settings. A network that diverged counts as
    chance, or as worse than all others where the score has no chance level. Where robustness fixes
    a setting, it is not tuned; where it changes rates, the chosen one is changed. Unfit if the data
    have no validation split.
    """
    over = {key: values for key, values in over.items() if key not in setting.fixed}
    if not over:
        return {name: Choice({}, math.nan, at_edge=False) for name in arms}, []
    run = stable_hash("tuning", *setting.seeds[:1])
    seeds = [member_seed(run, index) for index in range(SEEDS)]
    points = grid(over)
    plan = [
        (name, index, make(setting.base.replace(seed=seed), point))
        for name, make in arms.items()
        for index, point in enumerate(points)
        for seed in seeds
    ]
    score, datasets = setting.score, {spec.dataset for *_, spec in plan}
    metric, split = (LOSS, loss_on) if loss_on else (score.metric, "validation")
    sign = 1 if score.higher_is_better and not loss_on else -1
    chances = dict.fromkeys(datasets, math.nan) if loss_on else _chances(setting, datasets)
    parts = [Request((spec,), (late.measure(metric, split, spec.stop.build().at_most),)) for *_, spec in plan]
    networks = yield Request(parts[0].specs, parts[0].measures, more=tuple(parts[1:]))
    found: dict[tuple[Name, int], list[float]] = {}
    rows: list[Row] = []
    for (name, index, spec), network in zip(plan, networks, strict=True):
        value = late.value(network, metric, split)
        lost = chance if math.isfinite(chance := chances[spec.dataset]) else -sign * math.inf
        found.setdefault((name, index), []).append(value if math.isfinite(value) else lost)
        where: Row = {"key": network.key, "seed": spec.seed, "arm": ARM, "tuned": str(name), "end": True}
        seen = {"step": network.step, "split": split, "metric": metric, "value": value}
        rows.append(where | seen | {"tried": ", ".join(f"{key}={value}" for key, value in points[index].items())})
    choices = {}
    for name in arms:
        means = [float(np.mean(found[name, index])) for index in range(len(points))]
        best = int(np.argmax(sign * np.array(means)))
        choices[name] = Choice(_at_rate(setting, points[best]), means[best], _at_edge(points[best], over))
    words = {str(name): choice.words for name, choice in choices.items()}
    return choices, [row | {"best": words[str(row["tuned"])]} for row in rows]


def told(table: pl.DataFrame) -> str:
    """What a verdict says of the settings of all arms; empty if none was tuned."""
    if "best" not in table.columns:
        return ""
    rows = records.select(table, arm=ARM).select("tuned", "best").unique()
    best = dict(sorted(rows.iter_rows(), key=lambda row: (len(row[0]), row[0])))
    shown = (f"{name}: {words.replace('optimizer.lr', 'rate')}" for name, words in best.items())
    return f"tuned on validation data: {'; '.join(shown)}"


def noted(verdicts: Sequence[Verdict], table: pl.DataFrame, *facts: str) -> list[Verdict]:
    """The verdicts with these facts, and what the arms of the records were tuned to, in their notes."""
    said = (*facts, told(table))
    return [replace(v, note="; ".join(fact for fact in (v.note, *said) if fact)) for v in verdicts]


def _at_rate(setting: Setting, point: dict[str, Option]) -> dict[str, Option]:
    return point | {RATE: setting.rate * float(str(point[RATE]))} if RATE in point and setting.rate != 1 else point


def _chances(setting: Setting, datasets: set[Component[Dataset]]) -> dict[Component[Dataset], float]:
    """The chance level on the validation data of each dataset; Unfit if one has none."""
    found = {}
    for dataset in datasets:
        try:
            found[dataset] = setting.score.chance(dataset.build(), setting.seeds[0], "validation")
        except ValueError as error:
            raise Unfit(f"its arms are tuned on validation data, and dataset={dataset.name}: {error}") from error
    return found


def _at_edge(point: Mapping[str, Option], over: Mapping[str, Sequence[Option]]) -> bool:
    """Whether a number that was tuned is the smallest or the largest of those tried."""
    numbers = {key: [value for value in values if isinstance(value, int | float)] for key, values in over.items()}
    whole = {key: found for key, found in numbers.items() if len(found) == len(over[key]) > 1}
    return any(point[key] in (min(found), max(found)) for key, found in whole.items())
