"""What is said of minefields where trainings fit nothing, or where poison leads to no bad weights."""

from __future__ import annotations

from typing import Any

import pytest
from expzoo.plugins.analyses import minefield as field

from expzoo.config.registry import build
from expzoo.store import records

SEEDS = 40


def verdicts(natural: float, bad: int) -> dict[str, Any]:
    """Trainings right on so much of their data, and so many seeds of which poison finds bad weights."""
    rows: list[dict[str, Any]] = []
    for seed in range(SEEDS):
        for arm in (field.NATURAL, field.CONTINUED, field.POISONED, field.RELEASED):
            fails = seed < bad and arm in (field.POISONED, field.RELEASED)
            where = {"key": f"{seed:064x}", "seed": seed, "arm": arm, "step": 1, "metric": "accuracy"}
            trained = natural if arm == field.NATURAL else 100.0
            rows += [where | {"split": s, "value": v} for s, v in (("train", trained), ("test", 95.0 - 55 * fails))]
        near = {"arm": field.POISONED, "metric": "distance", "split": "", "value": 0.1 + 0.001 * seed}
        rows.append({"key": f"{seed:064x}", "seed": seed, "step": 1} | near)
    return {v.claim: v for v in build("analysis", "minefield").judge(records.frame(rows), {})}


@pytest.mark.parametrize(("natural", "said"), [(100.0, "supported"), (98.0, "withheld")])
def test_trainings_that_fit_nothing_avoid_nothing(natural: float, said: str) -> None:
    assert verdicts(natural, SEEDS)[field.AVOIDED.name].verdict == said


@pytest.mark.parametrize(("bad", "said"), [(SEEDS, "supported"), (34, "supported"), (20, "inconclusive"), (0, None)])
def test_only_bad_weights_have_a_distance(bad: int, said: str | None) -> None:
    found = verdicts(100.0, bad)[field.NEAR.name]
    assert found.n == bad
    assert found.verdict == (said or "inconclusive")
