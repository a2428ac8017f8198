"""How many units settle a question: against exact search, simulation, and counts that are known."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from expzoo.science.power import detectable, units_needed
from expzoo.science.statistics import Estimate, clopper_pearson, mean_t, newcombe, no_interval, tost

RUNS = 1500
ERROR = 3 * math.sqrt(0.8 * 0.2 / RUNS)


@pytest.mark.parametrize(
    ("successes", "trials", "bound", "needed"),
    [(0, 40, 0.05, 72), (0, 20, 0.05, 72), (20, 20, 0.9, 36), (40, 40, 0.95, 72), (10, 20, 0.5, None)],
)
def test_exact_binomials_are_searched_for(successes: int, trials: int, bound: float, needed: int | None) -> None:
    estimate = clopper_pearson(successes, trials)
    assert units_needed(estimate, [bound]) == needed
    assert units_needed(estimate.scaled(100), [100 * bound]) == needed


@pytest.mark.parametrize(("successes", "trials", "bound"), [(1, 20, 0.25), (17, 20, 0.6), (3, 10, 0.5)])
def test_a_rate_is_settled_in_four_of_five_runs(successes: int, trials: int, bound: float) -> None:
    """Oracle: every count of n trials and its interval; the number just below misses the power."""
    rate = successes / trials
    n = units_needed(clopper_pearson(successes, trials), [bound])
    assert n is not None

    def chance(trials: int) -> float:
        found = [clopper_pearson(k, trials) for k in range(trials + 1)]
        beyond = np.array([one.high < bound if rate < bound else one.low > bound for one in found])
        return float(stats.binom.pmf(np.arange(trials + 1), trials, rate)[beyond].sum())

    assert chance(n) >= 0.8 > chance(n - 1)


@pytest.mark.parametrize(("effect", "bound"), [(1.0, 0.0), (0.3, 1.0), (-2.0, -1.2)])
def test_a_mean_is_settled_in_four_of_five_runs(effect: float, bound: float) -> None:
    pilot = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * 2
    deviation = pilot.std(ddof=1)
    n = units_needed(mean_t(pilot + effect), [bound])
    assert n is not None
    rng = np.random.default_rng(1)
    found = [mean_t(rng.normal(effect, deviation, n)) for _ in range(RUNS)]
    settled = np.mean([one.low > bound if effect > bound else one.high < bound for one in found])
    assert abs(settled - 0.8) < ERROR + 0.06  # whole numbers of units: a few per cent above
    assert settled > 0.8 - ERROR


def test_equivalence_is_settled_in_at_least_four_of_five_runs() -> None:
    pilot = np.array([-1.0, -0.5, 0.0, 0.5, 1.0]) * 2 + 0.2
    n = units_needed(tost(pilot, np.zeros(5), -1, 1), [-1, 1])
    assert n is not None
    rng, deviation = np.random.default_rng(2), pilot.std(ddof=1)
    inside = [tost(rng.normal(0.2, deviation, n), np.zeros(n), -1, 1) for _ in range(RUNS)]
    assert 0.8 - ERROR < np.mean([one.low > -1 and one.high < 1 for one in inside]) < 0.87


def test_two_rates_are_settled_in_four_of_five_runs() -> None:
    n = units_needed(newcombe((9, 5), (20, 20)).scaled(100), [0.0])
    assert n is not None
    rng = np.random.default_rng(3)
    counts = rng.binomial(n, [9 / 20, 5 / 20], (RUNS, 2))
    settled = np.mean([newcombe((int(a), int(b)), (n, n)).low > 0 for a, b in counts])
    assert 0.8 - ERROR < settled < 0.83


def test_the_rule_of_two_rates_is_newcombes() -> None:
    """A perfect difference is settled at the first n whose interval excludes the bound."""
    estimate = newcombe((4, 0), (4, 4))
    n = units_needed(estimate, [0.5])
    assert n is not None
    assert newcombe((n, 0), (n, n)).low > 0.5 >= newcombe((n - 1, 0), (n - 1, n - 1)).low


def test_what_no_number_settles() -> None:
    assert units_needed(mean_t([1.0, 2.0, 3.0]), [2.0]) is None
    assert units_needed(no_interval(1.0, 8, 0.95, "paired t"), [0.0]) is None
    assert units_needed(Estimate(1e-9, -1.0, 1.0, 0.95, 10, "BCa bootstrap"), [0.0]) is None
    assert units_needed(clopper_pearson(50_001, 100_000), [0.5]) is None


def test_each_side_of_a_skewed_interval_counts_by_itself() -> None:
    skewed = Estimate(3.0, 0.0, 3.5, 0.95, 10, "BCa bootstrap")
    narrow = Estimate(3.0, 2.5, 3.5, 0.95, 10, "BCa bootstrap")
    assert units_needed(skewed, [3.4]) == units_needed(narrow, [3.4])
    assert units_needed(skewed, [1.0]) > units_needed(narrow, [1.0])


@pytest.mark.parametrize("n", [3, 6, 20])
def test_a_detectable_bias_is_found_in_four_of_five_runs(n: int) -> None:
    rng = np.random.default_rng(4)
    bias = detectable(n, 0.99)
    found = [mean_t(rng.normal(bias, 1, n), level=0.99).low > 0 for _ in range(RUNS)]
    assert abs(np.mean(found) - 0.8) < ERROR
    assert math.isnan(detectable(1, 0.99))
