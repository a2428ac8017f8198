"""Does the barrier between networks fall with their width?"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import numpy as np

from expzoo.analysis.studies import connectivity as studies
from expzoo.analysis.studies import paths
from expzoo.study import (
    Claim,
    Cohort,
    Count,
    Figure,
    Findings,
    Pairs,
    Range,
    Request,
    Rewind,
    complete,
    decide,
    decide_all,
    ensemble,
    figures,
    mean_t,
    no_difference,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Spec, Trained, Verdict

LINE, ALIGNED, CURVE, BEST, AGAIN = "straight_line", "aligned_line", "bezier_curve", "best", "best_again"
ARMS = (LINE, ALIGNED, CURVE)
FLOOR = 1e-3  # nats: what lies below is no barrier, and would decide a logarithm
FREEMAN = "Freeman & Bruna, Topology and geometry of half-rectified network optimization (2017), theorem 2.4"
BY_WIDTH = Claim(
    name="barriers.freeman_bruna",
    statement="The lowest barrier of three paths between independent networks, the straight line, the line after "
    "alignment and a trained curve, falls with the width as a power of it.",
    source=FREEMAN,
    published="of the order of 1/width at most for one hidden layer, a theorem",
    unit="exponent of the width",
    smallest_effect=0.0,
    direction="less",
    rule="one-sample t",
    note=f"barriers of training loss; below {FLOOR:g} nats they count as that",
)
EVERYWHERE = Claim(
    name="barriers.fall_at_every_width",
    statement="It falls from each of the widths to the next.",
    source=FREEMAN,
    published="",
    unit="log ratio of barriers",
    smallest_effect=0.0,
    direction="less",
    rule="paired t",
    note="control of ours: a power may be fitted to what rises first and falls then",
)


@register
class BarriersByWidth:
    """Three paths between two networks of each width; of the lowest barrier the exponent of the width.

    Aligned means that the hidden units of the second stand in the order in which its weights are
    nearest to those of the first (Ainsworth et al. 2023).

    Args:
        widths: of the networks, increasing.
        steps: for which a bend is trained.
        points: places on a path at which networks are looked at, both ends included.
    """

    NEEDS = ("finite", "model SIZE")
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(
        self,
        *,
        widths: tuple[Count, ...] = (4, 8, 16, 32, 64),
        steps: Count = 3000,
        points: Annotated[int, Range(3, 1001)] = 31,
    ) -> None:
        if len(widths) < 2 or any(a >= b for a, b in pairwise(widths)):
            raise ValueError(f"widths {list(widths)} must be at least two and increase")
        self.widths, self.steps, self.points = tuple(widths), steps, points

    def _plan(self, setting: Setting) -> Iterator[tuple[int, int, bool, tuple[Spec, Spec, Spec]]]:
        """Seed, width, whether it is the pair of the control, and two networks with a curve between them."""
        for width in self.widths:
            sized = setting.sized(width)
            for seed in setting.seeds:
                for again in (False, True)[: 1 + (width == self._middle)]:
                    first, second, between = ensemble(sized, seed, 3, 3 * again)
                    ends = Rewind(first, "final"), Rewind(second, "final")
                    yield seed, width, again, (first, second, studies.bend(between, ends, self.steps))

    @property
    def _middle(self) -> int:
        """The width of which a second pair is trained, for the control."""
        return self.widths[len(self.widths) // 2]

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """All widths at once."""
        paths.require_permutable(setting.base)
        plan = list(self._plan(setting))
        networks = yield Request(tuple(spec for *_, specs in plan for spec in specs), ())
        findings = Findings()
        for (seed, width, again, _), first, second, bend in zip(plan, *(networks[i::3] for i in range(3)), strict=True):
            cohort = Cohort([first, second])
            start, end = cohort.rows
            rows = {
                LINE: paths.line(start, end, self.points),
                ALIGNED: paths.line(start, cohort.align()[1], self.points),
                CURVE: paths.curve(bend, [first, second], self.points, cohort.dtype),
            }
            found = {arm: paths.barrier(paths.walk(cohort, path, *studies.TRAINED)) for arm, path in rows.items()}
            shown = {AGAIN: min(found.values())} if again else found | {BEST: min(found.values())}
            for arm, rise in shown.items():
                measured = {studies.TRAINED: rise}
                findings.rows += paths.rows_of([first, second, bend], seed, arm, measured, width=width)
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """The exponent of each seed's barriers, on average; and the barriers of neighbouring widths."""
        widths, barriers = _logs(table, BEST)
        [whole], lost = complete(barriers)
        centred = widths - widths.mean()
        slopes = (whole - whole.mean(1, keepdims=True)) @ centred / (centred @ centred)
        one, other = (dict(enumerate(_at(table, arm, self._middle))) for arm in (AGAIN, BEST))
        control = no_difference(f"pairs of width {self._middle} from other starts (log barrier)", one, other)
        logs = {width: dict(enumerate(_at(table, BEST, width))) for width in self.widths}
        steps = {f"{a} to {b}": Pairs(EVERYWHERE, logs[b], logs[a]) for a, b in pairwise(self.widths)}
        return [
            decide(BY_WIDTH, mean_t(slopes), control=control, dropped=lost),
            decide_all(EVERYWHERE, steps, control=control),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """The barrier of each path against the width."""
        picture, (axes,) = figures.canvas(height=4.0)
        for arm in ARMS:
            widths, barriers = records.pivot(table, "width", arm=arm)
            figures.curve(axes, widths, np.maximum(barriers, FLOOR), arm.replace("_", " "))
        axes.axhline(FLOOR, color="0.6", linewidth=0.8, linestyle=":")
        axes.set_xlim(self.widths[0] / 1.2, self.widths[-1] * 1.2)
        axes.set(xscale="log", yscale="log", xlabel="width", ylabel="rise of the training loss")
        figures.legend(axes)
        caption = (
            "The rise of the training loss above the higher end on three paths between two independent networks; mean "
            f"over pairs with 95 % Student intervals. Below the dotted line, {FLOOR:g}, it counts as none."
        )
        yield Figure("barriers", "Barriers against width", caption, picture, table)


def _logs(table: pl.DataFrame, arm: str) -> tuple[np.ndarray, np.ndarray]:
    """Logarithms of widths (widths,) and of barriers (seeds, widths)."""
    widths, barriers = records.pivot(table, "width", arm=arm)
    return np.log(widths), np.log(np.maximum(barriers, FLOOR))


def _at(table: pl.DataFrame, arm: str, width: int) -> list[float]:
    barriers = records.by_seed(table, arm=arm, width=width)
    return [float(np.log(max(barriers[seed], FLOOR))) for seed in sorted(barriers)]
