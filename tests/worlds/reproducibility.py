"""Worlds of claims about sums, about trainings that are repeated, and about what repeating them costs."""

from __future__ import annotations

from typing import Any

from expzoo.plugins.analyses import cost_of_determinism, float_order, rerun_training
from tests.worlds.making import Draw, Made, World, filled, row, table

LISTS = {"lengths": (10,), "orders": 20}


def _one(draw: Draw) -> float:
    """One case that is otherwise, unless the claim holds: half a case is none that there can be."""
    return float(draw.effect >= 0.5)


def sums_world(draw: Draw) -> Made:
    """Rates of orders that change a sum, spreads of both precisions, and times, for lists of one length."""
    name = draw.claim.name
    rates = {float_order.SINGLE: 99.0, float_order.DOUBLE: 90.0}
    for claim, arm in ((float_order.ORDER, float_order.SINGLE), (float_order.NOT_ELIMINATED, float_order.DOUBLE)):
        if name == claim.name:
            rates[arm] = draw.effect
    wrong = _one(draw) if name == float_order.NOT_ASSOCIATIVE.name else 0.0
    rows = [row(0, arm=arm, metric="cases", value=4.0) for arm in (*float_order.WAYS, float_order.C)]
    rows += [
        row(0, arm=arm, metric=f"other_{number}", value=wrong * (arm == "numpy" and number == 0))
        for arm in float_order.WAYS
        for number in range(4)
    ]
    length = {"length": max(draw.analysis.lengths)}
    half = draw.analysis.orders // 2
    for arm, rate in rates.items():
        for parity in (0, 1):
            changed = draw.succeeds(rate, draw.seeds, half).sum(1)
            rows += [row(s, arm=arm, metric=f"changed_{parity}", **length, value=changed[s]) for s in range(draw.seeds)]
            rows += [row(s, arm=arm, metric=f"orders_{parity}", **length, value=half) for s in range(draw.seeds)]
    rows += [row(s, arm="whole", metric="changed", **length, value=0.0) for s in range(draw.seeds)]
    reduced = draw.effect if name == float_order.REDUCED.name else -29.0
    spreads = {float_order.SINGLE: -22.0, float_order.DOUBLE: -22.0 + reduced, float_order.AGAIN: -22.0}
    spreads["single_half"] = -22.0
    cells: list[tuple[dict[str, Any], float]] = [
        ({"arm": arm, "metric": "log2_spread", **length}, mean) for arm, mean in spreads.items()
    ]
    rows += filled(draw, cells, 0.2, 0.3)
    dearer = draw.effect if name == float_order.PRICE.name else 1.0
    times = {float_order.SINGLE: -12.0, float_order.AGAIN: -12.0, float_order.DOUBLE: -12.0 + dearer}
    rows += filled(draw, [({"arm": arm, "metric": "log2_seconds"}, mean) for arm, mean in times.items()], 0.05, 0.3)
    return table(rows), {}


def again_world(draw: Draw) -> Made:
    """Pairs of trainings that differ or do not."""
    name = draw.claim.name
    rates = {rerun_training.THREADS: 80.0, rerun_training.UNSEEDED: 90.0, rerun_training.REPEATED: 20.0}
    asked = {
        rerun_training.CHANGED.name: rerun_training.THREADS,
        rerun_training.FORGOTTEN.name: rerun_training.UNSEEDED,
    }
    if name in asked:
        rates[asked[name]] = draw.effect
    differing = {arm: draw.succeeds(rate, draw.seeds) for arm, rate in rates.items()}
    if name == rerun_training.SEEDED.name:
        differing[rerun_training.UNSEEDED][:] = 1.0
    rows = []
    for arm in (rerun_training.PLAIN, rerun_training.LIGHTNING, *rates):
        for seed in range(draw.seeds):
            other = differing[arm][seed] if arm in differing else 0.0
            if arm == rerun_training.PLAIN and seed == 0 and name == rerun_training.SEEDED.name:
                other = _one(draw)
            rows.append(row(seed, arm=arm, metric=rerun_training.DIFFERS, end=True, value=other))
    return table(rows), {}


def times_world(draw: Draw) -> Made:
    """Logarithms of times of every way, by both clocks."""
    name = draw.claim.name
    means = dict.fromkeys(cost_of_determinism.NAMES, 0.0)
    means |= {"one thread": 0.5, "one thread and flags": 0.5, "expzoo, side by side": -2.0}
    for claim, (treatment, baseline) in cost_of_determinism.PAIRS.items():
        if name == claim.name:
            means[treatment] = means[baseline] + draw.effect
    cells: list[tuple[dict[str, Any], float]] = [
        ({"arm": arm, "clock": clock, "metric": "log2_seconds"}, mean)
        for clock in (cost_of_determinism.WALL, cost_of_determinism.PROCESSOR)
        for arm, mean in means.items()
    ]
    return table(filled(draw, cells, 0.03, 0.3)), {}


WORLDS = [
    World("float_order", float_order.NOT_ASSOCIATIVE, sums_world, 0.5, options=LISTS, null=1.0),
    World("float_order", float_order.ORDER, sums_world, 10.0, options=LISTS),
    World("float_order", float_order.NOT_ELIMINATED, sums_world, 45.0, options=LISTS),
    World("float_order", float_order.REDUCED, sums_world, 1.0, options=LISTS),
    World("float_order", float_order.PRICE, sums_world, 1.0, options=LISTS),
    World("rerun_training", rerun_training.SEEDED, again_world, 0.5, seeds=10, null=1.0),
    World("rerun_training", rerun_training.CHANGED, again_world, 50.0, seeds=10),
    World("rerun_training", rerun_training.FORGOTTEN, again_world, 50.0, seeds=10),
    World("cost_of_determinism", cost_of_determinism.COSTS, times_world, 0.5, seeds=20),
    World("cost_of_determinism", cost_of_determinism.FLAGS, times_world, 0.1, seeds=20),
    World("cost_of_determinism", cost_of_determinism.OWN, times_world, 0.5, seeds=20),
]
