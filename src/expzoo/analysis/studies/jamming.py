"""The jamming transition: how parameters are counted, what is claimed, and how it is judged from records."""

from __future__ import annotations

import math
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from expzoo.science.claims import Claim, decide
from expzoo.science.controls import Control
from expzoo.science.statistics import clopper_pearson, complete, newcombe, tost
from expzoo.store import records

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    import polars as pl

    from expzoo.science.statistics import Estimate
    from expzoo.science.verdicts import Verdict

SOURCE = (
    "Geiger, Spigler, d'Ascoli, Sagun, Baity-Jesi, Biroli & Wyart (2019), Jamming transition as a paradigm; "
    "Spigler et al. (2019)"
)
HINGE, SINGLE, SMOOTH = "hinge", "float32", "cross_entropy"
ARMS = {HINGE: "quadratic hinge, float64", SINGLE: "quadratic hinge, float32", SMOOTH: "cross-entropy, float64"}
LINEAR = "linear"
THRESHOLD, VIOLATED, SATISFIED = "jammed_at", "violated", "satisfied"
BETWEEN = 0.02, 0.3
"""N_Delta / N of a network that is on neither side of a sharp transition."""
FEWEST = 0.1  # of the networks on each side, if they lie across the threshold

PROPORTIONAL = Claim(
    name="jamming.threshold_proportional_to_P",
    statement="The fewest parameters that satisfy all margins of P random examples grow in proportion to P.",
    source=SOURCE,
    published="N* ~ P; random data, d = h = 51, three layers: P / N* = 2.8 to 3.3",
    unit="exponent",
    smallest_effect=0.2,
    direction="equivalent",
    rule="TOST",
    reference=1.0,
    note="what the optimizer does not find in its steps counts as not there: N* is an upper bound",
)


def _share(name: str, statement: str, published: str, reference: float, *, blurs: bool) -> Claim:
    return Claim(
        name=name,
        statement=statement,
        source=SOURCE,
        published=published,
        unit="percentage points" if blurs else "% of networks",
        smallest_effect=0.0,
        direction="greater" if blurs else "less",
        rule="Newcombe" if blurs else "Clopper-Pearson",
        reference=reference,
    )


SHARP = _share(
    "jamming.transition_is_sharp",
    "Across the threshold fewer than 20 % of networks violate between 0.02 N and 0.3 N margins.",
    "128 runs: 37 with none, 74 with more than 0.4 N, 19 in between, 14 of these with 1 to 4",
    20.0,
    blurs=False,
)
BLURRED = {
    arm: _share(
        f"jamming.{arm}_blurs",
        f"With {words}, more networks across the same sizes violate between 0.02 N and 0.3 N margins.",
        published,
        0.0,
        blurs=True,
    )
    for arm, words, published in (
        (SINGLE, "single precision", "small N_Delta is blamed on precision"),
        (SMOOTH, "cross-entropy", "cross-entropy has no jump"),
    )
}
CLAIMS = (PROPORTIONAL, SHARP, *BLURRED.values())


def degrees_of_freedom(shapes: Mapping[str, tuple[int, ...]]) -> int:
    """Weights without biases, less one for each hidden neuron, whose scale the next layer can take back."""
    matrices = [shape for shape in shapes.values() if len(shape) > 1]
    return sum(map(math.prod, matrices)) - sum(shape[0] for shape in matrices[:-1])


def separable(points: int, parameters: int) -> float:
    """The probability that random labels of points in general position can be separated linearly (Cover 1965).

    By a homogeneous hyperplane of so many parameters: 2^(1 - P) sum_{k < p} C(P - 1, k).
    """
    return math.fsum(math.comb(points - 1, k) / 2 ** (points - 1) for k in range(min(parameters, points)))


def exponents(table: pl.DataFrame) -> dict[int, float]:
    """Of each seed the slope of log N* on log P; NaN if one of its thresholds was not found."""
    found: dict[int, list[tuple[float, float]]] = {}
    for seed, points, value in records.select(table, metric=THRESHOLD).select("seed", "P", "value").iter_rows():
        found.setdefault(seed, []).append((math.log(points), math.log(value) if value > 0 else math.nan))
    return {seed: _slope(np.array(pairs)) for seed, pairs in found.items()}


def _slope(pairs: np.ndarray) -> float:
    x, y = pairs.T
    return float(np.polyfit(x, y, 1)[0]) if np.isfinite(y).all() and len({*x}) > 1 else math.nan


def between(table: pl.DataFrame, arm: str) -> tuple[int, int]:
    """How many networks across the threshold are on neither side, of how many."""
    values = _violated(table, arm)
    low, high = BETWEEN
    return int(((values > low) & (values < high)).sum()), len(values)


def _violated(table: pl.DataFrame, arm: str) -> np.ndarray:
    return records.select(table, arm=arm, metric=VIOLATED, across=True)["value"].to_numpy()


def judge(table: pl.DataFrame, arms: Collection[str]) -> list[Verdict]:
    """The verdicts on all claims whose arms were trained."""
    perceptron, across = _perceptron(table), _across(table)
    [slopes], dropped = complete([*exponents(table).values()])
    fixed, bound = np.full_like(slopes, PROPORTIONAL.reference), PROPORTIONAL.smallest_effect
    measure = partial(tost, slopes - fixed, np.zeros_like(slopes), -bound, bound)
    verdicts = [decide(PROPORTIONAL, _moved(measure(level=PROPORTIONAL.level)), control=perceptron, dropped=dropped)]
    own, of = between(table, HINGE)
    verdicts.append(decide(SHARP, clopper_pearson(own, of).scaled(100), control=[perceptron, across]))
    for arm, claim in BLURRED.items():
        if arm in arms:
            other, among = between(table, arm)
            estimate = newcombe((other, own), (among, of)).scaled(100)
            verdicts.append(decide(claim, estimate, control=across))
    return verdicts


def _moved(estimate: Estimate) -> Estimate:
    from dataclasses import replace

    by = PROPORTIONAL.reference
    return replace(estimate, effect=estimate.effect + by, low=estimate.low + by, high=estimate.high + by)


def _perceptron(table: pl.DataFrame) -> Control:
    """That training finds the side of the threshold that is known: a linear network's, of p parameters, is at 2 p."""
    rows = records.select(table, arm=LINEAR, metric=SATISFIED)
    right = sum(bool(value) == bool(expected) for value, expected in rows.select("value", "expected").iter_rows())
    statement = "linear networks of p parameters satisfy p / 2 examples and never 4 p"
    return Control(statement, len(rows) > 0 and right == len(rows), f"{right} of {len(rows)} networks")


def _across(table: pl.DataFrame) -> Control:
    """That the sizes lie across the threshold: a share of the networks on each side of it."""
    values = _violated(table, HINGE)
    below, above = int((values <= BETWEEN[0]).sum()), int((values >= BETWEEN[1]).sum())
    passed = len(values) > 0 and min(below, above) >= FEWEST * len(values)
    return Control("the networks lie on both sides", passed, f"{below} at most {BETWEEN[0]}, {above} from {BETWEEN[1]}")
