"""Is a network connected with a copy of itself whose hidden units stand in another order?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import torch

from expzoo.analysis.studies import connectivity as studies
from expzoo.analysis.studies import paths
from expzoo.study import (
    Claim,
    Cohort,
    Count,
    Findings,
    Range,
    Reordered,
    Request,
    Rewind,
    SelfTest,
    ensemble,
    no_difference,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Figure, Setting, Trained, Verdict

LINE, CURVE, OTHER = "straight_line", "bezier_curve", "line_to_another_order"
EQUAL = 1e-9  # nats in double precision: the order of sums is all that differs
_CLAIM: dict[str, Any] = {
    "source": "Vetrov, Loss landscape in deep neural networks (slides)",
    "published": "connected, a picture",
    "smallest_effect": 0.0,
    "direction": "less",
    "rule": "paired t",
}
PERMUTED = Claim(
    name="vetrov.permuted_minima_connect",
    statement="Along a Bezier curve with one bend from a network to itself with hidden units in another order, the "
    "training loss rises by less than a tenth of what it does on the straight line, which is more than 0.1.",
    unit="nats",
    **_CLAIM,
)
PERMUTED_TEST = Claim(
    name="vetrov.permuted_minima_connect_on_test_data",
    statement="So does the test error, and on the straight line by more than 1 point.",
    unit="percentage points",
    **_CLAIM,
)


@register
class PermutedMinima:
    """Curves between a network and its permuted copy, the same function, whose weights are far away.

    The losses of both ends are equal, so that a barrier is no matter of how well they were trained.

    Args:
        steps: for which a bend is trained.
        points: places on a path at which networks are looked at, both ends included.
    """

    NEEDS = ("targets classes", "finite")
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(self, *, steps: Count = 3000, points: Annotated[int, Range(3, 1001)] = 61) -> None:
        self.steps, self.points = steps, points

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """A network, and a curve to its copy, for each seed."""
        paths.require_permutable(setting.base)
        specs = []
        for seed in setting.seeds:
            network, between = ensemble(setting.base, seed, 2)
            specs += [network, studies.bend(between, (Rewind(network, "final"), Reordered(network, seed)), self.steps)]
        networks = yield Request(tuple(specs), ())
        findings, lines = Findings(), dict[str, list[np.ndarray]]()
        for seed, network, bend in zip(setting.seeds, networks[::2], networks[1::2], strict=True):
            cohort, wide = Cohort([network]), Cohort([network], dtype="float64")
            start, copy, other = cohort.rows[0], *(paths.reordered(network, seed + more) for more in (0, 1))
            ends = wide.loss(torch.stack([start, copy]), "train")
            apart = {("apart", "train"): float((ends[1] - ends[0]).abs())}
            findings.rows += paths.rows_of([network], seed, "ends", apart)
            found = {
                LINE: paths.line(start, copy, self.points),
                CURVE: paths.curve(bend, [network], self.points, cohort.dtype),
                OTHER: paths.line(start, other, self.points),
            }
            for arm, rows in found.items():
                walks = {seen: paths.walk(cohort, rows, *seen) for seen in studies.SEEN}
                findings.rows += paths.rows_of([network, bend], seed, arm, studies.rises(walks))
                for (metric, _), values in walks.items():
                    lines.setdefault(f"{metric}/{arm}", []).append(values)
        findings.arrays = {name: np.stack(walks) for name, walks in lines.items()}
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """How far the curve rises, against a tenth of the straight line's rise."""

        def rise(arm: str, metric: str = "loss") -> dict[int, float]:
            return records.by_seed(table, arm=arm, metric=metric)

        largest = max(records.by_seed(table, arm="ends", metric="apart").values())
        control = [
            no_difference("lines to copies in yet another order", rise(OTHER), rise(LINE)),
            SelfTest(f"both ends have one loss, within {EQUAL:g}", largest <= EQUAL, f"largest {largest:.2g}"),
        ]
        return [
            studies.connected(claim, rise(CURVE, metric), rise(LINE, metric), metric, control)
            for claim, metric in ((PERMUTED, "loss"), (PERMUTED_TEST, "error"))
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Loss and error along the line and along the curve."""
        caption = "Mean over networks with 95 % Student intervals; both ends are the same function."
        yield studies.picture("permuted", "From a network to its permuted copy", arrays, (LINE, CURVE), caption)
