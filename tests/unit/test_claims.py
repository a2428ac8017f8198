"""From an estimate to a verdict: the whole decision table, several conditions, controls, and how often it errs."""

from __future__ import annotations

import itertools
import math
from functools import partial

import numpy as np
import pytest
from scipy import stats

from expzoo.science.claims import Claim, Control, decide, decide_all, decide_each, known_answer, paired
from expzoo.science.resampling import row_permutation
from expzoo.science.statistics import Estimate, Method, clopper_pearson, holm, mean_t, paired_t, tost

LEVEL = {"greater": 0.95, "less": 0.95, "equivalent": 0.90}


def claim(direction: str = "greater", smallest: float = 1.0, rule: Method = "one-sample t", **changes) -> Claim:
    return Claim(
        "zoo.claim", "a statement", "a paper, section 2", "3.1", "points", smallest, direction, rule, **changes
    )


def interval(low: float, high: float, n: int = 10, level: float = 0.95, **changes) -> Estimate:
    return Estimate((low + high) / 2, low, high, level, n, "one-sample t", **changes)


# Where the interval lies about the bounds -1 and 1, and the verdict for greater, less, equivalent.
TABLE = [
    ((-4.0, -2.0), ("not supported", "supported", "not supported")),
    ((-2.0, -1.0), ("not supported", "inconclusive", "inconclusive")),
    ((-2.0, 0.0), ("not supported", "inconclusive", "inconclusive")),
    ((-1.0, 0.0), ("not supported", "inconclusive", "inconclusive")),
    ((-0.5, 0.5), ("not supported", "not supported", "supported")),
    ((-1.0, 1.0), ("inconclusive", "inconclusive", "inconclusive")),
    ((-2.0, 2.0), ("inconclusive", "inconclusive", "inconclusive")),
    ((0.0, 1.0), ("inconclusive", "not supported", "inconclusive")),
    ((0.0, 2.0), ("inconclusive", "not supported", "inconclusive")),
    ((1.0, 2.0), ("inconclusive", "not supported", "inconclusive")),
    ((2.0, 4.0), ("supported", "not supported", "not supported")),
    ((math.nan, math.nan), ("inconclusive", "inconclusive", "inconclusive")),
]


@pytest.mark.parametrize(("ends", "expected"), TABLE)
@pytest.mark.parametrize("reference", [0.0, 5.0, -300.0])
@pytest.mark.parametrize("control", [None, True, False])
def test_decision_table(ends: tuple[float, float], expected: tuple[str, ...], reference: float, control) -> None:
    for direction, outcome in zip(("greater", "less", "equivalent"), expected, strict=True):
        estimate = interval(ends[0] + reference, ends[1] + reference, level=LEVEL[direction])
        verdict = decide(
            claim(direction, reference=reference),
            estimate,
            control=None if control is None else Control("null", passed=control, detail="0.1"),
        )
        assert verdict.verdict == ("withheld" if control is False else outcome)
        assert verdict.control == {None: "", True: "null: passed (0.1)", False: "null: failed (0.1)"}[control]
        assert ("the control failed" in verdict.note) == (control is False)
        assert (f"compared with {reference:g} points" in verdict.note) == (reference != 0)
        if verdict.verdict != "inconclusive":
            assert verdict.n_needed is None


def test_verdict_repeats_the_claim_and_the_numbers() -> None:
    verdict = decide(claim(note="fewer steps than published"), interval(2, 4, n=8), dropped=1)
    assert (verdict.claim, verdict.statement, verdict.source) == ("zoo.claim", "a statement", "a paper, section 2")
    assert (verdict.published, verdict.unit, verdict.rule, verdict.direction) == (
        "3.1",
        "points",
        "one-sample t",
        "greater",
    )
    assert (verdict.effect, verdict.interval, verdict.level, verdict.n) == (3.0, (2.0, 4.0), 0.95, 8)
    assert verdict.note == (
        "fewer steps than published; 1 of 9 diverged and have no value: failures; "
        "those that diverged have no value, and may have changed it"
    )


@pytest.mark.parametrize(
    ("direction", "ends", "n", "needed"),
    [
        ("greater", (0.5, 3.5), 8, 28),  # half-width 1.5, distance 1
        ("less", (-3.5, -0.5), 8, 28),
        ("greater", (1.0, 3.0), 8, 14),  # touching: settled by chance in every second run
        ("greater", (-1.0, 3.0), 8, None),  # the effect is the bound itself
        ("equivalent", (-2.0, 2.0), 10, 104),
        ("equivalent", (-1.5, 2.5), 10, 296),  # the farther bound is excluded long before
        ("greater", (math.nan, math.nan), 1, 5),
        ("greater", (math.nan, math.nan), 7, None),
        ("greater", (2.0, 4.0), 4, 5),  # clear, but too few for a t interval
    ],
)
def test_n_that_would_settle(direction: str, ends: tuple[float, float], n: int, needed: int | None) -> None:
    verdict = decide(claim(direction), interval(*ends, n=n, level=LEVEL[direction]))
    assert (verdict.verdict, verdict.n_needed) == ("inconclusive", needed)


def test_skewed_interval_needs_what_its_side_of_the_bound_needs() -> None:
    skewed = Estimate(3.0, 0.0, 3.5, 0.95, 10, "BCa bootstrap")
    symmetric = Estimate(3.0, 0.0, 6.0, 0.95, 10, "BCa bootstrap")
    needed = [decide(claim(rule="BCa bootstrap"), one).n_needed for one in (skewed, symmetric)]
    assert needed[0] == needed[1]


@pytest.mark.parametrize(("dropped", "outcome"), [(0, "supported"), (2, "supported"), (3, "inconclusive")])
def test_more_than_a_fifth_dropped_settles_nothing(dropped: int, outcome: str) -> None:
    verdict = decide(claim(), interval(2, 4, n=8), missing=dropped)
    assert verdict.verdict == outcome
    assert ("20% left out" in verdict.note) == (outcome == "inconclusive")


@pytest.mark.parametrize(
    ("method", "least"),
    [("one-sample t", 5), ("paired t", 5), ("Welch t", 5), ("BCa bootstrap", 8), ("cluster bootstrap", 8),
     ("Newcombe", 1), ("Clopper-Pearson", 1), ("row permutation", 5)],
)  # fmt: skip
def test_too_few_seeds_settle_nothing(method: Method, least: int) -> None:
    for n in range(1, 10):
        verdict = decide(claim(rule=method), Estimate(3.0, 2.0, 4.0, 0.95, n, method))
        assert verdict.verdict == ("supported" if n >= least else "inconclusive")


@pytest.mark.parametrize(("p", "outcome"), [(0.001, "supported"), (0.025, "supported"), (0.03, "inconclusive")])
def test_a_test_that_goes_with_the_interval_must_agree(p: float, outcome: str) -> None:
    verdict = decide(claim(), interval(2, 4, p=p))
    assert verdict.verdict == outcome
    assert decide(claim(), interval(-4, -2, p=0.9)).verdict == "not supported"


def test_row_permutation_decides_on_masks() -> None:
    columns = np.arange(20)
    starts = np.random.default_rng(1).integers(0, 17, (6, 8, 1))
    blocks = (columns >= starts) & (columns < starts + 3)
    adjacency = claim(smallest=0.0, rule="row permutation")
    pairs = lambda masks: (masks[..., 1:] & masks[..., :-1]).sum(axis=(1, 2))  # noqa: E731
    assert decide(adjacency, row_permutation(blocks, pairs, draws=199)).verdict == "supported"
    scattered = np.random.default_rng(2).permuted(blocks, axis=-1)
    assert decide(adjacency, row_permutation(scattered, pairs, draws=199)).verdict == "inconclusive"
    assert decide(adjacency, row_permutation(blocks[:1], pairs, draws=199)).verdict == "inconclusive"


def test_rates_below_a_reference() -> None:
    never = claim("less", 0.0, "Clopper-Pearson", reference=5.0)
    assert decide(never, clopper_pearson(0, 20).scaled(100)).verdict == "inconclusive"
    assert decide(never, clopper_pearson(0, 72).scaled(100)).verdict == "supported"
    assert decide(never, clopper_pearson(12, 20).scaled(100)).verdict == "not supported"


def test_paired_matches_seeds_and_counts_the_lost() -> None:
    rng = np.random.default_rng(3)
    baseline = {seed: 60 + rng.normal() for seed in range(10)}
    treatment = {seed: baseline[seed] + 3 + 0.1 * rng.normal() for seed in reversed(range(10)) if seed != 3}
    verdict = paired(claim(rule="paired t"), treatment, baseline)
    assert (verdict.verdict, verdict.n) == ("supported", 9)
    assert "1 of 10 left out: missing" in verdict.note
    kept = [seed for seed in range(10) if seed != 3]
    estimate = paired_t([treatment[seed] for seed in kept], [baseline[seed] for seed in kept])
    assert verdict.interval == (estimate.low, estimate.high)
    same = paired(claim("equivalent", rule="TOST", reference=3.0), treatment, baseline)
    assert (same.verdict, same.level) == ("supported", 0.9)
    assert paired(claim("equivalent", rule="TOST"), treatment, baseline).verdict == "not supported"
    assert paired(claim(rule="paired t"), {}, baseline).verdict == "inconclusive"


def conditions(*means: float, spread: float = 1.0, n: int = 12, rng: np.random.Generator) -> dict[str, partial]:
    return {f"c{index}": partial(mean_t, rng.normal(mean, spread, n)) for index, mean in enumerate(means)}


def test_each_condition_is_decided_exactly_as_holms_p_values_say() -> None:
    """Oracle: two-sided p values against the bound, adjusted; the side is that of the mean."""
    rng = np.random.default_rng(4)
    some = set()
    for _ in range(150):
        measures = conditions(*rng.normal(1, 0.8, 4), rng=rng)
        samples = [measure.args[0] for measure in measures.values()]
        adjusted = holm([stats.ttest_1samp(sample, 1.0).pvalue for sample in samples])
        expected = [
            "inconclusive" if p >= 0.05 else "supported" if sample.mean() > 1 else "not supported"
            for p, sample in zip(adjusted, samples, strict=True)
        ]
        verdicts = decide_each(claim(), measures)
        assert [verdict.verdict for verdict in verdicts.values()] == expected
        assert list(verdicts) == list(measures)
        some.update(expected)
    assert len(some) == 3


def test_each_condition_says_so_and_shares_the_control() -> None:
    measures = {
        "lr=0.1": lambda *, level: interval(2, 4, level=level),
        "lr=1": lambda *, level: interval(0, 2, level=level),
    }
    verdicts = decide_each(claim(), measures, dropped={"lr=1": 1})
    assert verdicts["lr=0.1"].verdict == "supported"
    assert verdicts["lr=0.1"].level == pytest.approx(0.975)
    assert verdicts["lr=1"].level == pytest.approx(0.95)
    assert (
        verdicts["lr=1"].note == "condition lr=1; 1 of 11 diverged and have no value: failures; Holm over 2 conditions"
    )
    withheld = decide_each(claim(), measures, control=Control("null", passed=False))
    assert {verdict.verdict for verdict in withheld.values()} == {"withheld"}


@pytest.mark.parametrize("outcomes", list(itertools.product(["supported", "inconclusive", "not supported"], repeat=2)))
def test_all_conditions_must_hold(outcomes: tuple[str, ...]) -> None:
    ends = {"supported": (2.0, 4.0), "inconclusive": (0.5, 3.5), "not supported": (-4.0, -2.0)}
    measures = {name: partial(lambda pair, *, level: interval(*pair, level=level), ends[outcome])
                for name, outcome in zip("ab", outcomes, strict=True)}  # fmt: skip
    verdict = decide_all(claim(), measures)
    expected = next(name for name in ("not supported", "inconclusive", "supported") if name in outcomes)
    assert verdict.verdict == expected
    assert verdict.interval == ends[expected]
    assert verdict.note.startswith(f"all of 2 conditions must hold; condition {'ab'[outcomes.index(expected)]}")
    assert verdict.level == pytest.approx(0.975 if expected == "not supported" else 0.95)
    assert verdict.n_needed == (37 if expected == "inconclusive" else None)
    assert decide_all(claim(), measures, control=Control("null", passed=False)).verdict == "withheld"


def test_one_refutation_among_many_needs_the_stricter_level() -> None:
    """A condition refuted at 95 % but not at 1 - 0.05 / m leaves the question open."""
    sample = np.random.default_rng(5).normal(size=12)
    shifted = sample - mean_t(sample).high + 0.99  # the 95 % interval ends just below the bound of 1
    fine = partial(mean_t, sample - sample.mean() + 50)
    assert decide(claim(), mean_t(shifted)).verdict == "not supported"
    assert decide_all(claim(), {"bad": partial(mean_t, shifted)}).verdict == "not supported"
    verdict = decide_all(claim(), {"bad": partial(mean_t, shifted), **{f"c{i}": fine for i in range(9)}})
    assert verdict.verdict == "inconclusive"
    assert verdict.n_needed is not None


def test_a_control_with_a_known_answer() -> None:
    quiet = np.random.default_rng(6).normal(0, 1, 20)
    assert known_answer("labels shuffled", partial(mean_t, quiet)).passed
    failed = known_answer("labels shuffled", partial(mean_t, quiet), expected=5)
    assert not failed.passed
    assert str(failed).startswith("labels shuffled: failed (expected 5, 99 % interval ")
    assert not known_answer("one seed", partial(mean_t, quiet[:1])).passed


@pytest.mark.parametrize("direction", ["greater", "less"])
@pytest.mark.parametrize("smallest", [0.0, 1.0])
def test_no_effect_is_supported_in_at_most_a_fortieth_of_runs(direction: str, smallest: float) -> None:
    """At the bound itself, the hardest case; three standard errors above 2.5 % are allowed."""
    rng = np.random.default_rng(7)
    effect = smallest if direction == "greater" else -smallest
    judged = claim(direction, smallest)
    outcomes = [decide(judged, mean_t(rng.normal(effect, 2, 6))).verdict for _ in range(2000)]
    assert outcomes.count("supported") / 2000 <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 2000)
    assert outcomes.count("inconclusive") / 2000 >= 0.93


def test_several_null_conditions_err_no_more_often_than_one() -> None:
    rng = np.random.default_rng(8)
    families = [conditions(1, 1, 1, 1, 1, rng=rng) for _ in range(600)]
    wrong = [any(v.verdict != "inconclusive" for v in decide_each(claim(), family).values()) for family in families]
    assert np.mean(wrong) <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 600)
    held = [decide_all(claim(), conditions(9, 9, 1, rng=rng)).verdict for _ in range(600)]
    assert held.count("supported") / 600 <= 0.025 + 3 * math.sqrt(0.025 * 0.975 / 600)
    assert held.count("not supported") / 600 <= 0.025


def test_equivalence_is_not_the_absence_of_significance() -> None:
    rng = np.random.default_rng(9)
    few, many = rng.normal(0, 3, 6), rng.normal(0, 1, 200)
    judged = claim("equivalent", rule="TOST")
    assert decide(judged, tost(few, np.zeros(6), -1, 1)).verdict == "inconclusive"
    assert decide(judged, tost(many, np.zeros(200), -1, 1)).verdict == "supported"


def test_the_rule_and_the_level_are_fixed_beforehand() -> None:
    with pytest.raises(ValueError, match="method 'one-sample t' is not one of 'paired t'"):
        decide(claim(rule="paired t"), interval(2, 4))
    with pytest.raises(ValueError, match=r"level of 0\.95, not 0\.5"):
        decide(claim(), interval(2, 4, level=0.5))
    with pytest.raises(ValueError, match="rule of pairs 'BCa bootstrap' is not one of 'paired t', 'TOST'"):
        paired(claim(rule="BCa bootstrap"), {}, {})
    with pytest.raises(ValueError, match="no conditions"):
        decide_all(claim(), {})
    assert decide_each(claim(), {}) == {}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"direction": "bigger"}, "direction 'bigger' is not one of 'greater', 'less', 'equivalent'"),
        ({"rule": "eyeballing"}, "rule 'eyeballing' is not one of 'one-sample t'"),
        ({"smallest": -1.0}, "smallest_effect -1.0 is not a number of at least 0"),
        ({"smallest": math.nan}, "smallest_effect nan"),
        ({"direction": "equivalent", "smallest": 0.0}, "nothing is equivalent"),
        ({"rule": "TOST"}, "TOST decides that two things are equivalent, not 'greater'"),
    ],
)
def test_impossible_claims_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        claim(**changes)
