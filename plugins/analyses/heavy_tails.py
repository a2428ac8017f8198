"""Is the noise of minibatch gradients heavy-tailed, or does its estimator say so of any noise?"""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np

from expzoo.study import (
    Claim,
    Cohort,
    Control,
    Count,
    Figure,
    Findings,
    Range,
    Request,
    SelfTest,
    decide,
    figures,
    integers,
    known_answer,
    mean_t,
    no_difference,
    normals,
    paired,
    records,
    register,
    tail_index,
    uniforms,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

SIMSEKLI = (
    "Simsekli, Sagun & Gurbuzbalaban, A tail-index analysis of stochastic gradient noise in deep neural networks (2019)"
)
BATCHES = (1, 10, 100)
SMALL, USUAL = BATCHES[0], BATCHES[-1]
POOLED, EACH = "pooled", "each coordinate"
DATA, AGAIN, GAUSSIAN, LOWEST, WHITE, PLANTED = "data", "again", "Gaussian", "lowest Gaussian", "white", "planted"
PLANT, SHARE = 1.5, 0.05

HEAVY = Claim(
    name="simsekli.gradient_noise_heavy_tailed",
    statement="The tail index of minibatch gradient noise is below 2 by more than 0.1, all coordinates of all batches "
    "of 100 taken as one sample.",
    source=SIMSEKLI,
    published="about 1.0 to 1.4, as read in figures",
    unit="of the index",
    smallest_effect=0.1,
    reference=2.0,
    direction="less",
    rule="one-sample t",
)
BIASED = replace(
    HEAVY,
    name="simsekli.estimator_finds_gaussian_noise_heavy_tailed",
    statement="So is that of normal numbers with the same covariance: the estimator takes unequal scales for tails.",
    source="control of ours, against the estimator of the paper",
    published="-",
)
BY_COORDINATE = Claim(
    name="simsekli.heavy_tailed_by_coordinate",
    statement="Coordinate by coordinate, over batches of 100, the index lies below the lowest 5 % of that of normal "
    "numbers with the same covariance.",
    source=SIMSEKLI,
    published="not looked at; Panigrahi et al. (2019) and Xie et al. (2021) deny it at usual batch sizes",
    unit="of the index",
    smallest_effect=0.0,
    direction="less",
    rule="paired t",
    note="below is not normal, but not yet stable: noise of finitely many examples has a finite variance",
)
OF_ONE = replace(
    BY_COORDINATE,
    name="simsekli.heavy_tailed_by_coordinate_at_batch_1",
    statement="It does so over batches of one example.",
    published="not looked at",
)


@register
class HeavyTails:
    """Estimates the tail index of gradient noise at the end of training, beside normal noise of the same covariance.

    The noise is a batch's gradient less that of all examples, over many batches that are drawn with
    replacement at the same weights. Twice: as published, all numbers as one sample; and for each
    coordinate by itself, the logarithms averaged. The normal noise mixes the examples' own
    gradients with normal weights, so that it has the very same scales and correlations.

    Args:
        minibatches: how many batches, a square.
        surrogates: how many times normal noise is drawn.
    """

    NEEDS = ("finite",)
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(self, *, minibatches: Annotated[int, Range(16, 65536)] = 1024, surrogates: Count = 40) -> None:
        self.added = math.isqrt(minibatches)
        if self.added**2 != minibatches:
            raise ValueError(f"minibatches {minibatches} is no square: {self.added**2} is")
        self.minibatches, self.surrogates = minibatches, surrogates

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """One network a seed; its noise is drawn here."""
        networks = yield Request(tuple(setting.specs()), ())
        findings = Findings()
        for network in networks:
            seen = self._indices(network)
            missing = np.nan if network.diverged else 0.0
            findings.rows += [_row(network, *place, value + missing) for place, value in seen.items()]
        return findings

    def _indices(self, network: Trained) -> dict[tuple[str, int, str], float]:
        """(arm, batch size, estimator) -> index; what does not depend on the batch size stands at the usual one."""
        gradients = _centred(network)
        seed, found = network.spec.seed, {}
        for batch in BATCHES:
            for arm in (DATA, AGAIN):
                noise = self._of_batches(gradients, seed, batch, arm)
                found[arm, batch, POOLED] = tail_index.pooled(noise)
                found[arm, batch, EACH] = tail_index.by_column(noise, self.added)
        normal = np.array([self._both(self._normal(gradients, seed, draw)) for draw in range(self.surrogates + 1)])
        for index, name in enumerate((POOLED, EACH)):
            found[GAUSSIAN, USUAL, name] = float(normal[1:, index].mean())
            found[LOWEST, USUAL, name] = float(np.quantile(normal[1:, index], SHARE))
            found[f"{GAUSSIAN} {AGAIN}", USUAL, name] = float(normal[0, index])
        shape = (self.minibatches, gradients.shape[1])
        size = math.prod(shape)
        white = normals(seed, "white", 0, size).reshape(shape)
        found[WHITE, USUAL, POOLED] = tail_index.pooled(white)
        angle = math.pi * (uniforms(seed, "angles", 0, size) - 0.5)
        planted = tail_index.stable(PLANT, angle, -np.log1p(-uniforms(seed, "waited", 0, size))).reshape(shape)
        found[PLANTED, USUAL, EACH] = tail_index.by_column(planted * gradients.std(0), self.added)
        return found

    def _both(self, noise: np.ndarray) -> tuple[float, float]:
        return tail_index.pooled(noise), tail_index.by_column(noise, self.added)

    def _of_batches(self, gradients: np.ndarray, seed: int, batch: int, arm: str) -> np.ndarray:
        """Means of so many examples' gradients, drawn with replacement: (minibatches, coordinates)."""
        count = len(gradients)
        chosen = integers(seed, f"batches {arm}", batch, self.minibatches * batch, count).reshape(-1, batch)
        often = np.zeros((self.minibatches, count))
        np.add.at(often, (np.arange(self.minibatches)[:, None], chosen), 1 / batch)
        return often @ gradients

    def _normal(self, gradients: np.ndarray, seed: int, draw: int) -> np.ndarray:
        """Normal numbers with the covariance of the gradients: (minibatches, coordinates)."""
        weights = normals(seed, "surrogate", draw, self.minibatches * len(gradients))
        return weights.reshape(self.minibatches, -1) @ gradients

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Indices against 2, and against those of normal noise, seed by seed."""

        def seen(arm: str, name: str, batch: int = USUAL) -> dict[int, float]:
            return records.by_seed(table, arm=arm, metric=name, batch=batch)

        white = [value for value in seen(WHITE, POOLED).values() if np.isfinite(value)]
        level = known_answer(
            "normal numbers of one scale have an index of 2", partial(mean_t, white), 2.0, kind=SelfTest
        )
        others = no_difference("other batches of the same networks", seen(AGAIN, POOLED), seen(DATA, POOLED))
        normal = no_difference("another draw of normal noise", seen(f"{GAUSSIAN} {AGAIN}", EACH), seen(GAUSSIAN, EACH))
        found = _planted(seen(PLANTED, EACH), seen(LOWEST, EACH))
        return [
            _below_two(HEAVY, seen(DATA, POOLED), [others, level]),
            _below_two(BIASED, seen(GAUSSIAN, POOLED), [normal, level]),
            paired(BY_COORDINATE, seen(DATA, EACH), seen(LOWEST, EACH), control=[normal, found]),
            paired(OF_ONE, seen(DATA, EACH, SMALL), seen(LOWEST, EACH), control=[normal, found]),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Both estimates by batch size, beside those of normal noise."""
        picture, panels = figures.canvas(1, 2, height=3.8, width=8.0, sharey=True)
        for axes, name in zip(panels, (POOLED, EACH), strict=True):
            x, values = records.pivot(table, "batch", arm=DATA, metric=name)
            figures.curve(axes, np.log10(x), values, "gradient noise")
            normal = np.array(list(records.by_seed(table, arm=GAUSSIAN, metric=name).values()))
            figures.curve(axes, np.log10(x), np.repeat(normal[:, None], len(x), 1), "normal noise", markers=0)
            axes.axhline(2, color="0.6", linewidth=0.8, linestyle=":")
            axes.set(xlabel="log10 of the batch size", title=name)
        panels[0].set_ylabel("tail index")
        figures.legend(panels[0])
        caption = (
            "The estimated tail index of gradient noise and of normal noise with the same covariance. Left: all "
            "numbers as one sample, as published. Right: each coordinate by itself. The dotted line is that of normal "
            "numbers. Means over seeds with 95 % Student intervals."
        )
        shown = records.select(table, arm=[DATA, GAUSSIAN])
        yield Figure("indices", "Tail indices of noise", caption, picture, shown)


def _centred(network: Trained) -> np.ndarray:
    """The gradient of each training example less their mean, of the coordinates that differ: (n, coordinates)."""
    cohort = Cohort([network], dtype="float64")
    gradients = cohort.per_example_grad(split="train")[0].numpy()[:, cohort.layout.places().numpy()]
    apart = gradients - gradients.mean(0)
    return apart[:, apart.std(0) > 0]


def _row(network: Trained, arm: str, batch: int, metric: str, value: float) -> dict[str, Any]:
    row = {"key": network.key, "seed": network.spec.seed, "arm": arm, "step": network.step, "split": "train"}
    return row | {"batch": batch, "metric": metric, "value": value}


def _below_two(claim: Claim, indices: Mapping[int, float], control: Sequence[Control]) -> Verdict:
    values = [value for value in indices.values() if np.isfinite(value)]
    return decide(claim, mean_t(values), control=control, dropped=len(indices) - len(values))


def _planted(indices: Mapping[int, float], lowest: Mapping[int, float]) -> Control:
    """Stable noise with the scales of the gradients: an estimate that could not find it says nothing."""
    missed = [seed for seed, index in indices.items() if not index < lowest[seed] and np.isfinite(lowest[seed])]
    return Control(f"planted noise of tail index {PLANT:g} is found", not missed, f"missed in {len(missed)} seeds")
