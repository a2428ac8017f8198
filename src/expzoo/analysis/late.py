"""What a network ends with: the mean of a measure over the last tenth of its training.

One noisy last step would reward luck, and more so where the learning rate stays large.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from expzoo.spec.measure import Measure
from expzoo.spec.when import When, at

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained
    from expzoo.store.records import Cell, Row

PART = 0.1  # of a training, its end
LOOKS = 5


def when(total: int) -> When:
    """The steps at which the end of a training of at most `total` steps is looked at."""
    return at(*sorted({round(step) for step in np.linspace((1 - PART) * total, total, LOOKS)}))


def measure(metric: str, split: str, total: int) -> Measure:
    """What the lab is to look at in a training of at most `total` steps."""
    return Measure(metric, split, when(total))


def value(network: Trained, metric: str, split: str) -> float:
    """The mean over the last tenth of the training; NaN if the network diverged.

    What else was looked at, by whomever, changes nothing. A training that ended early has the looks
    that fall into its own last tenth, its last step at the least.
    """
    if network.diverged:
        return float("nan")
    total = network.spec.stop.build().at_most
    due = when(total).steps(total) | {network.step}
    first, curve = (1 - PART) * network.step, network.curve(metric, split)
    return float(np.mean([seen for step, seen in curve.items() if step >= first and step in due]))


def rows(network: Trained, *measures: tuple[str, str], arm: str, curve: bool = False, **varied: Cell) -> list[Row]:
    """As `Trained.rows`, with the mean over the last tenth of the training in the row of the end."""
    found = network.rows(*measures, arm=arm, curve=curve, **varied)
    if network.diverged:
        return found
    return [
        row | {"value": value(network, str(row["metric"]), str(row["split"]))} if row["end"] else row for row in found
    ]
