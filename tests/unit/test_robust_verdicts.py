"""What a verdict says where networks diverge, one value decides, or a control could not have failed."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from expzoo.science.claims import (
    Claim,
    Control,
    Pairs,
    SelfTest,
    Verdict,
    decide,
    decide_all,
    load_verdicts,
    no_difference,
    paired,
    with_divergence,
)
from expzoo.science.resampling import bca
from expzoo.science.statistics import Estimate, Method, clopper_pearson, mean_t, tost
from expzoo.store import records

SAMPLE = [2.0, 2.4, 1.8, 2.2, 2.6, 1.9, 2.1, 2.3, 2.5, 2.0]


def claim(direction: str = "greater", rule: Method = "one-sample t", smallest: float = 1.0) -> Claim:
    return Claim("zoo.claim", "a statement", "a paper", "", "points", smallest, direction, rule)


@pytest.mark.parametrize(("diverged", "outcome"), [(0, "supported"), (1, "supported"), (2, "supported")])
def test_failures_without_a_value_take_part_by_their_rank(diverged: int, outcome: str) -> None:
    """Ten of twelve above: the sign test has p = .019; one more failure would be a fifth and more."""
    verdict = decide(claim(), mean_t(SAMPLE), dropped=diverged)
    assert verdict.verdict == outcome
    assert (f"{diverged} of {10 + diverged} diverged" in verdict.note) == (diverged > 0)


def test_one_failure_of_seven_is_no_support_though_the_rest_are_all_alike() -> None:
    assert decide(claim(), mean_t(SAMPLE[:6])).verdict == "supported"
    failing = decide(claim(), mean_t(SAMPLE[:6]), dropped=1)
    assert failing.verdict == "inconclusive"
    assert "with those that diverged as failures the sign test has p = 0.0625" in failing.note
    assert decide(claim(), mean_t(SAMPLE[:6]), missing=1).verdict == "supported"  # what no arm can cause


def test_a_failure_is_outside_of_any_range_of_equivalence() -> None:
    zeros, same = np.zeros(6), claim("equivalent", "TOST")
    near = np.array(SAMPLE[:6]) - 2.1
    assert decide(same, tost(near, zeros, -1, 1)).verdict == "supported"
    assert decide(same, tost(near, zeros, -1, 1), dropped=1).verdict == "inconclusive"


def test_a_curve_that_lost_seeds_is_no_support() -> None:
    estimate = bca(np.array(SAMPLE), np.mean, draws=499)
    of_curve = claim(rule="BCa bootstrap")
    assert decide(of_curve, estimate).verdict == "supported"
    assert decide(of_curve, estimate, dropped=1).verdict == "inconclusive"
    assert decide(of_curve, estimate, missing=1).verdict == "supported"


def test_pairs_know_what_diverged_from_what_is_missing() -> None:
    first, second = dict(enumerate(SAMPLE)), dict.fromkeys(range(10), 0.0)
    assert "1 of 10 left out: missing" in paired(claim(rule="paired t"), first, dict.fromkeys(range(9), 0.0)).note
    lost = paired(claim(rule="paired t"), first | {3: math.nan}, second)
    assert "1 of 10 diverged and have no value: failures" in lost.note
    assert "left out" not in lost.note
    both = decide_all(claim(rule="paired t"), {"a": _pairs(first | {3: math.nan}, second)})
    assert "1 of 10 diverged" in both.note


def _pairs(first: dict[int, float], second: dict[int, float]) -> Pairs:
    return Pairs(claim(rule="paired t"), first, second)


def test_an_outlier_is_said_though_it_decides_nothing() -> None:
    far = [-1.02, -1.01, -1.03, -1.015, -1.02, -1.03, -1.01, -1.2]
    verdict = decide(claim("less", smallest=0.5), mean_t(far))
    assert verdict.verdict == "supported"
    assert "outlying units: -1.2 of 8" in verdict.note
    assert "outlying" not in decide(claim("less", smallest=0.5), mean_t(far[:7])).note


def test_where_an_outlier_decides_the_signs_decide_with_it() -> None:
    """Seven are just outside of the range; one far on the other side pulls the mean inside."""
    values = np.array([-1.1, -1.11, -1.09, -1.1, -1.105, -1.095, -1.1, 0.9])
    estimate, same = tost(values, np.zeros(8), -1.5, 1), claim("equivalent", "TOST")
    assert estimate.low < -1  # so wide that it decides nothing by itself
    wide = tost(values, np.zeros(8), -1, 1)
    assert decide(same, wide).verdict == "inconclusive"
    narrow = replace(wide, effect=-0.85, low=-0.95, high=-0.75, p=0.001)  # were it as narrow, it would
    doubted = decide(same, narrow)
    assert doubted.verdict == "inconclusive"
    assert "an outlier decides, and the exact sign-flip test has p = " in doubted.note
    sound = replace(narrow, values=tuple((values + 1.1).tolist()))
    assert decide(same, sound).verdict == "supported"


def test_self_tests_stand_apart_and_withhold_as_well() -> None:
    control, made = Control("same arm again", passed=True), SelfTest("a made curve", passed=True, detail="0.1")
    verdict = decide(claim(), mean_t(SAMPLE), control=[control, made])
    assert (verdict.control, verdict.self_test) == ("same arm again: passed", "a made curve: passed (0.1)")
    assert verdict.verdict == "supported"
    failed = decide(claim(), mean_t(SAMPLE), control=[control, SelfTest("a made curve", passed=False)])
    assert (failed.verdict, failed.n_needed) == ("withheld", None)
    assert failed.note == "withheld: the self-test failed"
    alone = decide(claim(), mean_t(SAMPLE), control=made)
    assert (alone.control, alone.self_test) == ("", "a made curve: passed (0.1)")


def test_files_from_before_self_tests_are_read() -> None:
    data = decide(claim(), mean_t(SAMPLE)).to_json()
    del data["self_test"]
    assert Verdict.from_json(data).self_test == ""
    assert load_verdicts(json.dumps([data]))[0].self_test == ""


@pytest.mark.parametrize(("n", "least"), [(6, 0.7), (8, 0.93)])
def test_no_difference_finds_a_bias_of_two_deviations(n: int, least: float) -> None:
    """At 99.9 % it did in 23 % of cases at n = 6; and it says which bias it finds in four of five."""
    rng = np.random.default_rng(1)

    def control(bias: float) -> Control:
        return no_difference("again", dict(enumerate(rng.normal(bias, 1, n))), dict.fromkeys(range(n), 0.0))

    assert np.mean([not control(2).passed for _ in range(400)]) > least
    assert np.mean([not control(0).passed for _ in range(400)]) < 0.01 + 3 * math.sqrt(0.01 / 400)
    assert "is found with 80% power" in control(0).detail


def test_what_diverged_is_said_and_equals_of_failures_are_no_equals() -> None:
    same = decide(claim("equivalent", "TOST"), tost(np.array(SAMPLE) - 2, np.zeros(10), -1, 1))
    assert with_divergence(same, 0, 20) == same
    some, many = with_divergence(same, 4, 20), with_divergence(same, 5, 20)
    assert (some.verdict, many.verdict) == ("supported", "inconclusive")
    assert some.note.endswith("4 of 20 networks diverged: each counts as one that knows nothing")
    more = decide(claim(), mean_t(SAMPLE))
    assert with_divergence(more, 19, 20).verdict == "supported"


def test_records_say_how_many_networks_diverged() -> None:
    row = {"seed": 0, "arm": "a", "step": 1, "split": "test", "value": 10.0}
    keys = ["0" * 64, "1" * 64]
    rows = [row | {"key": key, "metric": metric} for key in keys for metric in ("accuracy", "loss")]
    assert records.diverged(records.frame(rows)) == (0, 2)
    lost = records.frame([one | {records.DIVERGED: True} if one["key"] == keys[1] else one for one in rows])
    assert records.diverged(lost) == (1, 2)
    assert isinstance(lost, pl.DataFrame)


def test_what_settles_is_asked_for_in_seeds() -> None:
    """Networks of several settings for each seed are pooled; lost seeds are bought again."""
    never = replace(claim("less", "Clopper-Pearson", 0.0), reference=5.0)
    rate = clopper_pearson(0, 40).scaled(100)
    assert decide(never, rate).n_needed == 72
    assert decide(never, rate, seeds=10).n_needed == 18  # four networks a seed
    half_way = Estimate(2.0, 0.5, 3.5, 0.95, 8, "one-sample t")
    assert decide(claim(), half_way).n_needed == 28
    assert decide(claim(), half_way, dropped=1, missing=1).n_needed == 35
