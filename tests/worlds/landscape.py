"""Worlds of claims about the landscape: what rises on lines and curves between networks."""

from __future__ import annotations

from typing import Any

import numpy as np
from expzoo.plugins.analyses import (
    barriers_by_width,
    instability,
    loss_surface,
    mode_connectivity,
    no_crossing,
    permuted_minima,
    wide_minima,
)
from tests.worlds.making import Draw, Made, World, filled, row, table

from expzoo.analysis.studies import connectivity


def instability_world(draw: Draw) -> Made:
    """Points of test error: other starts lie far apart, copies as far as the claim's effect says."""
    late, arms = draw.analysis.decide_at, instability
    longer = draw.claim.name == arms.NOT_BY_TIME.name
    from_start = draw.claim.name == arms.UNSTABLE.name
    means = {
        (arms.APART, 0.0): 30.0,
        (arms.COPIES, 0.0): draw.effect if from_start else 10.0,
        (arms.COPIES, late): 1.0 if longer or from_start else draw.effect,
        (arms.LONGER, late): draw.effect if longer else 1.0,
    }
    means[arms.OTHERS, late] = means[arms.COPIES, late]
    cells = [
        ({"arm": arm, "parted": at, "metric": "error", "split": "test"}, mean) for (arm, at), mean in means.items()
    ]
    return table(filled(draw, cells, 0.3, 0.3)), {}


def _paths(draw: Draw, metric: str, line: str, curves: dict[str, float], deviation: float) -> list[dict[str, Any]]:
    """What the line and the curves rise by, the curves' in excess of a tenth of the line's."""
    split = dict(connectivity.SEEN)[metric]
    height = 10 * connectivity.LEAST[metric]
    lines = height * np.exp(draw.normal(0.1, draw.seeds))
    rows = []
    for seed in range(draw.seeds):
        rows.append(row(seed, arm=line, metric=metric, split=split, value=lines[seed]))
        for arm, over in curves.items():
            value = connectivity.SHARE * lines[seed] + over + draw.normal(deviation, 1)[0]
            rows.append(row(seed, arm=arm, metric=metric, split=split, value=value))
    return rows


def connectivity_world(draw: Draw) -> Made:
    arms, name = mode_connectivity, draw.claim.name
    decided = {
        arms.CURVE.name: arms.BEZIER,
        arms.CORNER.name: arms.CHAIN,
        arms.MORE_TRAINING.name: arms.BEZIER + arms.TRAINED_ON,
    }
    curves = dict.fromkeys((*decided.values(), arms.AGAIN), -0.05)
    if name in decided:
        curves[decided[name]] = draw.effect
    curves[arms.AGAIN] = curves[arms.BEZIER]
    rows = _paths(draw, "loss", arms.LINE, curves, 0.02)
    on_test = draw.effect if name == arms.ON_TEST.name else -0.5
    return table(rows + _paths(draw, "error", arms.LINE, {arms.BEZIER: on_test}, 0.2)), {}


def permuted_world(draw: Draw) -> Made:
    arms, rows = permuted_minima, []
    for metric, claim, deviation in (("loss", arms.PERMUTED, 0.02), ("error", arms.PERMUTED_TEST, 0.2)):
        over = draw.effect if draw.claim.name == claim.name else -0.5 * connectivity.LEAST[metric]
        rows += _paths(draw, metric, arms.LINE, {arms.CURVE: over}, deviation)
    for seed in range(draw.seeds):
        line = next(r["value"] for r in rows if r["seed"] == seed and r["arm"] == arms.LINE and r["metric"] == "loss")
        other = line * np.exp(draw.normal(0.05, 1)[0])
        rows.append(row(seed, arm=arms.OTHER, metric="loss", split="train", value=other))
        rows.append(row(seed, arm="ends", metric="apart", split="train", value=1e-15))
    return table(rows), {}


def width_world(draw: Draw) -> Made:
    """Barriers that follow a power of the width, with a factor for each pair of networks, but for the last step."""
    arms, widths = barriers_by_width, draw.analysis.widths
    everywhere = draw.claim.name == arms.EVERYWHERE.name
    level = {width: -1.0 * index if everywhere else draw.effect * np.log(width) for index, width in enumerate(widths)}
    if everywhere:
        level[widths[-1]] = level[widths[-2]] + draw.effect
    rows = []
    for seed in range(draw.seeds):
        for width in widths:
            for arm in (arms.BEST, arms.AGAIN):
                rise = np.exp(level[width] + draw.normal(0.3, 1)[0])
                rows.append(row(seed, arm=arm, width=width, metric="loss", split="train", value=rise))
    return table(rows), {}


def crossing_world(draw: Draw) -> Made:
    """Lines for each seed, on so many per cent of which the loss rises."""
    arms = no_crossing
    risen = draw.succeeds(draw.effect, draw.seeds, draw.analysis.epochs)
    rows = []
    for seed in range(draw.seeds):
        own = {"metric": "rise", "split": "train"}
        rows += [
            row(seed, arm=arms.OWN, step=10 * (epoch + 1), value=float(up), **own)
            for epoch, up in enumerate(risen[seed])
        ]
        rows.append(row(seed, arm=arms.APART, step=10, value=1.0, **own))
    return table(rows), {}


def wide_world(draw: Draw) -> Made:
    """Sharpness and errors that share a part of their own, or, for Simpson's paradox, follow the setting alone."""
    arms, analysis = wide_minima, draw.analysis
    simpson = draw.claim.name == arms.BY_SETTING.name
    pull, given = (2.0 * (draw.effect > 0), 0.0) if simpson else (0.0, draw.effect)
    rows = []
    for seed in range(draw.seeds):
        for i, rate in enumerate(analysis.rates):
            for j, batch in enumerate(analysis.batches):
                shared, one, other, loss = draw.rng.standard_normal(4)
                setting = pull * (i - j)
                sharp = setting + np.sqrt(given) * shared + np.sqrt(1 - given) * one
                wrong = setting + np.sqrt(given) * shared + np.sqrt(1 - given) * other
                own = {"arm": arms.SOLUTION, "rate": rate, "batch": batch, "end": True}
                values = {"sharpness": np.exp(sharp), "error": 30 + wrong, "loss": 0.1 + 0.001 * loss}
                rows += [row(seed, **own, metric=name, split=split, value=values[name]) for name, split in arms.SEEN]
    return table(rows), {}


def surface_world(draw: Draw) -> Made:
    """Shares of variance of trajectories and of random walks."""
    arms = loss_surface
    flat = draw.claim.name == arms.FLAT.name
    trained = draw.effect if flat else 70.0 + draw.effect
    means = {arms.TRAINED: trained, arms.AGAIN: trained, arms.WALK: 70.0}
    cells = [({"arm": arm, "metric": "share", "split": ""}, mean) for arm, mean in means.items()]
    return table(filled(draw, cells, 2.0, 0.5)), {}


NARROW = {"widths": (4, 16, 64)}
WORLDS = [
    *(
        World("instability", claim, instability_world, 1.5, seeds=6)
        for claim in (instability.STABLE, instability.UNSTABLE, instability.NOT_BY_TIME)
    ),
    *(
        World("mode_connectivity", claim, connectivity_world, scale)
        for claim, scale in (
            (mode_connectivity.CURVE, 0.08),
            (mode_connectivity.CORNER, 0.08),
            (mode_connectivity.ON_TEST, 0.8),
            (mode_connectivity.MORE_TRAINING, 0.08),
        )
    ),
    World("permuted_minima", permuted_minima.PERMUTED, permuted_world, 0.08),
    World("permuted_minima", permuted_minima.PERMUTED_TEST, permuted_world, 0.8),
    World("barriers_by_width", barriers_by_width.BY_WIDTH, width_world, 0.6, options=NARROW),
    World("barriers_by_width", barriers_by_width.EVERYWHERE, width_world, 1.0, options=NARROW),
    World("loss_surface", loss_surface.FLAT, surface_world, 8.0),
    World("loss_surface", loss_surface.FLATTER, surface_world, 8.0),
    *(
        World("wide_minima", claim, wide_world, 0.6)
        for claim in (wide_minima.GIVEN, wide_minima.OVERALL, wide_minima.BY_SETTING)
    ),
    World("no_crossing", no_crossing.NO_CROSSING, crossing_world, 5.0, options={"epochs": 20}),
]
