"""What diverged, arms that are not there and controls, in claims in words: from tables that are made up."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
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
    Value,
    agrees,
    made,
    rate,
    seen,
    student,
    verdict,
    verdicts,
)

from expzoo.store import records


def lost(*places: tuple[str, int], value: float = math.nan) -> Value:
    return lambda arm, levels, seed: value if (arm, seed) in places and not levels["again"] else seen(arm, levels, seed)


def test_a_network_that_diverged_counts_as_chance_for_a_score() -> None:
    found = verdict(lost(("b", 2)), {"greater": ["b", "a"]}, arms=ARMS, worst=CHANCE)
    agrees(found, student(np.where(np.arange(len(SEEDS)) == 2, CHANCE, B) - A))
    assert "diverged or never there: 1 of b, counted as 10" in found.note


@pytest.mark.parametrize("higher", [True, False])
def test_without_a_known_worst_the_worst_that_was_seen_counts(higher: bool) -> None:
    analysis, table, arrays = made(lost(("b", 2)), claims={"zoo.claim": {"greater": ["b", "a"]}}, arms=ARMS)
    arrays["higher/score"] = np.array(higher)
    [found] = analysis.judge(table, arrays)
    kept = [seen(cell.arm, {"again": cell.again}, seed) for cell in analysis.cells for seed in SEEDS]
    worst = min(kept) if higher else max(kept)  # the one that is lost is neither
    agrees(found, student(np.where(np.arange(len(SEEDS)) == 2, worst, B) - A))


def test_what_was_never_reached_counts_as_the_whole_training_and_is_no_divergence() -> None:
    claim = {"less": ["b", "a"], "of": "steps to loss/train <= 0.1"}
    for diverged in ("worst", "drop"):
        never = lost(("a", 1), value=math.inf)
        found = verdict(never, claim, arms=ARMS, worst=6000.0, diverged=diverged)
        agrees(found, student(B - np.where(np.arange(len(SEEDS)) == 1, 6000.0, A)))
        assert found.unit == "steps"
        assert "1 of a, counted as 6000" in found.note


def test_where_a_network_never_came_to_be_looked_at_it_has_no_value() -> None:
    """Counted as chance, arms that never reach a loss would differ there, and as the worst seen, values would fall."""
    claim = {"greater": ["b", "a"], "of": "score/test at first loss/train <= 0.1"}
    for diverged in ("worst", "drop"):
        found = verdict(lost(("a", 1), value=math.inf), claim, arms=ARMS, worst=CHANCE, diverged=diverged)
        effect, low, high = student(np.delete(B - A, 1))
        assert (found.n, found.effect, *found.interval) == pytest.approx((len(SEEDS) - 1, effect, low, high))
        assert "1 of a, left out" in found.note
    often = verdict(lost(*(("a", seed) for seed in (1, 2, 3)), value=math.inf), claim, arms=ARMS, worst=CHANCE)
    assert "more than 20% left out" in often.note
    reached = {"rate_of": "a", "success": "score/test at first loss/train <= 0.1 >= 1", "greater": 1}
    agrees(verdict(lost(("a", 1), value=math.inf), reached, arms=ARMS), rate(len(SEEDS) - 1))


FORMS: list[dict[str, Any]] = [
    {"greater": ["b", "a"]},
    {"value_of": "b", "greater": 20},
    {"value_of": "b", "equal": 50, "within": 20},
    {"ratio": ["b", "a"], "greater": 0.1},
    {"rate_of": "b", "success": "score/test >= 1", "greater": 1},
    {"greater": ["b", "a"], "success": "score/test >= 1"},
]


@pytest.mark.parametrize("claim", FORMS, ids=str)
def test_what_is_dropped_is_said_and_more_than_a_fifth_settles_nothing(claim: dict[str, Any]) -> None:
    one = verdict(lost(("b", 2)), claim, arms=ARMS, diverged="drop")
    assert one.n == len(SEEDS) - 1
    assert "1 of 8 diverged and have no value" in one.note
    assert "1 of b, left out" in one.note
    three = verdict(lost(("b", 2), ("b", 3), ("b", 4)), claim, arms=ARMS, diverged="drop")
    assert three.verdict in ("inconclusive", "withheld")
    assert "more than 20% left out" in three.note


def test_a_peak_leaves_out_whole_seeds() -> None:
    for diverged, n in (("drop", len(SEEDS) - 1), ("worst", len(SEEDS))):
        claim = {"peak_of": "a", "over": "model.width"}
        found = verdict(lost(("a", 2)), claim, arms={"a": {}}, sweep=SWEEP, diverged=diverged, worst=CHANCE)
        assert found.n == n


@pytest.mark.parametrize("claim", [*FORMS, {"peak_of": "b", "over": "model.width"}], ids=str)
@pytest.mark.parametrize("diverged", ["worst", "drop"])
def test_where_all_diverge_nothing_is_claimed(claim: dict[str, Any], diverged: str) -> None:
    nothing = lambda arm, levels, seed: math.nan  # noqa: E731
    options = {"sweep": SWEEP} if "over" in claim else {}
    found = verdict(nothing, claim, arms={"a": {}, "b": {}}, diverged=diverged, **options)
    assert found.verdict in ("inconclusive", "withheld")


def test_a_rate_counts_what_diverged_as_no_success() -> None:
    found = verdict(lost(("a", 2)), {"rate_of": "a", "success": "score/test >= 1", "greater": 1}, arms=ARMS)
    agrees(found, rate(len(SEEDS) - 1))
    assert "1 of a, counted as no success" in found.note
    low = verdict(lost(("a", 2)), {"rate_of": "a", "success": "score/test <= 100", "greater": 1}, arms=ARMS)
    agrees(low, rate(len(SEEDS) - 1))


def test_what_diverged_in_a_part_of_another_measure_is_said() -> None:
    parts = [{"greater": ["b", "a"], "of": "score"}, {"greater": ["b", "a"], "of": "other"}]
    measure = {"score": "score/test", "other": "accuracy/train at end"}
    analysis, table, arrays = made(seen, claims={"zoo.claim": {"all": parts}}, arms=ARMS, measure=measure)
    rows = table.to_dicts()
    for row in rows:
        if (row["measure"], row["arm"], row["seed"]) == ("other", "b", 0):
            row["value"] = math.nan
    [found] = analysis.judge(records.frame(rows), arrays)
    assert "1 of b" in found.note


def test_chance_is_that_of_each_cell() -> None:
    analysis, table, arrays = made(
        seen, claims={"zoo.claim": {"value_of": "a", "greater": "chance", "for_all": "view"}}, arms=TWO, cross=CROSS
    )
    levels = {"plain": 10.0, "shuffled": 50.0}
    arrays["chance/score"] = np.array([levels[dict(cell.levels)["view"]] for cell in analysis.cells])
    [found] = analysis.judge(table, arrays)
    above = [student(SEEN["a", view] - chance) for view, chance in levels.items()]
    agrees(found, min(above, key=lambda step: step[1]))
    assert found.reference == 0
    assert "its own chance level" in found.note


def test_arms_that_are_not_there_are_left_out_and_said() -> None:
    without = {"skip": lambda cell: cell.arm == "b"}
    assert verdicts(seen, {"zoo.claim": {"greater": ["b", "a"]}}, arms=ARMS, **without) == {}
    parts = {"all": [{"greater": ["b", "a"]}, {"greater": ["c", "a"]}]}
    found = verdict(seen, parts, arms=ARMS, **without)
    agrees(found, student(C - A))
    assert "1 of its parts do not fit these data" in found.note
    control = {"greater": ["c", "a"], "control": {"greater": ["b", "a"]}}
    withheld = verdict(seen, control, arms=ARMS, **without)
    assert (withheld.verdict, "its arms do not fit these data" in withheld.control) == ("withheld", True)


@pytest.mark.parametrize(
    ("control", "passes"),
    [
        ({"greater": ["d", "a"]}, True),
        ({"greater": ["a", "d"]}, False),
        ({"equal": ["a", "a"]}, True),
        ({"equal": ["a", "d"]}, False),
        ({"value_of": "a", "equal": "chance"}, False),
        ({"value_of": "a", "equal": 55}, True),
        ({"rate_of": "a", "success": "score/test >= 1", "greater": 50}, True),
        ({"all": [{"greater": ["d", "a"]}, {"greater": ["a", "d"]}]}, False),
    ],
    ids=str,
)
def test_a_control_of_ones_own_decides_whether_there_is_a_verdict(control: dict[str, Any], passes: bool) -> None:
    low = lambda arm, levels, seed: seen(arm, levels, seed) + (55 - A.mean() if arm == "a" else 0)  # noqa: E731
    told = verdict(low, {"greater": ["c", "b"], "control": {"statement": "it works", **control}}, arms=ARMS)
    assert (told.verdict != "withheld") == passes
    assert told.control.startswith(f"it works: {'passed' if passes else 'failed'}")


def test_the_baseline_from_other_starts_must_show_no_difference() -> None:
    off = lambda arm, levels, seed: seen(arm, levels, seed) + 20 * levels["again"]  # noqa: E731
    for claim in FORMS[:4]:
        assert verdict(off, claim, arms=ARMS).verdict == "withheld"


@pytest.mark.parametrize("claim", [{"rate_of": "b", "greater": 1}, {"greater": ["a", "b"]}])
def test_every_second_seed_must_succeed_as_often_as_the_others(claim: dict[str, Any]) -> None:
    uneven = lambda arm, levels, seed: 1.0 if arm == "b" and seed % 2 else 0.0  # noqa: E731
    even = lambda arm, levels, seed: 1.0 if arm == "b" and seed % 3 else 0.0  # noqa: E731
    rate = {**claim, "success": "score/test >= 1"}
    assert verdict(uneven, rate, arms=ARMS).verdict == "withheld"
    found = verdict(even, rate, arms=ARMS)
    assert found.verdict != "withheld"
    assert found.control.startswith("every second seed of b succeeds as often as the others: passed")


def test_the_control_of_an_arm_made_from_another_is_that_one_again() -> None:
    """A ticket is not trained again from other starts: its chain would be another one. What it is made from is."""
    arms = {"a": {}, "b": {"mask": {"magnitude": {"of": "a", "sparsity": 0.5}}, "init": {"rewind": {"of": "a"}}}}
    arms["c"] = {"mask": {"same": {"of": "b"}}, "init": {"fresh": {"draw": 3}}}
    analysis, table, arrays = made(seen, claims={"zoo.claim": {"greater": ["b", "c"]}}, arms=arms)
    assert [cell.words for cell in analysis.cells if cell.again] == ["a, again"]
    [found] = analysis.judge(table, arrays)
    assert found.control.startswith("a from other starts (again): passed")
