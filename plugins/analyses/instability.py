"""From which step on do copies of a network that see other batches end in one valley?"""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np
import polars as pl

from expzoo.analysis.studies import paths
from expzoo.study import (
    Claim,
    Cohort,
    Component,
    Control,
    Figure,
    Findings,
    Fraction,
    Range,
    Request,
    Rewind,
    complete,
    decide,
    ensemble,
    figures,
    mean_t,
    no_difference,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from expzoo.study import Estimate, Setting, Spec, Trained, Verdict

FRANKLE = (
    "Frankle, Dziugaite, Roy & Carbin, Linear mode connectivity and the lottery ticket hypothesis (2020), section 3"
)
RISE = 2.0  # percentage points of error: the paper's threshold
COPIES, OTHERS, LONGER, APART = "copies", "other_copies", "as_long_again", "other_starts"
MOST = ("error", "test")
_CLAIM: dict[str, Any] = {
    "source": FRANKLE,
    "unit": "percentage points",
    "smallest_effect": 0.0,
    "rule": "one-sample t",
    "reference": RISE,
}
STABLE = Claim(
    name="lth.linear_mode_connectivity",
    statement="Copies that part after a fifth of the training are connected: on the straight line between them the "
    "test error rises by less than 2 points.",
    published="from 3 % of the training on for ResNet-20, 1.5 % for VGG-16, about 20 % for ResNet-50",
    direction="less",
    **_CLAIM,
)
UNSTABLE = Claim(
    name="lth.unstable_at_initialisation",
    statement="Copies that part at initialisation are not: it rises by more than 2 points.",
    published="so for ResNet-20 and VGG-16 on CIFAR-10; not for LeNet on MNIST, which is stable from the start",
    direction="greater",
    **_CLAIM,
)
NOT_BY_TIME = Claim(
    name="lth.connected_after_as_many_steps",
    statement="Copies that part after a fifth of the training and then train as long as the whole of it are connected.",
    published="",
    direction="less",
    note="control of ours: what parts later usually has less time to move apart",
    **_CLAIM,
)


class _Pair(NamedTuple):
    """Two networks that are compared."""

    seed: int
    arm: str
    parted: float
    specs: tuple[Spec, Spec]


@register
class Instability:
    """Two copies of a network at a step see the same data in other orders; how does the error rise between their ends?

    Frankle et al. 2020: the largest error on the straight line minus the mean of both ends. Copies
    are trained for what is left of the training, with an optimizer whose state starts anew; the
    schedule is that of a training of this length. All of one seed share its draw of the data.
    Averages over batches are made again at every point.

    Args:
        splits: fractions of the training after which copies part, increasing, the first of them 0.
        decide_at: the fraction at which claims are decided; the nearest of those beyond 0 is taken.
        points: places on a line at which networks are looked at, both ends included.
    """

    NEEDS = ("targets classes", "finite")
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(
        self,
        *,
        splits: tuple[Fraction, ...] = (0.0, 0.01, 0.03, 0.1, 0.2, 0.4),
        decide_at: Fraction = 0.2,
        points: Annotated[int, Range(3, 1001)] = 30,
    ) -> None:
        if splits[:1] != (0,) or splits[-1] >= 1 or any(a >= b for a, b in pairwise(splits)):
            raise ValueError(f"splits {list(splits)} must start with 0, increase and stay below 1")
        self.splits, self.points = tuple(map(float, splits)), points
        self.decide_at = min(self.splits[1:] or self.splits, key=lambda parted: abs(parted - decide_at))

    def _pairs(self, setting: Setting) -> Iterator[_Pair]:
        """Every pair of networks."""
        total = setting.base.stop.shared.at_most

        def copies(parent: Spec, pair: Sequence[Spec], parted: float, *, longer: bool = False) -> tuple[Spec, Spec]:
            step = round(parted * total)
            stop = Component.of("stop", "steps", steps=total if longer else max(total - step, 1))
            one, other = (copy.replace(init=Rewind(parent, step), stop=stop) for copy in pair)
            return one, other

        for seed in setting.seeds:
            parent, *orders = ensemble(setting.base, seed, 5)
            yield _Pair(seed, APART, 0.0, (parent, orders[0]))
            for parted in self.splits:
                yield _Pair(seed, COPIES, parted, copies(parent, orders[:2], parted))
            yield _Pair(seed, OTHERS, self.decide_at, copies(parent, orders[2:], self.decide_at))
            yield _Pair(seed, LONGER, self.decide_at, copies(parent, orders[:2], self.decide_at, longer=True))

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """All pairs at once, and what lies between the ends of each."""
        pairs = list(self._pairs(setting))
        networks = yield Request(tuple(spec for pair in pairs for spec in pair.specs), ())
        findings, lines = Findings(), dict[tuple[str, float], list[np.ndarray]]()
        for pair, ends in zip(pairs, zip(networks[::2], networks[1::2], strict=True), strict=True):
            cohort = Cohort(ends)
            rows = paths.line(cohort.rows[0], cohort.rows[1], self.points)
            walks = {seen: paths.walk(cohort, rows, *seen) for seen in (MOST, ("loss", "train"), ("loss", "test"))}
            found = {seen: paths.instability(values) for seen, values in walks.items()}
            found["distance", ""] = float((cohort.rows[1] - cohort.rows[0]).norm())
            findings.rows += paths.rows_of(ends, pair.seed, pair.arm, found, parted=pair.parted)
            lines.setdefault((pair.arm, pair.parted), []).append(walks[MOST])
        findings.arrays = {f"error/{arm}/{parted:g}": np.stack(walks) for (arm, parted), walks in lines.items()}
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """How far the error rises between the ends, on average over seeds."""
        apart, lost = _rise(table, APART, 0.0)
        detail = f"95 % interval {apart.low:.3g} to {apart.high:.3g} points"
        controls = [
            Control(f"between other starts it rises by more than {RISE:g} points", bool(apart.low > RISE), detail),
            no_difference(
                "copies that see yet other orders",
                _rises(table, OTHERS, self.decide_at),
                _rises(table, COPIES, self.decide_at),
            ),
        ]
        said = ((STABLE, COPIES, self.decide_at), (UNSTABLE, COPIES, 0.0), (NOT_BY_TIME, LONGER, self.decide_at))
        verdicts = []
        for claim, arm, parted in said:
            estimate, lost = _rise(table, arm, parted)
            verdict = decide(claim, estimate, control=controls, dropped=lost)
            told = f"decided at {100 * parted:g} % of the training" if parted != 0.2 and claim is not UNSTABLE else ""
            verdicts.append(replace(verdict, note="; ".join(filter(None, [verdict.note, told]))))
        return verdicts

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """How far the error rises against when copies part, and the error along the lines."""
        picture, (axes,) = figures.canvas(height=4.0)
        x, values = records.pivot(table, "parted", arm=COPIES, metric="error")
        figures.curve(axes, 100 * x, values, "copies")
        apart = records.pivot(table, "parted", arm=APART, metric="error")[1]
        figures.curve(axes, 100 * x, np.repeat(apart, len(x), 1), "other starts", markers=0)
        longer = records.pivot(table, "parted", arm=LONGER, metric="error")[1]
        star = 100 * self.decide_at, float(figures.interval(longer)[0][0])
        axes.plot(*star, "*", color="0.2", markersize=10, zorder=5)
        axes.annotate("trained as long again", star, (4, 12), textcoords="offset points", fontsize=9)
        axes.axhline(RISE, color="0.6", linewidth=0.8, linestyle=":")
        axes.set(xlabel="copies part after (% of the training)", ylabel="rise of the test error (points)")
        figures.legend(axes)
        caption = (
            "The largest test error on the straight line between two copies that see other batches, above the mean of "
            f"its ends; mean over seeds with 95 % Student intervals. Below the dotted line, {RISE:g} points, copies "
            "count as connected."
        )
        chosen = records.select(table, metric="error")
        yield Figure("instability", "Where do copies end in one valley?", caption, picture, chosen)
        yield self._along(arrays)

    def _along(self, arrays: Mapping[str, np.ndarray]) -> Figure:
        picture, (axes,) = figures.canvas(height=4.0)
        x, rows = np.linspace(0, 1, self.points), []
        named = {f"{100 * parted:g} %": f"error/{COPIES}/{parted:g}" for parted in self.splits}
        for name, array in (named | {"other starts": f"error/{APART}/0"}).items():
            walks = arrays[array]
            figures.curve(axes, x, walks.mean(0), name, markers=0)
            rows += [(name, seed, float(at), float(value)) for seed, walk in enumerate(walks)
                     for at, value in zip(x, walk, strict=True)]  # fmt: skip
        axes.set(xlabel="from one network (0) to the other (1)", ylabel="test error (%)")
        figures.legend(axes)
        caption = "Mean over seeds, by the share of the training after which the two networks parted."
        data = pl.DataFrame(rows, ["parted", "seed", "at", "error"], orient="row")
        return Figure("lines", "Test error along the line between two networks", caption, picture, data)


def _rises(table: pl.DataFrame, arm: str, parted: float) -> dict[int, float]:
    return records.by_seed(table, arm=arm, parted=parted, metric="error")


def _rise(table: pl.DataFrame, arm: str, parted: float) -> tuple[Estimate, int]:
    """The mean over seeds, and how many of them have none because a network diverged."""
    [values], lost = complete(list(_rises(table, arm, parted).values()))
    return mean_t(values), lost
