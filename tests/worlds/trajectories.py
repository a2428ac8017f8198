"""Worlds of claims about how stochastic gradient descent moves: where it ends, what its noise is like."""

from __future__ import annotations

import numpy as np
from expzoo.plugins.analyses import heavy_tails, langevin, minefield, three_regimes
from tests.worlds.making import Draw, Made, World, filled, row, table


def minefield_world(draw: Draw) -> Made:
    """Of so many starts weights that are bad, of so many of these weights that stay so, and distances."""
    arms, name = minefield, draw.claim.name
    rates = {arms.NATURAL: 0.0, arms.CONTINUED: 0.0, arms.POISONED: 100.0, arms.RELEASED: 100.0}
    asked = {arms.BAD.name: arms.POISONED, arms.STAY.name: arms.RELEASED, arms.AVOIDED.name: arms.NATURAL}
    if name in asked:
        rates[asked[name]] = draw.effect
    rows = []
    for arm, rate in rates.items():
        bad = draw.succeeds(rate, draw.seeds)
        for seed in range(draw.seeds):
            own = {"arm": arm, "metric": "accuracy"}
            rows.append(row(seed, **own, split="train", value=100.0))
            rows.append(row(seed, **own, split="test", value=40.0 if bad[seed] else 95.0))
    apart = (draw.effect if name == arms.NEAR.name else -0.5) + draw.normal(0.3, draw.seeds)
    rows += [row(s, arm=arms.POISONED, metric="distance", split="", value=10 ** apart[s]) for s in range(draw.seeds)]
    return table(rows), {}


def langevin_world(draw: Draw) -> Made:
    """Variances of walks in doublings that follow rate and batch size, distances from a posterior, and exponents."""
    arms, name = langevin, draw.claim.name
    off = draw.effect if name == arms.TEMPERATURE.name else 0.0
    totals = {("rate", rate): np.log2(rate / arms.RATE) * (1 + off) for rate in arms.RATES}
    totals |= {("batch", batch): np.log2(arms.BATCH / batch) for batch in arms.BATCHES if batch != arms.BATCH}
    rows = []
    for problem in arms.PROBLEMS:
        means = {arms._arm(problem, *place): mean for place, mean in totals.items()}
        means |= {f"{problem} {arm}": 0.0 for arm in (arms.AGAIN, arms.EPOCHS)}
        rows += filled(draw, [({"arm": arm, "metric": "total"}, mean) for arm, mean in means.items()], 0.05, 0.3)
        shuffled = draw.effect if name == arms.SHUFFLED.name else 0.0
        flattest = {f"{problem} rate {arms.RATE:g}": 0.0, f"{problem} {arms.EPOCHS}": shuffled}
        rows += filled(draw, [({"arm": arm, "metric": "flattest"}, mean) for arm, mean in flattest.items()], 0.1, 0.3)
        beyond = {"flatter_beyond_gibbs": draw.effect if name == arms.GIBBS.name else 0.0}
        beyond |= dict.fromkeys(("flattest_beyond_theory", "sharpest_beyond_theory"), 0.0)
        if name == arms.LYAPUNOV.name:
            beyond["sharpest_beyond_theory"] = draw.effect
        usual = {"arm": f"{problem} rate {arms.RATE:g}"}
        rows += filled(draw, [(usual | {"metric": metric}, mean) for metric, mean in beyond.items()], 0.1, 0.0)
    apart = draw.effect if name == arms.POSTERIOR.name else 0.03
    cells = [({"arm": arms.SGLD, "metric": "distance"}, apart), ({"arm": arms.HOT, "metric": "distance"}, 0.12)]
    rows += filled(draw, cells, 0.005, 0.0)
    exponents = {
        arms.ITO: -1.0 + draw.effect if name == arms.FLAT.name else -1.0,
        arms.STRATONOVICH: -0.5,
        arms.EVEN: 0,
    }
    rows += filled(draw, [({"arm": arm, "metric": "exponent"}, mean) for arm, mean in exponents.items()], 0.03, 0.0)
    return table(rows), {}


def tails_world(draw: Draw) -> Made:
    """Tail indices of noise and of normal noise: of all numbers together, and of each coordinate."""
    arms, name = heavy_tails, draw.claim.name
    lowest = 1.98
    together = {arms.DATA: 1.3, arms.AGAIN: 1.3, arms.GAUSSIAN: 1.3, arms.WHITE: 2.0}
    for claim, which in ((arms.HEAVY, (arms.DATA, arms.AGAIN)), (arms.BIASED, (arms.GAUSSIAN,))):
        if name == claim.name:
            together |= dict.fromkeys(which, draw.effect)
    each = {arms.DATA: 2.0, arms.GAUSSIAN: 2.0, f"{arms.GAUSSIAN} {arms.AGAIN}": 2.0, arms.LOWEST: lowest}
    small = lowest + draw.effect if name == arms.OF_ONE.name else 1.9
    if name == arms.BY_COORDINATE.name:
        each[arms.DATA] = lowest + draw.effect
    cells = [({"arm": arm, "batch": arms.USUAL, "metric": arms.POOLED}, mean) for arm, mean in together.items()]
    cells += [({"arm": arm, "batch": arms.USUAL, "metric": arms.EACH}, mean) for arm, mean in each.items()]
    cells.append(({"arm": arms.DATA, "batch": arms.SMALL, "metric": arms.EACH}, small))
    cells.append(({"arm": arms.PLANTED, "batch": arms.USUAL, "metric": arms.EACH}, arms.PLANT))
    return table(filled(draw, cells, 0.01, 0.0)), {}


def regimes_world(draw: Draw) -> Made:
    """Log losses by the rate: one line or three, in so many runs; and halfway losses that a regime's bound is about."""
    arms, name = three_regimes, draw.claim.name
    x = np.log10(draw.analysis.rates)
    third = len(x) // 3
    chance = np.log(10.0)
    three = np.full(len(x), np.log(chance))
    three[:third], three[third : 2 * third] = -2.0 - 0.5 * np.arange(third), -1.0 + 0.1 * np.arange(third)
    many = draw.succeeds(draw.effect, draw.seeds) if name == arms.MOST.name else np.ones(draw.seeds)
    spread = 0.02
    rows = []
    for seed in range(draw.seeds):
        shape = three if many[seed] else -0.3 * np.arange(len(x))
        noise = draw.normal(spread, len(x))
        if name == arms.THREE.name:  # the gain is set: three lines mixed with one until they are as much better
            noise, shape = np.zeros(len(x)), _with_gain(x, draw.effect + draw.normal(3.0, 1)[0], seed)
        falls = np.full(len(x), 0.5)
        falls[third:] = 0.0
        if name == arms.ORDER.name:
            falls[:third] = draw.effect + draw.normal(0.03, 1)[0]
        losses = shape + noise
        for index, rate in enumerate(draw.analysis.rates):
            values = {arms.LOSS: losses[index], arms.HALFWAY: losses[index] + falls[index], arms.CHANCE: np.log(chance)}
            rows += [row(seed, rate=rate, metric=metric, value=np.exp(value)) for metric, value in values.items()]
    return table(rows), {}


def _with_gain(x: np.ndarray, gain: float, seed: int) -> np.ndarray:
    """A curve of three lines whose criterion is better than that of fewer by so much: steps in noise, as high as that.

    Found by bisection over the height of the steps.
    """
    noise = 0.05 * np.random.default_rng(seed).standard_normal(len(x))
    steps = np.where(np.arange(len(x)) < len(x) // 3, 0.0, np.where(np.arange(len(x)) < 2 * len(x) // 3, 1.0, 0.2))
    low, high = 0.0, 20.0
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if three_regimes._gain(x, middle * steps + noise) > gain else (middle, high)
    return high * steps + noise


WORLDS = [
    World("minefield", minefield.BAD, minefield_world, 9.0, seeds=60),
    World("minefield", minefield.STAY, minefield_world, 9.0, seeds=60),
    World("minefield", minefield.AVOIDED, minefield_world, 9.0, seeds=60),
    World("minefield", minefield.NEAR, minefield_world, 0.3, seeds=60),
    World("langevin", langevin.POSTERIOR, langevin_world, 0.02, seeds=20),
    World("langevin", langevin.TEMPERATURE, langevin_world, 0.1, seeds=20),
    World("langevin", langevin.LYAPUNOV, langevin_world, 0.2, seeds=20),
    World("langevin", langevin.GIBBS, langevin_world, 0.2, seeds=20),
    World("langevin", langevin.SHUFFLED, langevin_world, 0.2, seeds=20),
    World("langevin", langevin.FLAT, langevin_world, 0.1, seeds=20),
    World("three_regimes", three_regimes.THREE, regimes_world, 15.0, seeds=8, null=0.0),
    World("three_regimes", three_regimes.MOST, regimes_world, 19.0, seeds=20),
    World("three_regimes", three_regimes.ORDER, regimes_world, 0.1, seeds=8),
    World("heavy_tails", heavy_tails.HEAVY, tails_world, 0.1, seeds=10),
    World("heavy_tails", heavy_tails.BIASED, tails_world, 0.1, seeds=10),
    World("heavy_tails", heavy_tails.BY_COORDINATE, tails_world, 0.02, seeds=10),
    World("heavy_tails", heavy_tails.OF_ONE, tails_world, 0.02, seeds=10),
]
