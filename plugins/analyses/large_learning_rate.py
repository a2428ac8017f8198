"""Does a large initial learning rate generalise better once it is annealed?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.analysis.studies import learning_rates
from expzoo.analysis.studies.learning_rates import AGAIN, Rates
from expzoo.study import (
    Claim,
    Count,
    Figure,
    Findings,
    Fraction,
    Positive,
    Request,
    decide_all,
    figures,
    no_difference,
    paired,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import numpy as np
    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

LI = "Li, Wei & Ma, Towards explaining the regularization effect of initial large learning rate (2019)"

CROSSES = Claim(
    name="li.large_lr_generalises_after_annealing",
    statement="A small learning rate is ahead before the large one is annealed, and behind at the end.",
    source=f"{LI}, figure 1",
    published="WideResNet-16 on CIFAR-10, shown as a curve",
    unit="percentage points",
    smallest_effect=0.0,
    direction="greater",
    rule="paired t",
)
ANNEALING_HELPS = Claim(
    name="li.annealing_helps_large_lr",
    statement="At the end the annealed network is more accurate than one that kept the large learning rate.",
    source=f"{LI}, figure 1",
    published="shown as a curve",
    unit="percentage points",
    smallest_effect=0.0,
    direction="greater",
    rule="paired t",
)


@register
class LargeLearningRate:
    """Trains the same network with a small, a large, and a large then annealed learning rate.

    Everything else is held equal: data, initialisation, order, momentum and weight decay. The paper
    has 0.004 and 0.1, annealed by 0.2 at 30 %, 60 % and 75 % of 200 epochs.

    Args:
        small: the small learning rate, kept throughout.
        large: the large one.
        anneal_at: when it drops, as fractions of all steps.
        anneal_by: the factor of each drop.
        every: steps between two looks.
    """

    CACHE_VERSION = 2

    def __init__(
        self,
        *,
        small: Positive = 0.004,
        large: Positive = 0.1,
        anneal_at: tuple[Fraction, ...] = (0.3, 0.6, 0.75),
        anneal_by: Fraction = 0.2,
        every: Count = 100,
    ) -> None:
        self.rates, self.every = Rates(small, large, anneal_at, anneal_by), every

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Three arms and a control, one network a seed in each; test accuracy over time."""
        plan = self.rates.plan(setting)
        measures = self.rates.measures(setting.base, ["test"], self.every)
        networks = yield Request(tuple(spec for _, spec in plan), measures)
        first = self.rates.milestones(setting.base)[0]
        return Findings(learning_rates.rows(plan, networks, ["test"], first))

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Both halves of the crossing must hold, each in pairs."""
        before, end = learning_rates.before, learning_rates.end
        control = no_difference("small rates that differ in their start only", end(table, AGAIN), end(table, "small"))
        halves = {
            "small - large before annealing": (before(table, "small"), before(table, "large")),
            "annealed - small at the end": (end(table, "annealed"), end(table, "small")),
        }
        measures, dropped = learning_rates.pairs(table, halves)
        return [
            decide_all(CROSSES, measures, control=control, dropped=dropped),
            paired(ANNEALING_HELPS, end(table, "annealed"), end(table, "large"), control=control),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Accuracy over time."""
        picture, (axes,) = figures.canvas(height=4.0)
        learning_rates.draw_curves(axes, table, "test", "test accuracy (%)")
        figures.name_curves(axes)
        caption = "Means over seeds with 95 % Student intervals. The dotted line is the first drop of the large rate."
        chosen = records.select(table, arm=list(learning_rates.ARMS))
        yield Figure(
            "accuracy", "Test accuracy with small, large and annealed learning rates", caption, picture, chosen
        )
