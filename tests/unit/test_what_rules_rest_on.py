"""Verdicts of made worlds in which something fails: a network, a start, a threshold, what a statement assumes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from expzoo.plugins.analyses import (
    calibration_and_double_descent,
    deep_ensembles,
    double_descent,
    double_descent_rff,
    metalearn_learning_rate,
    periodic_behaviour,
    two_patterns,
)
from expzoo.plugins.analyses.memory_split import growth
from tests.worlds import arms, curves, life, metalearning
from tests.worlds.making import Draw, Made, World

from expzoo.analysis.studies.life import claims
from expzoo.science.claims import Claim
from expzoo.science.statistics import clopper_pearson, mean_t

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict

WORLDS = {world.claim.name: world for world in (*arms.WORLDS, *life.WORLDS, *curves.WORLDS, *metalearning.WORLDS)}


def drawn(name: str) -> tuple[World, Made]:
    """A world in which the claim holds by far, and one draw of it."""
    world = WORLDS[name]
    effect = world.effect("beyond")
    rng = np.random.default_rng(1)
    draw = Draw(world.build(), world.claim, world.seeds, effect, effect, "beyond", 1.0, rng)
    return world, world.make(draw)


def judged(world: World, made: Made) -> Verdict:
    return next(v for v in world.build().judge(*made) if v.claim == world.claim.name + world.suffix)


def test_one_annealed_network_at_chance_undoes_the_claim_that_the_others_support() -> None:
    world, (table, arrays) = drawn(two_patterns.CLEAN.name)
    assert judged(world, (table, arrays)).verdict == "supported"
    lost = (pl.col("arm") == "annealed") & pl.col("end") & (pl.col("seed") == 2) & (pl.col("split") == "test")
    table = table.with_columns(pl.when(lost).then(10.0).otherwise("value").alias("value"))
    verdict = judged(world, (table, arrays))
    assert verdict.verdict != "supported"
    assert verdict.effect < 0


def test_starts_that_blow_up_lead_to_no_rate() -> None:
    """4 of 20 were left out, and the others agreed."""
    world, (table, arrays) = drawn(metalearn_learning_rate.ONE_OPTIMUM.name)
    assert judged(world, (table, arrays)).verdict == "supported"
    high = (pl.col("arm") == "from a high start") & (pl.col("metric") == "learning_rate") & (pl.col("seed") < 4)
    verdict = judged(world, (table.filter(~high), arrays))
    assert verdict.verdict != "supported"
    assert verdict.n == 20
    assert "4 of 20 from a high start diverged: counted as not moved" in verdict.note


def test_an_order_of_patches_that_nobody_knows_is_none() -> None:
    world = WORLDS["li.two_pattern_order"]
    assert world.outcome("null", world.build(), world.seeds, 0) != "supported"
    assert world.outcome("perfect", world.build(), world.seeds, 0) == "supported"


@pytest.mark.parametrize(("moved", "outcome"), [(4, "supported"), (5, "withheld")])
def test_thresholds_that_more_steps_move_are_withheld(moved: int, outcome: str) -> None:
    """Of the 45 cells of a loss, a tenth and one more than that."""
    world, (table, arrays) = drawn("mnist1d.threshold_mse_n_by_loss")
    longer = (pl.col("metric") == "fits_with_twice_the_steps") & (pl.col("arm") == "mse")
    place = pl.int_range(pl.len()).over(longer)
    table = table.with_columns(pl.when(longer & (place < moved)).then(1.0).otherwise("value").alias("value"))
    assert judged(world, (table, arrays)).verdict == outcome


def test_lines_to_networks_that_failed_are_not_counted() -> None:
    world, (table, arrays) = drawn(claims.BARRIER.name)
    failed = (pl.col("arm") == "trained") & (pl.col("seed") < 20)
    table = table.with_columns(pl.when(failed).then(0.0).otherwise("value").alias("value"))
    verdict = judged(world, (table, arrays))
    assert verdict.n == 40
    assert "of 40 that succeed" in verdict.note


def test_a_pool_of_one_more_than_the_largest_ensemble_has_intervals() -> None:
    """With as many as that, leaving one out leaves too few, and the acceleration of BCa is undefined."""
    world = WORLDS[deep_ensembles.EXPONENT.name]
    analysis = world.build()
    assert analysis.sizes[-1] == 12
    for seeds, has in ((12, False), (13, True)):
        made = world.make(Draw(analysis, world.claim, seeds, -1.0, -1.0, "beyond", 1.0, np.random.default_rng(1)))
        [verdict, *_] = analysis.judge(*made)
        assert math.isfinite(verdict.interval[0]) is has


def test_the_best_split_of_a_parabola_grows_as_it_was_made() -> None:
    budgets, parts = 4.0 ** np.arange(1, 5), 2 ** np.arange(5)
    for slope in (0.0, 0.25):
        best = 2 + slope * (np.log2(budgets) - np.log2(budgets).mean())
        made = (np.log2(parts) - best[:, None]) ** 2
        assert growth(np.stack([made, 3 * made + 1]), budgets, parts) == pytest.approx(slope, abs=1e-9)
    falling = np.broadcast_to(-(np.log2(parts) ** 2.0), (1, 4, 5))  # bent downwards: the best is at an end
    assert growth(falling, budgets, parts) == pytest.approx(0)
    assert growth(np.empty((0, 4, 5)), budgets, parts).shape == (0,)


def changed(table: pl.DataFrame, where: pl.Expr, value: pl.Expr | float) -> pl.DataFrame:
    """The records with another value in some rows."""
    return table.with_columns(pl.when(where).then(value).otherwise("value").alias("value"))


def noise(table: pl.DataFrame, deviation: float) -> pl.Series:
    return pl.Series(np.random.default_rng(0).normal(0, deviation, len(table)))


def test_patches_at_chance_have_no_order_whatever_their_differences() -> None:
    world, (table, arrays) = drawn(two_patterns.ORDER.name)
    assert judged(world, (table, arrays)).verdict == "supported"
    at_chance = changed(table, pl.col("split") == "patch", 10 + noise(table, 0.01))
    verdict = judged(world, (at_chance, arrays))
    assert verdict.verdict == "not supported"
    assert "condition small above chance on patches before annealing" in verdict.note


def test_falling_curves_of_error_have_no_peak_at_the_threshold() -> None:
    world, (table, arrays) = drawn(double_descent.POSITION.name)
    assert judged(world, (table, arrays)).verdict == "supported"
    falling = (pl.col("noise") == "noisy") & (pl.col("metric") == "error") & (pl.col("split") == "test")
    made = changed(table, falling, 60 - 2 * pl.col("parameters").log(2) + noise(table, 0.3))
    verdict = judged(world, (made, arrays))
    assert verdict.verdict == "not supported"
    assert verdict.effect == pytest.approx(7)  # doublings, the whole range


def test_one_destabilisation_is_no_period() -> None:
    world, (table, arrays) = drawn(periodic_behaviour.PERIODIC.name)
    assert judged(world, (table, arrays)).verdict == "supported"
    counts = pl.col("metric") == "destabilisations"
    once = changed(table, counts, pl.when(pl.col("arm") == periodic_behaviour.DECAY).then(1.0).otherwise(0.0))
    assert judged(world, (once, arrays)).verdict != "supported"


def test_how_high_one_barrier_is_does_not_decide_whether_alignment_lowers_them() -> None:
    """Barriers span orders of magnitude: what is counted is on how many lines they are lower."""
    world, (table, arrays) = drawn(claims.BARRIER_ALIGNED.name)
    first = judged(world, (table, arrays))
    towering = changed(
        table, (pl.col("arm") == "aligned") & (pl.col("seed") == 0) & (pl.col("metric") == "barrier"), 1e6
    )
    assert not towering.equals(table)
    second = judged(world, (towering, arrays))
    assert {first.verdict, second.verdict} == {"supported"}
    assert abs(first.effect - second.effect) <= 100 / first.n


def test_label_noise_is_in_the_statement() -> None:
    world, made = drawn(double_descent_rff.SECOND_DESCENT.name)
    assert judged(world, made).statement.startswith("With 15% noisy training labels: ")


def test_splits_that_do_not_grow_are_seldom_said_to() -> None:
    """The place of the lowest value, with the bootstrap, was found to grow two to four times too often."""
    budgets, parts, draws = 4.0 ** np.arange(1, 5), 2 ** np.arange(5), 1000
    rng, flat = np.random.default_rng(0), 0.02 * (np.log2(parts) - 2) ** 2
    slopes = [growth(flat + rng.normal(0, 0.05, (8, 4, 5)), budgets, parts) for _ in range(draws)]
    found = sum(mean_t(own).low > 0 for own in slopes)
    assert clopper_pearson(found, draws, level=0.998).low <= 0.025


def test_no_claim_rests_on_what_calibration_cannot_change() -> None:
    """A temperature moves no arg max: the error's bump is a self-test of all claims about calibration."""
    names = {claim.name for claim in vars(calibration_and_double_descent).values() if isinstance(claim, Claim)}
    assert not any("error" in name for name in names)
    world, made = drawn("vetrov.calibration_removes_double_descent")
    assert "calibration changes no prediction: passed" in judged(world, made).self_test
