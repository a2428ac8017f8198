"""Do small budgets foretell how a larger one is best split?"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Literal

import numpy as np

from expzoo.analysis.studies.memory_splits import AGAIN, Grid, cube
from expzoo.study import (
    Claim,
    Count,
    Figure,
    Findings,
    Positive,
    SelfTest,
    bca,
    decide,
    decide_all,
    figures,
    mean_t,
    no_difference,
    power_law,
    records,
    register,
    tuning,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl
    from jaxtyping import Float

    from expzoo.study import Estimator, Request, Setting, Trained, Verdict

Statistic = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Of resamples: CNLL (resamples, seeds, budgets, parts), what is foretold (resamples, parts), and the parts."""

LOBACHEVA = "Lobacheva, Chirkova, Kodryan & Vetrov, On power laws in deep ensembles (2020), section 6"

FORETELLS_CNLL = Claim(
    name="lobacheva.predicts_larger_budget",
    statement="Power laws fitted to small budgets foretell the CNLL of the largest budget to within 5 %.",
    source=LOBACHEVA,
    published="shown as figures",
    unit="% of the CNLL",
    smallest_effect=0.0,
    direction="less",
    rule="BCa bootstrap",
    reference=5.0,
    note="mean over the numbers of networks; 5 % was chosen here",
)
LITTLE_REGRET = Claim(
    name="lobacheva.predict_optimal_split",
    statement="The split they foretell for the largest budget has a CNLL within 1 % of the best split's.",
    source=LOBACHEVA,
    published="shown as figures",
    unit="% of the CNLL",
    smallest_effect=0.0,
    direction="less",
    rule="one-sample t",
    reference=1.0,
    note="for each seed, against the split that is best on the others",
)
BEATS_NAIVE = Claim(
    name="lobacheva.predicted_split_beats_naive",
    statement="That split is better than a single network, and than the best split of the largest budget fitted.",
    source=LOBACHEVA,
    published="shown as figures",
    unit="% of the CNLL",
    smallest_effect=0.0,
    direction="greater",
    rule="BCa bootstrap",
)


@register
class PredictSplit:
    """Fits c + b B^a to the CNLL of each number of networks at all budgets B but the largest, and foretells that one.

    The grid is that of the analysis memory_split. The bootstrap over seeds repeats the fits.

    Args:
        budgets: parameters in all, biases included, increasing; four or more are fitted to, the last is foretold.
        parts: networks that a budget is spent on, from 1, increasing.
        rates: learning rates as in memory_split.
        schedules: as in memory_split.
    """

    NEEDS = ("targets classes", "split validation", "model SIZE")
    CACHE_VERSION = 1

    def __init__(
        self,
        *,
        budgets: tuple[Count, ...] = (2000, 4000, 8000, 16000, 128000),
        parts: tuple[Count, ...] = (1, 2, 4, 8, 16),
        rates: tuple[Positive, ...] = (),
        schedules: tuple[Literal["constant", "cosine"], ...] = (),
    ) -> None:
        self.grid = Grid(budgets, parts, tuning.Tuning(rates, schedules))
        if len(budgets) <= power_law.FEWEST:
            fitted = f"{power_law.FEWEST} to fit a law of three parameters to and one to foretell"
            raise ValueError(f"budgets {list(budgets)} are too few: it needs {fitted}")

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Every ensemble of the grid in each replicate."""
        return Findings((yield from self.grid.measure(setting)))

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Fits and the foretold split are made anew in each resample of the seeds; the regret is paired on the seed."""
        seeds, budgets, parts, values = cube(table, "cnll")
        dropped = records.select(table, arm="split")["seed"].n_unique() - len(seeds)

        def of(statistic: Statistic) -> Estimator:
            def resampled(chosen: np.ndarray) -> Float[np.ndarray, " resamples"]:
                return statistic(chosen, _foretold(chosen, budgets), parts)

            return partial(bca, values, resampled, draws=999, vectorized=True)

        single, again = (
            records.by_seed(table, arm=arm, budget=int(budgets[-1]), parts=1, metric="cnll") for arm in ("split", AGAIN)
        )
        same = no_difference("single networks that differ in their start only", again, single)
        control = [same, _control(parts)]
        regrets = _regrets(values, _foretold(values, budgets)) if len(values) else np.empty(0)
        naive = {"a single network": of(_gain_over_single), "the largest fitted budget's best": of(_gain_over_last)}
        verdicts = [
            decide(FORETELLS_CNLL, of(_error)(level=FORETELLS_CNLL.level), control=control, dropped=dropped),
            decide(LITTLE_REGRET, mean_t(regrets, level=LITTLE_REGRET.level), control=control, dropped=dropped),
            decide_all(BEATS_NAIVE, naive, control=control, dropped=dict.fromkeys(naive, dropped)),
        ]
        return tuning.noted(verdicts, table)

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """CNLL at all budgets, and the laws that foretell the last."""
        picture, (axes,) = figures.canvas(height=4.0)
        _, budgets, parts, values = cube(table, "cnll")
        dense = np.geomspace(budgets[0], budgets[-1], 60)
        for index, part in enumerate(parts):
            line = figures.curve(axes, budgets, values[:, :, index], f"{part} network{'s' if part > 1 else ''}")
            if len(values):
                law = power_law.fit(budgets[:-1], values[:, :-1, index].mean(0))
                axes.plot(dense, law(dense), color=line.get_color(), linewidth=1.0, linestyle=":", zorder=1)
        axes.axvline(np.sqrt(budgets[-2] * budgets[-1]), color="0.6", linewidth=0.8, linestyle="--")
        axes.set(xscale="log", xlabel="parameters in all", ylabel="calibrated test NLL (nats)")
        axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
        axes.minorticks_off()
        figures.legend(axes)
        caption = (
            "Means over seeds with 95 % Student intervals. Dotted: power laws fitted to the budgets left of the dashed "
            "line; the budget on its right is foretold."
        )
        data = records.select(table, arm="split", metric="cnll")
        yield Figure("foretold", "CNLL of the largest budget, foretold by power laws", caption, picture, data)


def _foretold(values: Float[np.ndarray, "*resamples seeds budgets parts"], budgets: np.ndarray) -> np.ndarray:
    """The CNLL of the largest budget for each number of networks, from the mean curves of the smaller budgets."""
    curves = np.moveaxis(values.mean(-3), -1, -2)
    return power_law.foretold(budgets[:-1], curves[..., :-1], budgets[-1:])[..., 0]


def _error(values: np.ndarray, foretold: np.ndarray, parts: np.ndarray) -> Float[np.ndarray, " resamples"]:
    """How far foretold and found CNLL are apart, in % of the found, mean over the numbers of networks."""
    found = values.mean(-3)[..., -1, :]
    return 100 * np.mean(np.abs(foretold - found) / found, axis=-1)


def _regrets(values: np.ndarray, foretold: np.ndarray) -> np.ndarray:
    """By how many % each seed's CNLL of the foretold split is above that of the split best on the others: (seeds,)."""
    found, chosen = values[:, -1], foretold.argmin()
    others = (found.sum(0) - found).argmin(1)
    return 100 * (found[:, chosen] / found[np.arange(len(found)), others] - 1)


def _gain_over_single(values: np.ndarray, foretold: np.ndarray, parts: np.ndarray) -> Float[np.ndarray, " resamples"]:
    """By how many % the CNLL of the foretold split is below that of a single network."""
    return _gain(values, foretold, np.zeros(len(values), np.int64))


def _gain_over_last(values: np.ndarray, foretold: np.ndarray, parts: np.ndarray) -> Float[np.ndarray, " resamples"]:
    """The same against the number of networks that was best at the largest budget fitted."""
    return _gain(values, foretold, values[..., -2, :].mean(-2).argmin(-1))


def _gain(values: np.ndarray, foretold: np.ndarray, naive: np.ndarray) -> Float[np.ndarray, " resamples"]:
    found = values.mean(-3)[..., -1, :]
    chosen, other = (np.take_along_axis(found, at[..., None], -1)[..., 0] for at in (foretold.argmin(-1), naive))
    return 100 * (1 - chosen / other)


def _control(parts: np.ndarray) -> SelfTest:
    """Of curves that are power laws, the last value and the best split are foretold exactly."""
    budgets = 1000.0 * 2.0 ** np.arange(6)
    scales = np.linspace(20, 60, len(parts))
    made = np.stack([0.4 - 0.01 * index + scale * budgets**-0.5 for index, scale in enumerate(scales)], 1)[None]
    foretold = _foretold(made, budgets)
    error, regret = _error(made, foretold, parts), made[0, -1, foretold.argmin()] - made[0, -1].min()
    return SelfTest("laws that are known are foretold", bool(error < 1e-3 and regret == 0), f"error {error:.1e} %")
