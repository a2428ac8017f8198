"""Worlds of claims about how descent moves: updates by batch size, and the noise of gradients."""

from __future__ import annotations

import numpy as np
from expzoo.plugins.analyses import noise_scale as scales
from tests.worlds.making import Draw, Made, World, row, table

CRITICAL, FEWEST = 60.0, 80.0  # a critical batch size, and the fewest updates


def scaling_world(draw: Draw) -> Made:
    """Updates on a hyperbola but for the claim's slope, and a noise scale that the claim's effect says."""
    claim, batches = draw.claim, np.array(draw.analysis.batches, float)
    of = {other.name: 0.0 for other in (scales.GROWS, scales.PREDICTS, scales.EARLIER)} | {claim.name: draw.effect}
    logs = np.log(FEWEST * (1 + CRITICAL / batches))
    steps = np.diff(np.log(batches))
    if claim is scales.SMALL:
        logs[0] = logs[1] - draw.effect * steps[0]
    if claim is scales.LARGE:
        logs[-1] = logs[-2] + draw.effect * steps[-1]
    at_one_rate = np.log(FEWEST * (1 + CRITICAL * 10 ** of[scales.EARLIER.name] / batches))
    arms = {scales.TUNED: logs, scales.FIXED: at_one_rate, scales.AGAIN: logs[:1]}
    rows = []
    for seed in range(draw.seeds):
        for arm, means in arms.items():
            own = {"arm": arm, "metric": scales.STEPS, "split": "train", "end": True}
            found = np.exp(means + draw.normal(0.03, len(means)))
            rows += [row(seed, **own, batch=int(b), rate=0.1, value=v) for b, v in zip(batches, found, strict=False)]
        middle = CRITICAL * 10 ** (of[scales.PREDICTS.name] + draw.normal(0.05, 1)[0])
        apart = 10 ** ((of[scales.GROWS.name] + draw.normal(0.05, 1)[0]) / 2)
        for step, value in ((0, middle / apart), (100, middle), (200, middle * apart)):
            seen = {"arm": scales.NOISE, "metric": "noise_scale", "split": "train", "end": step == 200}
            rows.append(row(seed, **seen, batch=draw.analysis.batches[2], step=step, value=value))
    return table(rows), {}


WORLDS = [
    World("noise_scale", claim, scaling_world, scale)
    for claim, scale in (
        (scales.GROWS, 0.5),
        (scales.PREDICTS, 0.5),
        (scales.SMALL, 0.2),
        (scales.LARGE, 0.2),
        (scales.EARLIER, 0.3),
    )
]
