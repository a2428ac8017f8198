"""Is a weight decay that is learned together with the learning rate worth anything on data that taught nothing?"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated

import numpy as np

from expzoo.analysis.studies.metalearning.weight_decay import LearnRateAndDecay
from expzoo.study import (
    Claim,
    Component,
    Count,
    Figure,
    Findings,
    Fresh,
    Lessons,
    Measure,
    Positive,
    Range,
    Request,
    figures,
    no_difference,
    paired,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from typing import Any

    import polars as pl

    from expzoo.study import Learned, Setting, Spec, Verdict

SOURCE = "question of ours, after Greydanus, Scaling down deep learning (2020), gradient-based metalearning"
PAIR, ALONE, GRID, AGAIN = "rate and decay", "rate alone", "grid", "rate and decay, other starts"
RATE, DECAY, OUTER = "learning_rate", "weight_decay", "outer_loss"
NEGLIGIBLE = 0.02  # nats of test loss

BEATS_RATE = Claim(
    name="metalearning.rate_and_decay_beat_rate",
    statement="A learned rate with a learned weight decay give a lower test loss than a learned rate alone.",
    source=SOURCE,
    published="",
    unit="nats",
    smallest_effect=NEGLIGIBLE,
    direction="less",
    rule="paired t",
)
AS_GOOD_AS_GRID = Claim(
    name="metalearning.rate_and_decay_equal_grid",
    statement="They give the test loss of the pair that a grid search on the same validation data finds.",
    source=SOURCE,
    published="",
    unit="nats",
    smallest_effect=NEGLIGIBLE,
    direction="equivalent",
    rule="TOST",
)


@register
class MetalearnWeightDecay:
    """Learns rate and weight decay of plain SGD by the validation loss at the end of whole inner trainings.

    Beside it the rate alone is learned in the same way, and ordinary networks are trained on a grid
    of both, each seed choosing the pair that is best on its validation data; as many of them as
    four for each outer step. All are compared by their test loss, which nobody chose by. The
    control is what was learned, used from other starts. The base spec with plain SGD is an inner
    network.

    Args:
        rate: the first learning rate.
        decay: the first weight decay.
        outer_steps: updates of both.
        outer_lr: how much a logarithm changes for a gradient of 1 nat.
        clamp: the largest gradient of a logarithm that counts.
        grid_rates: learning rates of the grid search.
        grid_decays: weight decays of the grid search, of which the first is none.
        rate_low: the lowest rate of the grid; the others follow at equal ratios.
        rate_high: the highest.
        decay_low: the lowest decay of the grid that is one.
        decay_high: the highest.
        checkpoint_every: inner steps between two states that are kept for the gradient, null for
            the root of their number. It changes memory and time, not the result.
    """

    NEEDS = ("finite", "split validation")
    CACHE_VERSION = 1
    NOT_IN_KEY = ("checkpoint_every",)

    def __init__(
        self,
        *,
        rate: Positive = 0.3,
        decay: Positive = 0.001,
        outer_steps: Count = 80,
        outer_lr: Positive = 4.0,
        clamp: Positive = 0.1,
        grid_rates: Annotated[int, Range(2, 100)] = 16,
        grid_decays: Annotated[int, Range(2, 100)] = 20,
        rate_low: Positive = 0.03,
        rate_high: Positive = 3.0,
        decay_low: Positive = 0.0001,
        decay_high: Positive = 0.1,
        checkpoint_every: Count | None = None,
    ) -> None:
        for name, low, high in (("rate", rate_low, rate_high), ("decay", decay_low, decay_high)):
            if not low < high:
                raise ValueError(f"{name}_low {low} must be below {name}_high {high}")
        self.outer_steps = outer_steps
        self.lesson = partial(
            LearnRateAndDecay,
            rate=rate,
            outer_steps=outer_steps,
            outer_lr=outer_lr,
            clamp=clamp,
            checkpoint_every=checkpoint_every,
        )
        self.decay = decay
        self.rates = [float(value) for value in np.geomspace(rate_low, rate_high, grid_rates).round(6)]
        self.decays = [0.0, *(float(value) for value in np.geomspace(decay_low, decay_high, grid_decays - 1).round(8))]

    def measure(self, setting: Setting) -> Generator[Any, Any, Findings]:
        """Lessons with and without a decay, then ordinary networks at what was learned and on the grid."""
        asked = [(arm, spec) for arm in (PAIR, ALONE) for spec in setting.specs()]
        decays = {PAIR: self.decay, ALONE: None}
        lessons = tuple(self.lesson(inner=_sgd(spec), decay=decays[arm]) for arm, spec in asked)
        learned: list[Learned] = yield Lessons(lessons)
        findings = Findings()
        plan: list[tuple[str, Spec]] = []
        for (arm, spec), result in zip(asked, learned, strict=True):
            findings.rows += _learned_rows(result, arm)
            rate, decay = _values(result, result.step, arm)
            plan.append((arm, used := _sgd(spec, rate, decay)))
            if arm == PAIR:
                plan.append((AGAIN, used.replace(init=Fresh(draw=1))))
        plan += [
            (GRID, _sgd(spec, rate, decay)) for rate in self.rates for decay in self.decays for spec in setting.specs()
        ]
        wanted = Measure("nll", "validation"), Measure("nll", "test")
        networks = yield Request(tuple(spec for _, spec in plan), wanted)
        for (arm, spec), network in zip(plan, networks, strict=True):
            columns = {RATE: spec.optimizer["lr"], DECAY: spec.optimizer["weight_decay"]}
            findings.rows += network.rows(("nll", "validation"), ("nll", "test"), arm=arm, **columns)
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Paired over seeds by test loss; each seed's pair of the grid is the one that its validation data choose."""
        found = {arm: _test_losses(table, arm) for arm in (PAIR, ALONE, AGAIN)}
        chosen = _chosen(table)
        grid = {seed: loss for seed, (_, _, loss) in chosen.items()}
        control = no_difference("what was learned, from other starts", found[AGAIN], found[PAIR])
        rates, decays = (np.median([values[index] for values in chosen.values()]) for index in (0, 1))
        size = f"{len(self.rates)} x {len(self.decays)}"
        note = f"a grid of {size} chooses rate {rates:.3g} and decay {decays:.3g} (medians)"
        verdict = paired(AS_GOOD_AS_GRID, found[PAIR], grid, control=control)
        return [
            paired(BEATS_RATE, found[PAIR], found[ALONE], control=control),
            replace(verdict, note="; ".join(filter(None, (verdict.note, note)))),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """What is learned by outer step, and the test loss of each way."""
        names = {RATE: "learning rate", DECAY: "weight decay", OUTER: "validation loss (nats)"}
        picture, panels = figures.canvas(3, 1, height=7.2, sharex=True)
        for panel, (metric, words) in zip(panels, names.items(), strict=True):
            for arm in (PAIR, ALONE):
                chosen = records.select(table, metric=metric, arm=arm)
                if not chosen.is_empty():
                    steps, values = records.pivot(chosen, "step")
                    figures.curve(panel, steps, values, arm, markers=10)
            panel.set_ylabel(words)
            if metric != OUTER:
                panel.set_yscale("log")
        panels[-1].set_xlabel("outer step")
        figures.legend(panels[0])
        data = records.select(table, metric=[*names])
        caption = "Means over seeds with 95 % Student intervals."
        yield Figure("outer_steps", "Learning a rate and a decay", caption, picture, data)
        yield self._bars(table)

    def _bars(self, table: pl.DataFrame) -> Figure:
        picture, (axes,) = figures.canvas(height=3.8)
        losses = {arm: _test_losses(table, arm) for arm in (ALONE, PAIR)}
        losses["best of the grid"] = {seed: loss for seed, (_, _, loss) in _chosen(table).items()}
        seeds = sorted(set.intersection(*(set(own) for own in losses.values())))
        values = np.array([[own[seed] for own in losses.values()] for seed in seeds])
        figures.bars(axes, [*losses], values, "test loss")
        axes.set_ylabel("test loss (nats)")
        caption = "Means over seeds with 95 % Student intervals; dots are seeds. Validation data chose the grid's pair."
        return Figure(
            "test_loss",
            "Test loss by how rate and decay were found",
            caption,
            picture,
            records.select(table, split="test"),
        )


def _sgd(spec: Spec, rate: float = 0.1, decay: float = 0.0) -> Spec:
    """The spec with plain SGD."""
    return spec.replace(optimizer=Component.of("optimizer", "sgd", lr=rate, momentum=0.0, weight_decay=decay))


def _values(result: Learned, step: int, arm: str) -> tuple[float, float]:
    """Rate and decay after so many outer steps."""
    log_rate, log_decay = (float(value) for value in result.row(step))
    return math.exp(log_rate), math.exp(log_decay) if arm == PAIR else 0.0


def _learned_rows(result: Learned, arm: str) -> list[dict[str, Any]]:
    """Tidy rows of what each outer step cost and had learned."""
    common = {"key": result.key, "seed": result.lesson.seed, "arm": arm}
    found = [
        common | {"step": step, "split": "validation", "metric": OUTER, "value": float(cost)}
        for step, cost in enumerate(result.costs)
    ]
    for step in range(result.step + 1):
        values = zip((RATE, DECAY), _values(result, step, arm), strict=True)
        found += [
            common | {"step": step, "split": "", "metric": metric, "value": value} for metric, value in values if value
        ]
    return found


def _test_losses(table: pl.DataFrame, arm: str) -> dict[int, float]:
    return records.by_seed(table, arm=arm, metric="nll", split="test")


def _chosen(table: pl.DataFrame) -> dict[int, tuple[float, float, float]]:
    """For each seed the rate and the decay that are best on its validation data, and their test loss."""
    grid = records.select(table, arm=GRID, metric="nll")
    found: dict[int, tuple[float, float, float]] = {}
    columns = ("seed", RATE, DECAY, "value")
    tests = {tuple(row[:3]): row[3] for row in records.select(grid, split="test").select(columns).iter_rows()}
    held = records.select(grid, split="validation").select(columns).iter_rows()
    best: dict[int, float] = {}
    for seed, rate, decay, value in held:
        if value < best.get(seed, math.inf):
            best[seed] = value
            found[seed] = (rate, decay, tests[seed, rate, decay])
    return found
