"""One wide network or an ensemble of thinner ones, for the same number of parameters?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from expzoo.analysis.studies.memory_splits import AGAIN, Grid, best, best_interval, cube
from expzoo.study import (
    INK,
    Claim,
    Count,
    Figure,
    Findings,
    Positive,
    SelfTest,
    complete,
    decide,
    figures,
    mean_t,
    no_difference,
    paired,
    records,
    register,
    tuning,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Request, Setting, Trained, Verdict

CHIRKOVA = "Chirkova, Lobacheva & Vetrov, Deep ensembles on a fixed memory budget (2020)"
UNITS = {"cnll": "calibrated test NLL (nats)", "accuracy": "test accuracy (%)"}

ENSEMBLE_WINS = Claim(
    name="chirkova.memory_split",
    statement="At the largest budget an ensemble of thinner networks is more accurate than one network of its size.",
    source=f"{CHIRKOVA}, abstract",
    published="WideResNet-28-10 on CIFAR-100: 80.6 % alone, 82.52 % as 16 thinner networks",
    unit="percentage points",
    smallest_effect=0.0,
    direction="greater",
    rule="paired t",
    note="the number of networks is chosen on the other half of the seeds",
)
MORE_FOR_MORE = Claim(
    name="chirkova.optimal_split_grows",
    statement="The larger the budget, the more networks it is best spent on, by the lowest point of a parabola.",
    source=f"{CHIRKOVA}, section 4",
    published="shown as figures",
    unit="doublings of the number of networks for each doubling of the budget",
    smallest_effect=0.0,
    direction="greater",
    rule="one-sample t",
    note="for each seed and budget, of the CNLL against the logarithm of the number of networks",
)


@register
class MemorySplit:
    """Trains ensembles of 1, 2, 4, ... networks for each budget of parameters, the size of the model making them fit.

    Networks of one replicate see the same data. CNLL is the NLL of the averaged prediction at a
    temperature fitted on the validation split. What networks predict is taken at the last step, so
    that schedules should fall to 0.

    Args:
        budgets: parameters in all, biases included, increasing.
        parts: networks that a budget is spent on, from 1, increasing.
        rates: learning rates of which each width gets the best on validation data; () leaves the base's.
        schedules: schedules, likewise.
    """

    NEEDS = ("targets classes", "split validation", "model SIZE")
    CACHE_VERSION = 1
    RULES_VERSION = 2  # 2: the best number of networks is a parabola's

    def __init__(
        self,
        *,
        budgets: tuple[Count, ...] = (2000, 8000, 32000, 128000),
        parts: tuple[Count, ...] = (1, 2, 4, 8, 16),
        rates: tuple[Positive, ...] = (),
        schedules: tuple[Literal["constant", "cosine"], ...] = (),
    ) -> None:
        self.grid = Grid(budgets, parts, tuning.Tuning(rates, schedules))

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Every ensemble of the grid in each replicate."""
        return Findings((yield from self.grid.measure(setting)))

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """The best number of networks on one half of the seeds is judged on the other; the trend by the bootstrap."""
        single, again = (self._largest(table, arm, 1) for arm in ("split", AGAIN))
        same = no_difference("single networks that differ in their start only", again, single)
        chosen, alone = self._chosen(table)
        seeds, budgets, parts, values = cube(table, "cnll")
        trend = mean_t(growth(values, budgets, parts), level=MORE_FOR_MORE.level)
        dropped = len(single) - len(seeds)
        verdicts = [
            paired(ENSEMBLE_WINS, chosen, alone, control=same),
            decide(MORE_FOR_MORE, trend, control=[same, _control()], dropped=dropped),
        ]
        return tuning.noted(verdicts, table)

    def _largest(self, table: pl.DataFrame, arm: str, part: int) -> dict[int, float]:
        budget = self.grid.budgets[-1]
        return records.by_seed(table, arm=arm, budget=budget, parts=part, metric="accuracy")

    def _chosen(self, table: pl.DataFrame) -> tuple[dict[int, float], dict[int, float]]:
        """At the largest budget, the accuracy of the best ensemble of the other half, and that of a single network."""
        by_part = {part: self._largest(table, "split", part) for part in self.grid.parts}
        seeds = sorted(by_part[1])
        halves = seeds[::2], seeds[1::2]
        chosen, parts = {}, self.grid.parts[1:]
        for own, other in (halves, halves[::-1]):
            known = {part: complete([by_part[part][seed] for seed in other or own])[0][0] for part in parts}
            mean = {part: values.mean() if len(values) else -np.inf for part, values in known.items()}
            best_part = max(mean, key=lambda part: mean[part])
            chosen |= {seed: by_part[best_part][seed] for seed in own}
        return chosen, by_part[1]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Every number of networks against the budget, with the lower envelope, and the best number."""
        for metric, unit in UNITS.items():
            yield _against_budget(table, metric, unit)
        yield _best_number(table)


def growth(values: np.ndarray, budgets: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """The slope of log2 of each seed's best number of networks against log2 of the budget, (seeds,).

    The best number is the lowest point of a parabola through the values (seeds, budgets, parts), at
    most the ends: the place of the lowest value itself jumps, so that its bootstrap supports growth
    where there is none two to four times too often.
    """
    x = np.log2(parts)
    design = np.stack([np.ones_like(x), x, x**2], 1) if len(parts) > 2 else np.stack([np.ones_like(x), x], 1)
    fitted = np.linalg.lstsq(design, np.moveaxis(values, -1, 0).reshape(len(parts), -1), rcond=None)[0]
    slope, bend = fitted[1], fitted[2] if len(fitted) > 2 else np.zeros_like(fitted[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = np.where(bend > 0, -slope / (2 * bend), np.where(slope + bend * (x[0] + x[-1]) > 0, x[0], x[-1]))
    best_logs = np.clip(vertex, x[0], x[-1]).reshape(values.shape[:-1])
    return np.polyfit(np.log2(budgets), best_logs.T, 1)[0] if len(values) else np.empty(0)


def _control() -> SelfTest:
    """A made table whose best number of networks is the square root of the budget."""
    budgets, parts = 4.0 ** np.arange(1, 5), 2 ** np.arange(5)
    made = (np.log2(parts)[None, None] - np.log2(np.sqrt(budgets))[None, :, None]) ** 2
    found = float(growth(made, budgets, parts)[0])
    return SelfTest("a made table grows by one half", abs(found - 0.5) < 1e-9, f"{found:.3f}")


def _against_budget(table: pl.DataFrame, metric: str, unit: str) -> Figure:
    """Curves of each number of networks, and the best of all of them at each budget."""
    picture, (axes,) = figures.canvas(height=4.0)
    _, budgets, parts, values = cube(table, metric)
    for index, part in enumerate(parts):
        figures.curve(axes, budgets, values[:, :, index], f"{part} network{'s' if part > 1 else ''}")
    if len(values):
        choose = np.min if metric == "cnll" else np.max
        envelope = choose(values.mean(0), axis=-1)
        ring = {"marker": "o", "markersize": 11, "markerfacecolor": "none", "markeredgewidth": 1.1}
        axes.plot(budgets, envelope, color=INK, linewidth=0.9, zorder=4, **ring)
    axes.set(xscale="log", xlabel="parameters in all", ylabel=unit)
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
    axes.minorticks_off()
    figures.legend(axes)
    caption = (
        "Means over seeds with 95 % Student intervals. The thin line with rings is the envelope: the best "
        "split of each budget."
    )
    data = records.select(table, arm="split", metric=metric)
    return Figure(f"{metric}_against_budget", f"{unit.capitalize()} against the budget", caption, picture, data)


def _best_number(table: pl.DataFrame) -> Figure:
    """The best number of networks with its interval."""
    picture, (axes,) = figures.canvas(height=3.2)
    _, budgets, parts, values = cube(table, "cnll")
    if len(values):
        low, high = best_interval(values, parts)
        figures.curve(axes, budgets, np.asarray(best(values, parts)), "best split", low=low, high=high)
    axes.set(xscale="log", yscale="log", xlabel="parameters in all", ylabel="networks with the least CNLL")
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
    axes.set_yticks(parts, [str(part) for part in parts])
    axes.minorticks_off()
    caption = "The number of networks of least mean CNLL, and where it lies in 95 % of resamples of the seeds."
    data = records.select(table, arm="split", metric="cnll")
    return Figure("best_split", "The best number of networks against the budget", caption, picture, data)
