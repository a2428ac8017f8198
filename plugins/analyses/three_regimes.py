"""Which regimes does training on a sphere have, from small to large effective learning rates?"""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.study import (
    BadInput,
    Claim,
    Control,
    Figure,
    Findings,
    Positive,
    Request,
    change_points,
    clopper_pearson,
    decide,
    decide_all,
    figures,
    mean_t,
    permutation,
    records,
    register,
    same_rate,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

KODRYAN = (
    "Kodryan, Lobacheva, Nakhodnov & Vetrov, Training scale-invariant neural networks on the sphere can happen in "
    "three regimes (2022)"
)
LOSS, HALFWAY, CHANCE = "loss", "halfway", "chance"
TENTH = 0.1  # of a training, over which losses are averaged
STILL = 0.1  # of log loss: what counts as no change, and as chance
DRAWS = 4  # random orders of the rates, for each seed

THREE = Claim(
    name="kodryan.three_regimes",
    statement="Over the logarithm of the effective learning rate the log loss at the end of training is three lines "
    "rather than two or one, by more than 10 of the Bayesian criterion.",
    source=KODRYAN,
    published="convergence, chaotic equilibrium and divergence of ConvNetSI on CIFAR, shown as curves",
    unit="BIC",
    smallest_effect=10.0,
    direction="greater",
    rule="one-sample t",
    note="10 is called very strong evidence (Kass & Raftery 1995)",
)
MOST = Claim(
    name="kodryan.three_regimes_in_most_runs",
    statement="Three lines have the smallest criterion in more than four of five runs.",
    source=KODRYAN,
    published="in all that are shown",
    unit="% of runs",
    smallest_effect=80.0,
    direction="greater",
    rule="Clopper-Pearson",
)
ORDER = Claim(
    name="kodryan.convergence_chaos_divergence",
    statement="In the first of three regimes the loss still falls in the second half of training, in the second it "
    "stays within 10 %, and in the third it is that of chance within 10 %.",
    source=KODRYAN,
    published="convergence, chaotic equilibrium, divergence",
    unit="log loss beyond its bound",
    smallest_effect=0.0,
    direction="greater",
    rule="one-sample t",
)


@register
class ThreeRegimes:
    """Trains scale-invariant networks on a sphere at many learning rates, and counts the lines that their losses make.

    On a sphere of radius 1 the learning rate is the effective one. The loss is the mean over the
    batches of the last tenth of the training. Lines are fitted to its logarithm for each seed, with
    breaks where they fit best, and their number is that of the smallest Bayesian criterion
    (`science/numerics/change_points.py`).

    Args:
        rates: effective learning rates, nine at the least.
    """

    NEEDS = ("targets classes", "finite", "constraint=sphere", "schedule=constant", "optimizer.lr")
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(self, *, rates: tuple[Positive, ...] = (1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3, 1.0)) -> None:
        self.rates = tuple(sorted(set(rates)))
        if len(self.rates) < 3 * change_points.FEWEST:
            raise BadInput(
                f"analysis.three_regimes.rates: {len(self.rates)} different rates are too few for three lines: "
                f"give {3 * change_points.FEWEST} or more"
            )

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """One network for each rate and seed."""
        plan = [(rate, spec) for rate in self.rates for spec in setting.specs(optimizer={"lr": setting.rate * rate})]
        networks = yield Request(tuple(spec for _, spec in plan), ())
        findings = Findings()
        for (rate, _), network in zip(plan, networks, strict=True):
            chance = math.log(network.datasets(network.spec.dataset).outputs)
            for metric, value in {**_losses(network, chance), CHANCE: chance}.items():
                findings.rows.append(_row(network, rate, metric, value))
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """How much three lines are better, in how many runs, and what their networks do."""
        x, losses, halfway, chance = _curves(table)
        seeds = sorted(table["seed"].unique())
        gains = np.array([_gain(x, loss) for loss in losses])
        orders = [permutation(0, "order of rates", draw, len(x)) for draw in range(DRAWS)]
        shuffled = [np.mean([_gain(x, loss[order]) for order in orders]) for loss in losses]
        alike = mean_t(shuffled, level=0.99)
        mixed = Control(
            "with rates in random order three lines are no better",
            not alike.low > THREE.smallest_effect,
            f"by {alike.effect:.3g} of the criterion",
        )
        best = dict(zip(seeds, (gains > 0).astype(float).tolist(), strict=True))
        rate = clopper_pearson(int(sum(best.values())), len(best)).scaled(100)
        parts = [_regimes(x, *curves) for curves in zip(losses, halfway, chance, strict=True)]
        conditions = {name: partial(mean_t, [part[name] for part in parts]) for name in parts[0]}
        return [
            decide(THREE, mean_t(gains), control=mixed),
            decide(MOST, rate, control=[mixed, same_rate("every second seed against the others", best)]),
            decide_all(ORDER, conditions, control=mixed),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """The loss at the end and halfway, by the rate."""
        x, losses, halfway, chance = _curves(table)
        picture, (axes,) = figures.canvas(height=4.0)
        figures.curve(axes, x, losses, "at the end")
        figures.curve(axes, x, halfway, "halfway")
        axes.axhline(float(chance.mean()), color="0.6", linewidth=0.8, linestyle=":")
        for at in change_points.segmented(x, losses.mean(0), 3).breaks:
            axes.axvline((x[at - 1] + x[at]) / 2, color="0.6", linewidth=0.8)
        axes.set(xlabel="log10 of the effective learning rate", ylabel="log training loss")
        figures.legend(axes)
        caption = (
            "The training loss in the last tenth of training and in that about its middle. Upright lines are the "
            "breaks of the three lines that fit the mean best; the dotted line is chance. Means over seeds with 95 % "
            "Student intervals."
        )
        yield Figure("regimes", "Loss by the effective learning rate", caption, picture, table)


def _losses(network: Trained, chance: float) -> dict[str, float]:
    """The mean batch loss about the middle and at the end; that of chance for a network that diverged."""
    if network.diverged:
        return {LOSS: chance, HALFWAY: chance}
    steps = len(network.losses)
    part = max(round(TENTH * steps), 1)
    middle = max((steps - part) // 2, 0)
    return {
        LOSS: float(network.losses[-part:].mean()),
        HALFWAY: float(network.losses[middle : middle + part].mean()),
    }


def _row(network: Trained, rate: float, metric: str, value: float) -> dict[str, Any]:
    row = {"key": network.key, "seed": network.spec.seed, "arm": "sphere", "step": network.step, "split": "train"}
    row |= {"rate": rate, "metric": metric, "value": value}
    return row | ({"diverged": True} if network.diverged else {})


def _curves(table: pl.DataFrame) -> tuple[np.ndarray, ...]:
    """Log rates (rates,), and of each seed the log losses at the end, halfway and of chance (seeds, rates)."""
    found = [records.pivot(table, "rate", metric=metric) for metric in (LOSS, HALFWAY, CHANCE)]
    return np.log10(found[0][0]), *(np.log(np.maximum(values, 1e-12)) for _, values in found)


def _gain(x: np.ndarray, y: np.ndarray) -> float:
    """By how much the criterion of three lines is below the smaller of those of one and of two."""
    one, two, three = (change_points.segmented(x, y, number).bic for number in (1, 2, 3))
    return min(one, two) - three


def _regimes(x: np.ndarray, loss: np.ndarray, halfway: np.ndarray, chance: np.ndarray) -> dict[str, float]:
    """How far beyond its bound each regime of the best three lines is, all in log loss."""
    first, second = change_points.segmented(x, loss, 3).breaks
    falls = halfway - loss
    return {
        "convergence": float(falls[:first].mean()),
        "chaotic equilibrium": STILL - abs(float(falls[first:second].mean())),
        "divergence": STILL - abs(float((loss - chance)[second:].mean())),
    }
