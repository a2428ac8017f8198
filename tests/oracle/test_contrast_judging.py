"""Verdicts of claims in words against plain NumPy and SciPy, from tables that are made up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import stats
from tests.contrasts import (
    ARMS,
    CHANCE,
    CROSS,
    SEEDS,
    SEEN,
    SWEEP,
    TWO,
    A,
    B,
    C,
    D,
    agrees,
    made,
    rate,
    seen,
    student,
    verdict,
    verdicts,
)


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ({"greater": ["b", "a"], "by": 1}, student(B - A)),
        ({"less": ["a", "b"], "by": 1}, student(A - B)),
        ({"equal": ["b", "a"], "within": 9}, student(B - A, 0.9)),
        ({"difference_of": [["d", "a"], ["c", "b"]], "greater": 0}, student((D - A) - (C - B))),
        ({"difference_of": [["d", "a"], ["c", "b"]], "less": 0, "by": 2}, student((D - A) - (C - B))),
        ({"value_of": "a", "greater": 40}, student(A)),
        ({"value_of": "a", "equal": 50, "within": 3}, student(A, 0.9)),
        ({"value_of": "a", "between": [45, 65]}, student(A, 0.9)),
        ({"value_of": "a", "greater": "chance", "by": 20}, student(A)),
        ({"value_of": "a", "equal": "chance", "within": 45}, student(A, 0.9)),
        ({"greater": [{"mean": ["b", "c", "d"]}, "a"]}, student((B + C + D) / 3 - A)),
        ({"greater": [{"mean": [{"mean": ["b", "c"]}, "d"]}, "a"]}, student((B + C) / 4 + D / 2 - A)),
        ({"ratio": ["b", "a"], "less": 1.3}, tuple(np.exp(student(np.log(B) - np.log(A))))),
        ({"ratio": ["b", "a"], "equal": 1, "within": 0.3}, tuple(np.exp(student(np.log(B) - np.log(A), 0.9)))),
        ({"greater": ["b", "a"], "scale": "log"}, student(np.log(B) - np.log(A))),
        (
            {"greater": ["b", "a"], "scale": "log_odds"},
            student(np.log(B / (100 - B)) - np.log(A / (100 - A))),
        ),
    ],
    ids=str,
)
def test_comparisons(claim: dict[str, Any], expected: tuple[float, float, float]) -> None:
    found = verdict(seen, claim, arms=ARMS)
    agrees(found, expected)
    assert found.level == (0.9 if found.direction == "equivalent" else 0.95)
    baseline = "b" if "difference_of" in claim or claim.get("less") == ["a", "b"] else "a"
    assert found.control.startswith(f"{baseline} from other starts (again): passed")


@pytest.mark.parametrize(
    ("claim", "outcome"),
    [
        ({"greater": ["b", "a"], "by": 1}, "supported"),
        ({"greater": ["b", "a"], "by": 30}, "not supported"),
        ({"less": ["b", "a"]}, "not supported"),
        ({"less": ["a", "b"]}, "supported"),
        ({"equal": ["a", "b"], "within": 30}, "supported"),
        ({"equal": ["a", "b"], "within": 0.5}, "not supported"),
        ({"value_of": "a", "greater": "chance", "by": 20}, "supported"),
        ({"value_of": "a", "equal": "chance", "within": 2}, "not supported"),
        ({"value_of": "a", "less": 40}, "not supported"),
        ({"value_of": "a", "between": [55, 70]}, "supported"),
        ({"value_of": "a", "between": [70, 90]}, "not supported"),
        ({"ratio": ["b", "a"], "greater": 1}, "supported"),
        ({"ratio": ["b", "a"], "less": 0.5}, "not supported"),
        ({"rate_of": "a", "success": "score/test >= 20", "greater": 50}, "supported"),
        ({"rate_of": "a", "success": "score/test >= 20", "less": 50}, "not supported"),
        ({"greater": ["a", "b"], "success": "score/test >= 20"}, "inconclusive"),
    ],
    ids=str,
)
def test_outcomes(claim: dict[str, Any], outcome: str) -> None:
    assert verdict(seen, claim, arms=ARMS).verdict == outcome


def test_the_reference_is_said() -> None:
    assert verdict(seen, {"value_of": "a", "between": [40, 70]}, arms=ARMS).reference == 55
    above = verdict(seen, {"value_of": "a", "greater": "chance"}, arms=ARMS)
    assert (above.reference, above.unit, "compared with 10 %" in above.note) == (CHANCE, "%", True)


WIDTHS = np.array([8.0, 16.0, 32.0, 64.0])
CURVE = np.array([SEEN["a", int(width)] for width in WIDTHS])  # (levels, seeds)


def test_slopes_are_least_squares_of_every_seed() -> None:
    for scale, y in (("plain", CURVE), ("log", np.log(CURVE)), ("log_odds", np.log(CURVE / (100 - CURVE)))):
        slopes = np.array([np.polyfit(WIDTHS, y[:, seed], 1)[0] for seed in SEEDS])
        claim = {"slope_of": "a", "over": "model.width", "greater": 0, "scale": scale}
        agrees(verdict(seen, claim, arms={"a": {}}, sweep=SWEEP), student(slopes))


def test_exponents_are_slopes_of_logarithms() -> None:
    slopes = np.array([np.polyfit(np.log(WIDTHS), np.log(CURVE[:, seed]), 1)[0] for seed in SEEDS])
    claim = {"exponent_of": "a", "over": "model.width", "between": [0, 1]}
    found = verdict(seen, claim, arms={"a": {}}, sweep=SWEEP)
    agrees(found, student(slopes, 0.9))
    assert found.unit == "exponent"


def test_a_peak_is_what_the_other_seeds_say() -> None:
    lifted = CURVE + np.array([[0], [6], [9], [-4]])

    def bumped(arm: str, levels: Mapping[str, Any], seed: int) -> float:
        return float(lifted[[8, 16, 32, 64].index(levels["model.width"]), seed]) + 0.1 * levels["again"] * (-1) ** seed

    gains = []
    for seed in SEEDS:
        others = [np.mean([lifted[level, s] for s in SEEDS if s != seed]) for level in range(4)]
        best = max((1, 2), key=lambda level: others[level])
        end = 0 if others[0] >= others[3] else 3
        gains.append(lifted[best, seed] - lifted[end, seed])
    found = verdict(bumped, {"peak_of": "a", "over": "model.width"}, arms={"a": {}}, sweep=SWEEP)
    n, error = len(SEEDS), np.std(gains, ddof=1)
    half = stats.t.ppf(0.975, n - 1) * error * math.sqrt(1 / n + 1 / (n - 1))  # Nadeau & Bengio 2003, n - 1 to one
    agrees(found, (float(np.mean(gains)), float(np.mean(gains) - half), float(np.mean(gains) + half)))
    assert found.verdict == "supported"


def test_monotone_is_every_step() -> None:
    claim = {"monotone_of": "a", "over": "model.width", "by": 0.5}
    found = verdict(seen, claim, arms={"a": {}}, sweep=SWEEP)
    steps = [student(b - a) for a, b in itertools.pairwise(CURVE)]
    assert (found.effect, *found.interval) == pytest.approx(min(steps, key=lambda step: step[1]))
    assert "all of 3 conditions" in found.note
    falling = verdict(seen, {**claim, "rising": False}, arms={"a": {}}, sweep=SWEEP)
    assert (falling.direction, falling.verdict) == ("less", "not supported")


def wilson(successes: int, n: int, z: float) -> tuple[float, float]:
    share, spread = successes / n, z * math.sqrt(successes / n * (1 - successes / n) / n + z**2 / (4 * n**2))
    return (share + z**2 / (2 * n) - spread) / (1 + z**2 / n), (share + z**2 / (2 * n) + spread) / (1 + z**2 / n)


def test_rates_are_exact() -> None:
    bound = round(float(np.median(A)), 2)
    for sign, count in ((">=", int((bound <= A).sum())), ("<=", int((bound >= A).sum()))):
        claim = {"rate_of": "a", "success": f"score/test {sign} {bound}", "greater": 5}
        agrees(verdict(seen, claim, arms=ARMS), rate(count))


def test_two_rates_are_newcombes() -> None:
    bound, n, z = round(float(np.median([A, B])), 2), len(SEEDS), stats.norm.ppf(0.975)
    first, second = int((bound <= B).sum()), int((bound <= A).sum())
    (l1, u1), (l2, u2) = wilson(first, n, z), wilson(second, n, z)
    p1, p2 = first / n, second / n
    low = p1 - p2 - math.sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2)
    high = p1 - p2 + math.sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2)
    claim = {"greater": ["b", "a"], "success": f"score/test >= {bound}", "by": 5}
    agrees(verdict(seen, claim, arms=ARMS), (100 * (p1 - p2), 100 * low, 100 * high))


def test_for_all_is_the_worst_level() -> None:
    found = verdict(seen, {"greater": ["b", "a"], "for_all": "view"}, arms=TWO, cross=CROSS)
    both = [student(SEEN["b", view] - SEEN["a", view]) for view in ("plain", "shuffled")]
    assert (found.effect, *found.interval) == pytest.approx(min(both, key=lambda step: step[1]))


def test_for_each_is_holms() -> None:
    claims = {"zoo.claim": {"greater": ["b", "a"], "for_each": "view", "by": 1}}
    found = verdicts(seen, claims, arms=TWO, cross=CROSS)
    assert [*found] == ["zoo.claim.view_plain", "zoo.claim.view_shuffled"]
    strict = {view: student(SEEN["b", view] - SEEN["a", view], 0.975) for view in ("plain", "shuffled")}
    settled = {view: low > 1 for view, (_, low, _) in strict.items()}
    for view, one in strict.items():
        expected = one if settled[view] or not any(settled.values()) else student(SEEN["b", view] - SEEN["a", view])
        agrees(found[f"zoo.claim.view_{view}"], expected)


def test_all_with_quantifiers_keeps_every_condition() -> None:
    parts = [{"greater": ["b", "a"]}, {"greater": ["c", "a"]}]
    arms = TWO | {"c": {"model.width": 30}}
    found = verdict(seen, {"all": parts, "for_all": "view"}, arms=arms, cross=CROSS)
    assert "all of 4 conditions" in found.note
    every = [student(SEEN[arm, view] - SEEN["a", view]) for arm in "bc" for view in ("plain", "shuffled")]
    assert (found.effect, *found.interval) == pytest.approx(min(every, key=lambda step: step[1]))
    monotone = {"monotone_of": "a", "over": "model.width", "for_all": "view"}
    flat = lambda arm, levels, seed: SEEN[arm, levels["model.width"]][seed]  # noqa: E731
    assert "all of 6 conditions" in verdict(flat, monotone, arms={"a": {}}, sweep=SWEEP, cross=CROSS).note
    twice = {"all": [{"slope_of": arm, "over": "model.width", "greater": 0} for arm in "ab"]}
    assert "all of 2 conditions" in verdict(flat, twice, arms={"a": {}, "b": {}}, sweep=SWEEP).note
    four = ["a.plain", "b.plain", "a.shuffled", "b.shuffled"]
    crossed = [[four[0:2], four[2:4]], [four[2:4], four[0:2]]]
    split = {"all": [{"difference_of": pairs, "greater": 0} for pairs in crossed]}
    assert "all of 2 conditions" in verdict(seen, split, arms=TWO, cross=CROSS).note


def test_terms_may_be_of_two_measures() -> None:
    """An ensemble against one network: what is measured stands beside the arm, and the control is of the baseline's."""
    two = {"single": "score/test", "several": "score/test at end of ensemble(8)"}
    gains = {"single": 0.0, "several": 7.0}
    analysis, table, arrays = made(seen, measure=two, arms=ARMS, claims={"zoo.claim": AVERAGED, "zoo.gain": GAIN})
    gain = pl.col("measure").replace_strict(gains, return_dtype=pl.Float64)
    table = table.with_columns(value=pl.col("value") + gain)
    claim, gained = analysis.judge(table, arrays)
    agrees(claim, student(A + 7 - B))
    assert "a (several) - b (single)" in [c.name for c in analysis.words.claims["zoo.claim"].conditions]
    assert claim.control.startswith("b from other starts (again): passed")
    agrees(gained, student((A + 7 - A) - (B + 7 - B)))
    assert gained.unit == "percentage points"
    spoilt = table.with_columns(value=pl.when(AGAIN_OF_ONE).then(0.0).otherwise(pl.col("value")))
    assert next(iter(analysis.judge(spoilt, arrays))).verdict == "withheld"


AVERAGED = {"greater": [{"arm": "a", "of": "several"}, {"arm": "b", "of": "single"}]}
GAIN = {
    "difference_of": [[{"arm": arm, "of": "several"}, {"arm": arm, "of": "single"}] for arm in "ab"],
    "less": 0.5,
}
AGAIN_OF_ONE = pl.col("again") & (pl.col("arm") == "b") & (pl.col("measure") == "single")


def test_levels_are_named_in_any_way() -> None:
    ways: list[Any] = [
        {"greater": ["b.plain", "a.plain"]},
        {"greater": ["b", "a"], "at": {"view": "plain"}},
        {"greater": ["b", "a"], "at": {"view": "first"}},
        {"greater": [{"arm": "b", "view": "plain"}, {"arm": "a", "view": "first"}]},
        {"greater": ["b.plain", "a"], "at": {"view": "plain"}},
    ]
    for way in ways:
        agrees(verdict(seen, way, arms=TWO, cross=CROSS), student(SEEN["b", "plain"] - SEEN["a", "plain"]))
    last = {"greater": [{"arm": "a", "model.width": "last"}, "a.8"]}
    agrees(verdict(seen, last, arms={"a": {}}, sweep=SWEEP), student(CURVE[-1] - CURVE[0]))
    for way in (["64", "8"], [64, 8], ["a.64", "a.8"]):
        agrees(verdict(seen, {"greater": way}, arms={"a": {}}, sweep=SWEEP), student(CURVE[-1] - CURVE[0]))


def test_a_level_that_begins_like_another_is_not_taken_for_it() -> None:
    rates = {"optimizer.lr": [1, 1.5]}
    grows = lambda arm, levels, seed: 10 * levels["optimizer.lr"] + 0.1 * SEEN["a", ""][seed]  # noqa: E731
    found = verdict(grows, {"greater": ["a.1.5", "a.1"]}, arms={"a": {}}, sweep=rates)
    assert found.effect == pytest.approx(5)
