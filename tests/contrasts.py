"""Contrasts whose records are made up, and what plain NumPy and SciPy say of them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from expzoo.analysis.studies.contrast.building import Builder
from expzoo.config.registry import build
from expzoo.store import records

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict
    from expzoo.spec.spec import Spec

SEEDS = range(8)
CHANCE = 10.0
NOISE = np.random.default_rng(0)

Value = Callable[[str, Mapping[str, Any], int], float]
"""What is seen of a network, by its arm, its levels and its seed."""


def made(value: Value, *, skip: Callable[[Any], bool] = lambda _: False, worst: float = math.nan, **options: Any):
    """The analysis with these options, and its records and arrays as if `value` had been measured."""
    analysis = build("analysis", "contrast", **options)
    rows = [
        {"key": f"{hash((cell, seed)) % 16**8:064x}", "seed": seed, "arm": cell.arm, **cell.columns()}
        | {"step": 60, "split": "test", "metric": f"steps to {look.metric}" if look.when == "steps" else look.metric}
        | {"value": value(cell.arm, dict(cell.levels) | {"again": cell.again}, seed), "measure": name, "end": True}
        for cell in analysis.cells
        for seed in SEEDS
        for name, look in ((name, look.on(SCORE)) for name, look in analysis.words.looks.items())
        if not skip(cell)
    ]
    arrays: dict[str, np.ndarray] = {}
    for name in analysis.words.looks:
        arrays[f"chance/{name}"] = np.full(len(analysis.cells), CHANCE)
        arrays[f"worst/{name}"] = np.full(len(analysis.cells), worst)
        arrays[f"higher/{name}"] = np.array(True)
    return analysis, records.frame(rows), arrays


class SCORE:
    """What `score` stands for here."""

    metric = "accuracy"


def verdicts(value: Value, claims: Any, **options: Any) -> dict[str, Verdict]:
    analysis, table, arrays = made(value, claims=claims, **options)
    return {verdict.claim: verdict for verdict in analysis.judge(table, arrays)}


def verdict(value: Value, claim: Mapping[str, Any], **options: Any) -> Verdict:
    return verdicts(value, {"zoo.claim": dict(claim)}, **options)["zoo.claim"]


SEEN = {
    (arm, level): 50 + 4 * index + 3 * place + NOISE.normal(0, 1.5, len(SEEDS))
    for index, arm in enumerate("abcd")
    for place, level in enumerate((8, 16, 32, 64, "", "plain", "shuffled"))
}
OTHER = {arm: SEEN[arm, ""] + NOISE.normal(0, 1, len(SEEDS)) for arm in "abcd"}
ARMS = {arm: {"model.width": 10 + index} for index, arm in enumerate("abcd")}


def seen(arm: str, levels: Mapping[str, Any], seed: int) -> float:
    """The made-up values; a baseline from other starts has as many of its own, of the same mean."""
    level = next((level for name, level in levels.items() if name != "again"), "")
    values = SEEN[arm, level]
    return float(values[seed] if not levels["again"] else values[::-1][seed])


def student(values: np.ndarray, level: float = 0.95) -> tuple[float, float, float]:
    """Mean and Student's interval, by SciPy."""
    low, high = stats.ttest_1samp(values, 0).confidence_interval(level)
    return float(np.mean(values)), float(low), float(high)


def agrees(found: Verdict, expected: tuple[float, float, float]) -> None:
    assert (found.effect, *found.interval) == pytest.approx(expected, rel=1e-9, abs=1e-12)
    assert found.n == len(SEEDS)


A, B, C, D = (SEEN[arm, ""] for arm in "abcd")


def rate(successes: int) -> tuple[float, float, float]:
    ends = stats.binomtest(successes, len(SEEDS)).proportion_ci(0.95, method="exact")
    return 100 * successes / len(SEEDS), 100 * ends.low, 100 * ends.high


SWEEP = {"model.width": [8, 16, 32, 64]}
CROSS = {"view": {"plain": {}, "shuffled": {"dataset.view": "shuffled"}}}
TWO = {"a": {}, "b": {"model.width": 20}}


def specs(start: Spec, cells: dict[str, Any] | None = None, **options: Any) -> dict[str, Spec]:
    """The spec of every cell by its words."""
    analysis = build("analysis", "contrast", **options)
    builder = Builder(analysis.words.arms, analysis.words.factors, "smoke")
    builder.tune(cells or {})
    return {cell.words: builder.spec(start, cell) for cell in analysis.cells}


def arm(start: Spec, settings: dict[str, Any], **options: Any) -> Spec:
    return specs(start, arms={"a": settings}, **options)["a"]
