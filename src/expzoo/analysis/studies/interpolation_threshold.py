"""The smallest size that fits its training set, by a grid and bisection; and how it grows with other quantities."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

from expzoo.science.claims import Claim
from expzoo.science.controls import Control, SelfTest
from expzoo.science.numerics.random_features import directions, fit, one_hot, relu_features
from expzoo.spec.component import Component
from expzoo.store import records

if TYPE_CHECKING:
    from collections.abc import Mapping

    import polars as pl

    from expzoo.spec.contracts import Dataset

SOURCE = "Greydanus, Scaling down deep learning (2020), double descent; dropped from Greydanus & Kobak (2024)"
CRITERIA = {"loss": "training loss at most {epsilon:g} of that of a constant", "error": "no training error"}
PREDICTED = {("nll", "n"): 1.0, ("nll", "K"): 0.0, ("mse", "n"): 1.0, ("mse", "K"): 1.0}
WORDS = {"nll": "negative log-likelihood", "mse": "squared error", "n": "examples", "K": "classes"}
LONGER = "fits_with_twice_the_steps"
NOT_SETTLED = 0.1  # of the cells: beyond, the thresholds are those of the number of steps


def exponent_claim(loss: str, of: str, criterion: str) -> Claim:
    """That the threshold grows with a power of the number of examples or classes."""
    power = PREDICTED[loss, of]
    grows = "does not depend on" if power == 0 else "grows in proportion to"
    return Claim(
        name=f"mnist1d.threshold_{loss}_{of.lower()}_by_{criterion}",
        statement=f"With {WORDS[loss]} the interpolation threshold {grows} the number of {WORDS[of]} ({criterion}).",
        source=SOURCE,
        published="N* = n" if loss == "nll" else "N* = n K; Belkin et al. 2019: 40,000 for n = 4000, K = 10",
        unit="exponent",
        smallest_effect=0.25,
        direction="equivalent",
        rule="TOST",
        reference=power,
        note="the first K classes are also easier to tell apart, which adds to the exponent" if of == "K" else "",
    )


def difference_claim(criterion: str) -> Claim:
    """That the power of the number of classes is larger under squared error."""
    return Claim(
        name=f"mnist1d.threshold_k_matters_more_for_mse_by_{criterion}",
        statement=f"The threshold grows faster with K under squared error than under log-likelihood ({criterion}).",
        source=SOURCE,
        published="exponents 1 and 0",
        unit="difference of exponents",
        smallest_effect=0.5,
        direction="greater",
        rule="paired t",
    )


def every_claim() -> list[Claim]:
    """All of them, by each criterion."""
    exponents = [exponent_claim(loss, of, criterion) for criterion in CRITERIA for loss, of in PREDICTED]
    return exponents + [difference_claim(criterion) for criterion in CRITERIA]


@dataclass
class Search:
    """Which sizes were seen to fit one training set."""

    fits: dict[int, bool] = field(default_factory=dict)

    def bracket(self) -> tuple[int, int] | None:
        """The largest size below the smallest that fits, and that one; None if none fits or the very first does."""
        fitting = [size for size, fits in self.fits.items() if fits]
        smaller = [size for size in self.fits if fitting and size < min(fitting)]
        return (max(smaller), min(fitting)) if smaller else None

    def next(self) -> int | None:
        """The size to ask next: halfway between, on a logarithmic scale; None if there is nothing between."""
        if (ends := self.bracket()) is None:
            return None
        middle = round(float(np.sqrt(ends[0] * ends[1])))
        return middle if ends[0] < middle < ends[1] else None

    def threshold(self) -> int | None:
        """The smallest size that fits, None if the search found none or started too high to tell."""
        ends = self.bracket()
        return ends[1] if ends else None


def exponents(cells: Mapping[tuple[int, int], float]) -> tuple[float, float]:
    """(b, c) of log N = a + b log n + c log k by least squares over cells {(n, k): N}; NaN if N is missing anywhere.

    Where there is one k only, c is NaN.
    """
    sizes = np.array(list(cells), np.float64)
    columns = 2 if len({*sizes[:, 1]}) > 1 else 1
    design = np.column_stack([np.ones(len(cells)), np.log(sizes[:, :columns])])
    values = np.log(np.array(list(cells.values()), np.float64))
    if not np.isfinite(values).all() or np.linalg.matrix_rank(design) < 1 + columns:
        return float("nan"), float("nan")
    _, b, *c = np.linalg.lstsq(design, values, rcond=None)[0]
    return float(b), float(c[0]) if c else float("nan")


def exponents_by_seed(table: pl.DataFrame, loss: str, metric: str) -> dict[int, tuple[float, float]]:
    """The exponents of n and K of each seed, for the positions that a metric gives under one loss."""
    cells: dict[int, dict[tuple[int, int], float]] = {}
    chosen = records.select(table, arm=loss, metric=metric)
    for seed, n, k, value in chosen.select("seed", "n", "classes", "value").iter_rows():
        cells.setdefault(seed, {})[n, k] = value
    return {seed: exponents(values) for seed, values in cells.items()}


def settled(table: pl.DataFrame, *losses: str) -> Control:
    """That the size below the threshold would not have fitted with more steps, but in a tenth of the cells."""
    longer = records.select(table, arm=losses, metric=LONGER)["value"].to_numpy()
    seen = f"in {longer.sum():.0f} of {len(longer)} cases"
    return Control("twice the steps do not fit the size below", bool(longer.sum() <= NOT_SETTLED * len(longer)), seen)


@cache
def known_thresholds(classes: tuple[int, ...], rounds: int) -> SelfTest:
    """The same search where N* = nK is known: least squares on random features fits n examples from n features on."""
    cells = {}
    for n in (24, 48, 96):
        x = np.random.default_rng(n).standard_normal((n, 12))
        seen = relu_features(x, directions(n, 12, 4 * n))
        for k in classes:
            targets = one_hot(np.arange(n) * 7 % k, k)

            def fits(count: int, seen: np.ndarray = seen, targets: np.ndarray = targets) -> bool:
                part = seen[:, :count]
                return float(np.mean((part @ fit(part, targets) - targets) ** 2)) < 1e-12

            search = Search({count: fits(count) for count in (2, 5, 11, 23, 50, 110, 240) if count <= 4 * n})
            for _ in range(rounds + 4):
                if (middle := search.next()) is not None:
                    search.fits[middle] = fits(middle)
            cells[n, k] = float(search.threshold() or math.nan) * k
    b, c = exponents(cells)
    seen_powers = f"exponents {b:.2f} of n and {c:.2f} of K, known to be 1 and 1"
    return SelfTest("least squares on random features", abs(b - 1) < 0.05 and abs(c - 1) < 0.05, seen_powers)


def with_classes(data: Component[Dataset]) -> Component[Dataset]:
    """The dataset whose number of classes can be chosen, in place of the one that is the same otherwise."""
    if data.name == "mnist1d":
        classes = Component.of("dataset", "mnist1d_classes")
        both = dict(data.options).keys() & dict(classes.options).keys() - {"train_size"}
        return classes.replace(**{name: data[name] for name in both if data[name] is not None})
    return data


def classes_in(table: pl.DataFrame) -> list[int]:
    """The numbers of classes of the records."""
    return sorted({*table["classes"].drop_nulls()})
