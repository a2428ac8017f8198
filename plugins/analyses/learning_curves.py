"""Learning curves of the configured network."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from expzoo.study import (
    Count,
    Figure,
    Findings,
    Measure,
    Request,
    Score,
    every,
    figures,
    has_validation,
    records,
    register,
)

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from expzoo.study import Setting, Trained, Verdict


@register
class LearningCurves:
    """Trains the configured network once for each seed and shows its score and loss over time. It judges no claim.

    Both are measured on test data, and on validation data if there are any.

    Args:
        every: steps between two measurements.
    """

    CACHE_VERSION = 1

    def __init__(self, *, every: Count = 100) -> None:
        self.every = every

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """The score, such as accuracy, and the loss every so many steps."""
        splits = ["test", "validation"] if has_validation(setting.base) else ["test"]
        wanted = [(metric, split) for split in splits for metric in (setting.score.metric, "loss")]
        measures = tuple(Measure(metric, split, every(self.every)) for metric, split in wanted)
        networks = yield Request(tuple(setting.specs()), measures)
        return Findings([row for network in networks for row in network.rows(*wanted, arm="dense", curve=True)])

    def judge(self, records: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]:
        """Nothing is claimed."""
        return []

    def draw(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterator[Figure]:
        """Mean curves with 95 % intervals over seeds."""
        picture, axes = figures.canvas(1, 2, height=3.6)
        score = Score.first(table["metric"])
        splits = [split for split in ("test", "validation") if split in {*table["split"]}]
        where = "test " if len(splits) == 1 else ""
        words = score.axis().removeprefix("test ")
        for panel, (metric, unit) in zip(axes, ((score.metric, words), ("loss", "loss")), strict=True):
            for split in splits:
                steps, values = records.pivot(table, "step", metric=metric, split=split)
                figures.curve(panel, steps, values, "dense" if where else split, bounds=Score.bounds(metric))
            panel.set(xlabel="step", ylabel=f"{where}{unit}")
        if not where:
            figures.legend(axes[0])
        caption = "Mean over seeds with 95 % Student intervals."
        data: Any = records.select(table, arm="dense")
        yield Figure("learning_curves", "Learning curves", caption, picture, data)
