"""Made worlds of the jamming transition: thresholds over numbers of points, and networks on both sides of one."""

from __future__ import annotations

import numpy as np
from tests.worlds.making import Draw, Made, World, row, table

from expzoo.analysis.studies import jamming


def jamming_world(draw: Draw) -> Made:
    name, points, rows = draw.claim.name, draw.analysis.points, []
    power = draw.effect if name == jamming.PROPORTIONAL.name else 1.0
    for index, noise in enumerate(draw.normal(0.08, len(points), draw.seeds)):
        own = {"arm": jamming.HINGE, "P": points[index], "split": "train", "metric": jamming.THRESHOLD}
        rows += [row(s, **own, value=np.exp(power * np.log(points[index]) + noise[s])) for s in range(draw.seeds)]
    for expected in (1.0, 0.0):
        own = {"arm": jamming.LINEAR, "P": 11, "split": "train", "metric": jamming.SATISFIED, "expected": expected}
        rows += [row(s, **own, value=expected) for s in range(draw.seeds)]
    shares = dict.fromkeys((jamming.HINGE, *jamming.BLURRED), 5.0)
    if name == jamming.SHARP.name:
        shares[jamming.HINGE] = max(0.0, draw.effect)
    shares |= {arm: 5.0 + max(0.0, draw.effect) for arm, claim in jamming.BLURRED.items() if claim.name == name}
    widths = range(len(draw.analysis.around))
    for arm, share in shares.items():
        blurred = draw.succeeds(share, len(widths), draw.seeds)
        for width in widths:
            own = {"arm": arm, "split": "train", "metric": jamming.VIOLATED, "across": True, "width": width}
            sides = (0.0, 0.7)[width % 2]
            rows += [row(s, **own, value=0.1 if blurred[width, s] else sides) for s in range(draw.seeds)]
    return table(rows), {}


WORLDS = [
    World("jamming", claim, jamming_world, scale, seeds=5)
    for claim, scale in (
        (jamming.PROPORTIONAL, 0.3),
        (jamming.SHARP, 19.0),
        *((claim, 70.0) for claim in jamming.BLURRED.values()),
    )
]
