"""Verdicts of claims in words against plain NumPy and SciPy, from tables that are made up."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy import stats

from expzoo.config.registry import build
from expzoo.store import records

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict

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
        for name, look in ((name, look.on(SCORE)) for name, look in analysis.looks.items())
        if not skip(cell)
    ]
    arrays: dict[str, np.ndarray] = {}
    for name in analysis.looks:
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
SWEEP = {"model.width": [8, 16, 32, 64]}
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
    agrees(found, student(np.array(gains)))
    assert found.verdict == "supported"


def test_monotone_is_every_step() -> None:
    claim = {"monotone_of": "a", "over": "model.width", "by": 0.5}
    found = verdict(seen, claim, arms={"a": {}}, sweep=SWEEP)
    steps = [student(b - a) for a, b in itertools.pairwise(CURVE)]
    assert (found.effect, *found.interval) == pytest.approx(min(steps, key=lambda step: step[1]))
    assert "all of 3 conditions" in found.note
    falling = verdict(seen, {**claim, "rising": False}, arms={"a": {}}, sweep=SWEEP)
    assert (falling.direction, falling.verdict) == ("less", "not supported")


def rate(successes: int) -> tuple[float, float, float]:
    ends = stats.binomtest(successes, len(SEEDS)).proportion_ci(0.95, method="exact")
    return 100 * successes / len(SEEDS), 100 * ends.low, 100 * ends.high


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


CROSS = {"view": {"plain": {}, "shuffled": {"dataset.view": "shuffled"}}}
TWO = {"a": {}, "b": {"model.width": 20}}


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


# --- networks that diverged, arms that are not there, controls


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
    assert "1 of 8 left out" in one.note
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
    rate = {"rate_of": "b", "success": "score/test >= 1", "greater": 1}
    assert verdict(lambda *of: -seen(*of) if of[1]["again"] else seen(*of), rate, arms=ARMS).verdict == "withheld"


def test_the_control_of_an_arm_made_from_another_is_that_one_again() -> None:
    """A ticket is not trained again from other starts: its chain would be another one. What it is made from is."""
    arms = {"a": {}, "b": {"mask": {"magnitude": {"of": "a", "sparsity": 0.5}}, "init": {"rewind": {"of": "a"}}}}
    arms["c"] = {"mask": {"same": {"of": "b"}}, "init": {"fresh": {"draw": 3}}}
    analysis, table, arrays = made(seen, claims={"zoo.claim": {"greater": ["b", "c"]}}, arms=arms)
    assert [cell.words for cell in analysis.cells if cell.again] == ["a, again"]
    [found] = analysis.judge(table, arrays)
    assert found.control.startswith("a from other starts (again): passed")
