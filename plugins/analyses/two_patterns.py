"""In what order do small and large learning rates learn two patterns, one of which is easy to memorise?"""

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

LI = "Li, Wei & Ma, Towards explaining the regularization effect of initial large learning rate (2019), section 5.1"
PANELS = {"test": "accuracy on clean examples (%)", "patch": "accuracy on patches alone (%)"}

CLEAN = Claim(
    name="li.two_pattern_clean",
    statement="With a patch to memorise, a small learning rate ends at least 2 points less accurate on clean examples.",
    source=LI,
    published="shown as curves",
    unit="percentage points",
    smallest_effect=2.0,
    direction="greater",
    rule="paired t",
)
ABOVE_CHANCE = 10.0  # points from which a patch counts as known

ORDER = Claim(
    name="li.two_pattern_order",
    statement="The small rate knows the patch, 10 points above chance, before the large one is annealed; the large one "
    "learns it only then, to as much.",
    source=LI,
    published="shown as curves",
    unit="percentage points",
    smallest_effect=0.0,
    direction="greater",
    rule="paired t",
    note="a large rate that is kept must not learn it as well",
)


@register
class TwoPatternsOrder:
    """Trains on two patterns with a small, a large, and a large then annealed learning rate.

    The dataset must be two_patterns. Everything but the rate is held equal, weight decay and
    normalisation among it. The paper has 0.004 and 0.1, annealed by 0.04 at epoch 30 of 60.

    Args:
        small: the small learning rate, kept throughout.
        large: the large one.
        anneal_at: when it drops, as fractions of all steps.
        anneal_by: the factor of each drop.
        every: steps between two looks.
    """

    NEEDS = ("dataset=two_patterns",)
    CACHE_VERSION = 4  # 4: means over the last tenth of training
    RULES_VERSION = 2  # 2: a patch is known from 10 points above chance on

    def __init__(
        self,
        *,
        small: Positive = 0.004,
        large: Positive = 0.1,
        anneal_at: tuple[Fraction, ...] = (0.5,),
        anneal_by: Fraction = 0.04,
        every: Count = 100,
    ) -> None:
        self.rates, self.every = Rates(small, large, anneal_at, anneal_by), every

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Three arms and a control, one network a seed in each; both accuracies over time."""
        plan = self.rates.plan(setting)
        measures = self.rates.measures(setting.base, list(PANELS), self.every)
        networks = yield Request(tuple(spec for _, spec in plan), measures)
        first = self.rates.milestones(setting.base)[0]
        chance = {"chance": networks[0].worst()}
        return Findings([row | chance for row in learning_rates.rows(plan, networks, list(PANELS), first)])

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Clean accuracy at the end; the order of the patch before and after annealing."""
        before, end = learning_rates.before, learning_rates.end
        control = no_difference("small rates that differ in their start only", end(table, AGAIN), end(table, "small"))
        known = float(table["chance"][0]) + ABOVE_CHANCE
        small, annealed = before(table, "small", "patch"), end(table, "annealed", "patch")
        order = {
            "small above chance on patches before annealing": (small, dict.fromkeys(small, known)),
            "annealed above chance on patches at the end": (annealed, dict.fromkeys(annealed, known)),
            "small - large on patches before annealing": (
                before(table, "small", "patch"),
                before(table, "large", "patch"),
            ),
            "annealed at the end - large before, on patches": (
                end(table, "annealed", "patch"),
                before(table, "large", "patch"),
            ),
            "annealed - large at the end, on patches": (
                end(table, "annealed", "patch"),
                end(table, "large", "patch"),
            ),
        }
        measures, dropped = learning_rates.pairs(table, order)
        return [
            paired(CLEAN, end(table, "annealed"), end(table, "small"), control=control),
            decide_all(ORDER, measures, control=control, dropped=dropped),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Both accuracies over time."""
        picture, panels = figures.canvas(1, 2, height=3.8, width=8.0)
        for axes, (split, unit) in zip(panels, PANELS.items(), strict=True):
            learning_rates.draw_curves(axes, table, split, unit)
        figures.legend(panels[0])
        caption = (
            "Means over seeds with 95 % Student intervals, the last over a tenth of training. The dotted line is when "
            "the large learning rate is annealed."
        )
        chosen = records.select(table, arm=list(learning_rates.ARMS))
        yield Figure("accuracy", "Clean and patch-only accuracy over time", caption, picture, chosen)
