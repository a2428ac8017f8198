"""The simplest analysis: arms that differ in a few options, compared by one number at the end of training."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from expzoo.analysis.contract import Findings
from expzoo.lab.request import Request
from expzoo.report import figures
from expzoo.report.figures.figure import Figure
from expzoo.spec.measure import Measure
from expzoo.spec.spec import Changes
from expzoo.store import records

if TYPE_CHECKING:
    from collections.abc import Generator

    import polars as pl

    from expzoo.analysis.contract import Setting
    from expzoo.lab.trained import Trained

Arms = Mapping[str, Changes]
"""Name of an arm -> the changes of the base spec that make it, as `Setting.specs` takes them."""


def measure(
    setting: Setting, arms: Arms, metric: str = "accuracy", split: str = "test"
) -> Generator[Request, list[Trained], Findings]:
    """One network a seed in each arm, measured at the end: `{"wide": {"model": {"width": 200}}, "as it is": {}}`."""
    plan = [(arm, spec) for arm, changes in arms.items() for spec in setting.specs(**changes)]
    networks = yield Request(tuple(spec for _, spec in plan), (Measure(metric, split),))
    ends = zip((arm for arm, _ in plan), networks, strict=True)
    return Findings([row for arm, network in ends for row in network.rows((metric, split), arm=arm)])


def bars(table: pl.DataFrame, title: str, unit: str = "test accuracy (%)") -> Figure:
    """The picture of what `measure` found: means over seeds with 95 % intervals, and the seeds."""
    values: Mapping[str, dict[int, float]] = {arm: records.by_seed(table, arm=arm) for arm in sorted({*table["arm"]})}
    picture, (axes,) = figures.canvas()
    for index, (arm, by_seed) in enumerate(values.items()):
        figures.bars(axes, [unit], np.array([[*by_seed.values()]]).T, arm, position=(index, len(values)))
    figures.legend(axes)
    caption = "Means over seeds with 95 % Student intervals; dots are seeds."
    return Figure("arms", title, caption, picture, table)
