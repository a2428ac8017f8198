"""Does the gradient of a whole training find the best learning rate, wherever it starts?"""

from __future__ import annotations

import logging
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np

from expzoo.analysis.studies.metalearning.learning_rate import LearnLearningRate
from expzoo.study import (
    Claim,
    Component,
    Control,
    Count,
    Figure,
    Findings,
    Lessons,
    Positive,
    Range,
    Request,
    complete,
    figures,
    mean_t,
    paired,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence
    from typing import Any

    import polars as pl

    from expzoo.study import Learned, Setting, Spec, Trained, Verdict

log = logging.getLogger(__name__)

SOURCE = "Greydanus, Scaling down deep learning (2020), gradient-based metalearning; 2024 notebook"
RATE, LOSS = "learning_rate", "mean_training_loss"
STARTS = {"high": "from a high start", "low": "from a low start"}
PUBLISHED = 0.62
TICKS = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0)  # learning rates that are named on an axis
REGRET = 0.005  # nats: what a grid search may find better than the gradient

ONE_OPTIMUM = Claim(
    name="mnist1d.metalearned_learning_rate",
    statement="From a start far above and one far below, gradients of the inner loss lead to one learning rate.",
    source=SOURCE,
    published="0.624 from 1.5 and 0.622 from 0.15 after 50 outer steps (2024 notebook, one seed)",
    unit="learning rate",
    smallest_effect=0.03,
    direction="equivalent",
    rule="TOST",
)
AS_PUBLISHED = Claim(
    name="mnist1d.metalearned_learning_rate_value",
    statement="The learning rate that is found is within 0.1 of the published 0.62.",
    source=SOURCE,
    published="about 0.62",
    unit="learning rate",
    smallest_effect=0.1,
    direction="equivalent",
    rule="TOST",
    reference=PUBLISHED,
    note="the optimum belongs to this horizon, batch size, initialisation and mean loss",
)


@register
class MetalearnLearningRate:
    """Learns the learning rate of plain SGD by differentiating the mean training loss of whole inner trainings.

    Two starts for each seed; a grid search with ordinary networks is the oracle: at the learned
    rates they must be no worse than at the best of the grid. The published rate is asked about
    where it was published, for MNIST-1D and a perceptron. The base spec with plain SGD is an
    inner network, its stop rule the horizon.

    Args:
        starts: the first learning rates, the higher one first (notebook: 1.5 and 0.15).
        outer_steps: updates of the learning rate (notebook: 50).
        outer_lr: the learning rate's own learning rate (notebook: 0.3).
        grid: learning rates of the grid search.
        grid_low: the lowest of them; the others follow at equal ratios.
        grid_high: the highest of them.
        checkpoint_every: inner steps between two states that are kept for the gradient, 1 for all
            of them and null for the root of their number. It changes memory and time, not the
            result.
    """

    NEEDS = ("finite",)
    HOME = ("dataset=mnist1d", "model=mlp")
    CACHE_VERSION = 1
    NOT_IN_KEY = ("checkpoint_every",)

    def __init__(
        self,
        *,
        starts: tuple[Positive, Positive] = (1.5, 0.15),
        outer_steps: Count = 50,
        outer_lr: Positive = 0.3,
        grid: Annotated[int, Range(3, 100)] = 15,
        grid_low: Positive = 0.05,
        grid_high: Positive = 3.0,
        checkpoint_every: Count | None = 1,
    ) -> None:
        if not starts[0] > starts[1]:
            raise ValueError(f"starts {list(starts)}: the first must be the higher one")
        if not grid_low < grid_high:
            raise ValueError(f"grid_low {grid_low} must be below grid_high {grid_high}")
        self.starts = dict(zip(STARTS, starts, strict=True))
        self.outer_steps, self.outer_lr, self.checkpoint_every = outer_steps, outer_lr, checkpoint_every
        self.grid = tuple(float(rate) for rate in np.geomspace(grid_low, grid_high, grid).round(6))

    def measure(self, setting: Setting) -> Generator[Any, Any, Findings]:
        """Lessons from both starts, then ordinary networks at the grid and at what was learned on the way."""
        if (own := setting.base.optimizer) != _plain(setting.base, own.option("lr", float)).optimizer:
            log.warning("metalearn_learning_rate trains its networks by sgd without momentum, not by %s", own.name)
        lessons = [self._lesson(spec, start) for start in self.starts for spec in setting.specs()]
        learned: list[Learned] = yield Lessons(tuple(lessons))
        arms = [start for start in self.starts for _ in setting.seeds]
        shown = sorted({0, self.outer_steps // 5, self.outer_steps})
        plan: list[tuple[str, str, int, Spec]] = []
        for rate in self.grid:
            plan += [("grid", "", -1, _plain(spec, rate)) for spec in setting.specs()]
        for start, result in zip(arms, learned, strict=True):
            inner = result.lesson.inner
            for step in [step for step in shown if step <= result.step]:
                plan.append(("check", start, step, inner.replace(optimizer={"lr": float(result.row(step)[0])})))
        networks: list[Trained] = yield Request(tuple(spec for *_, spec in plan), ())
        findings = Findings(arrays={} if setting.meets(self.HOME) else {"away": np.ones(1)})
        for start, result in zip(arms, learned, strict=True):
            findings.rows += result.rows(arm=STARTS[start], metric=RATE, ended=not result.diverged)
        for (arm, start, step, spec), network in zip(plan, networks, strict=True):
            own = {"arm": arm if arm == "grid" else STARTS[start], "lr": spec.optimizer["lr"], "outer_step": step}
            findings.rows += _inner_rows(network, curve=arm != "grid", **own)
        return findings

    def _lesson(self, inner: Spec, start: str) -> LearnLearningRate:
        return LearnLearningRate(
            inner=_plain(inner),
            outer_steps=self.outer_steps,
            outer_lr=self.outer_lr,
            start=self.starts[start],
            checkpoint_every=self.checkpoint_every,
        )

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Paired over seeds at the last outer step; the grid search is the control."""
        rates = {start: self._final(table, start) for start in STARTS}
        control = self._control(table)
        both = {seed: (high + rates["low"][seed]) / 2 for seed, high in rates["high"].items()}
        value = paired(AS_PUBLISHED, both, dict.fromkeys(both, 0.0), control=control)
        one = paired(ONE_OPTIMUM, rates["high"], rates["low"], control=control)
        blown = {arm: len(rates[start]) - len(self._learned(table, start)) for start, arm in STARTS.items()}
        lost = "; ".join(f"{n} of {len(both)} {arm} diverged: counted as not moved" for arm, n in blown.items() if n)
        found = replace(one, note=_joined(one.note, lost))
        if "away" in arrays:
            return [found]
        prediction = _prediction(np.array([*both.values()]))
        return [found, replace(value, note=_joined(value.note, lost, prediction))]

    def _final(self, table: pl.DataFrame, start: str) -> dict[int, float]:
        """The learned rate of each seed, its start where the inner loop diverged: that start led to no other rate."""
        found = self._learned(table, start)
        return {seed: found.get(seed, self.starts[start]) for seed in sorted({*table["seed"]})}

    def _learned(self, table: pl.DataFrame, start: str) -> dict[int, float]:
        """The learned rate of each seed whose inner loops did not diverge."""
        last = records.select(table, arm=STARTS[start], metric=RATE, step=self.outer_steps)
        return dict(last.select("seed", "value").iter_rows())

    def _control(self, table: pl.DataFrame) -> Control:
        """Ordinary networks: what they cost at the learned rates, minus at the best rate of the grid."""
        _, grid = records.pivot(table, "lr", arm="grid", metric=LOSS)
        best = np.nanmin(grid, 1)
        name = "a grid search with ordinary networks finds no lower loss"
        regrets = []
        for arm in STARTS.values():
            at_end = records.select(table, arm=arm, metric=LOSS, outer_step=self.outer_steps)
            learned = dict(at_end.select("seed", "value").iter_rows())
            regrets += [learned.get(seed, np.nan) - low for seed, low in zip(_seeds(table), best, strict=True)]
        (kept,), dropped = complete(regrets)
        if not len(kept):
            return Control(name, passed=False, detail="every inner loop diverged")
        seen = f"{kept.mean():+.4f} nats on average, {dropped} of {len(regrets)} diverged"
        return Control(name, bool(kept.mean() < REGRET), seen)

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """The rate and its cost by outer step, the inner curves, and the grid."""
        picture, panels = figures.canvas(2, 1, height=6.0, sharex=True)
        for panel, (metric, unit) in zip(
            panels, ((RATE, "learning rate"), ("outer_loss", "mean training loss (nats)")), strict=True
        ):
            chosen = records.select(table, metric=metric)
            for arm in [arm for arm in STARTS.values() if arm in chosen["arm"]]:  # none if the first step diverged
                steps, values = records.pivot(chosen, "step", arm=arm)
                figures.curve(panel, steps, values, arm, markers=10)
            panel.set_ylabel(unit)
        caption = "Mean over seeds with 95 % Student intervals."
        if "away" not in arrays:
            panels[0].axhline(PUBLISHED, color="0.6", linewidth=0.8, linestyle=":")
            caption += " The dotted line is the published 0.62."
        panels[1].set_xlabel("outer step")
        figures.legend(panels[0])
        data = records.select(table, metric=[RATE, "outer_loss"])
        yield Figure("outer_steps", "Learning a learning rate", caption, picture, data)
        yield self._inner_curves(table)
        yield self._grid_figure(table)

    def _inner_curves(self, table: pl.DataFrame) -> Figure:
        picture, panels = figures.canvas(1, 2, width=8.6, height=3.7, sharey=True)
        chosen = records.select(table, metric="training_loss")
        for panel, (start, arm) in zip(panels, STARTS.items(), strict=True):
            for step in sorted({*records.select(chosen, arm=arm)["outer_step"]}):
                steps, values = records.pivot(chosen, "step", arm=arm, outer_step=step)
                figures.curve(panel, steps, _smooth(values), f"outer step {step}", markers=5)
            panel.set(xlabel=f"inner step, learning rate from {self.starts[start]:g}")
        panels[0].set_ylabel("training loss (nats)")
        figures.legend(panels[0])
        caption = "Batch losses of ordinary networks at the rate of that outer step, averaged over ten steps and seeds."
        return Figure("inner_curves", "Inner learning curves by outer step", caption, picture, chosen)

    def _grid_figure(self, table: pl.DataFrame) -> Figure:
        picture, (axes,) = figures.canvas(height=3.9)
        rates, values = records.pivot(table, "lr", arm="grid", metric=LOSS)
        figures.curve(axes, rates, values, "grid search")
        for start, arm in STARTS.items():
            found = [*self._learned(table, start).values()]
            if found:
                _, costs = records.pivot(table, "outer_step", arm=arm, metric=LOSS, outer_step=self.outer_steps)
                line = figures.curve(axes, np.array([np.mean(found)]), costs, arm)
                axes.axvline(float(np.mean(found)), color=line.get_color(), linewidth=0.9, linestyle=":")
        axes.set(xscale="log", xlabel="learning rate", ylabel="mean training loss (nats)")
        ticks = [tick for tick in TICKS if rates[0] <= tick <= rates[-1]]
        axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        axes.minorticks_off()
        figures.name_curves(axes)
        caption = (
            "Mean over seeds with 95 % Student intervals. Points with dotted lines: the mean of the learned rates, and "
            "what ordinary networks cost at them, each seed at its own."
        )
        data = records.select(table, metric=LOSS)
        return Figure("grid_search", "What a grid search finds", caption, picture, data)


def _plain(spec: Spec, rate: float = 0.1) -> Spec:
    """The spec with plain SGD."""
    return spec.replace(optimizer=Component.of("optimizer", "sgd", lr=rate, momentum=0.0))


def _inner_rows(network: Trained, *, curve: bool, **own: Any) -> list[dict[str, Any]]:
    common = {"key": network.key, "seed": network.spec.seed, "split": "train", **own}
    mean = float("nan") if network.diverged else float(network.losses.astype(np.float64).mean())
    found = [common | {"step": network.step, "metric": LOSS, "value": mean}]
    if curve:
        found += [
            common | {"step": s, "metric": "training_loss", "value": float(v)} for s, v in enumerate(network.losses)
        ]
    return found


def _seeds(table: pl.DataFrame) -> list[int]:
    return sorted({*records.select(table, arm="grid")["seed"]})


def _smooth(values: np.ndarray, over: int = 10) -> np.ndarray:
    """Means of the last `over` values at each index."""
    sums = np.cumsum(np.pad(values, ((0, 0), (1, 0))), 1)
    ends = np.arange(1, values.shape[1] + 1)
    starts = np.maximum(ends - over, 0)
    return (sums[:, ends] - sums[:, starts]) / (ends - starts)


def _prediction(values: np.ndarray) -> str:
    """Whether the published value could be one more seed: the 95 % prediction interval."""
    if len(values) < 3:
        return "too few seeds for a prediction interval"
    estimate = mean_t(values)
    half = (estimate.high - estimate.effect) * np.sqrt(len(values) + 1)
    low, high = estimate.effect - half, estimate.effect + half
    inside = "inside" if low <= PUBLISHED <= high else "outside"
    return f"{PUBLISHED} lies {inside} the 95 % prediction interval of one more seed, {low:.3f} to {high:.3f}"


def _joined(*notes: str) -> str:
    return "; ".join(note for note in notes if note)
