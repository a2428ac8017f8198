"""Does a curve without a barrier connect networks that were trained apart?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, NamedTuple

import numpy as np

from expzoo.analysis.studies import connectivity as studies
from expzoo.analysis.studies import paths
from expzoo.analysis.studies.connectivity import TRAINED
from expzoo.study import (
    Claim,
    Component,
    Count,
    Findings,
    Measure,
    Range,
    Request,
    Rewind,
    ensemble,
    no_difference,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Figure, Setting, Spec, Trained, Verdict

GARIPOV = (
    "Garipov, Izmailov, Podoprikhin, Vetrov & Wilson, Loss surfaces, mode connectivity, and fast ensembling of DNNs "
    "(2018), section 3; Draxler, Veschgini, Salmhofer & Hamprecht (2018)"
)
LINE, BEZIER, CHAIN, AGAIN = "straight_line", "bezier_curve", "polygonal_chain", "bezier_curve_again"
ARMS = (LINE, BEZIER, CHAIN)
TRAINED_ON = "_over_ends_trained_on"

_CLAIM: dict[str, Any] = {
    "source": GARIPOV,
    "published": "no barrier along a curve with one bend, figures",
    "smallest_effect": 0.0,
    "direction": "less",
    "rule": "paired t",
}
_NATS = _CLAIM | {"unit": "nats"}
CURVE = Claim(
    name="barriers.mode_connectivity",
    statement="Along a Bezier curve with one bend the training loss rises by less than a tenth of what it does on the "
    "straight line between two independent networks, which is more than 0.1.",
    **_NATS,
)
CORNER = Claim(
    name="barriers.mode_connectivity_by_a_chain",
    statement="It does so along two straight lines with one corner.",
    **_NATS,
)
ON_TEST = Claim(
    name="barriers.mode_connectivity_on_test_data",
    statement="Along the Bezier curve the test error rises by less than a tenth of what it does on the straight line, "
    "which is more than 1 point.",
    unit="percentage points",
    **_CLAIM,
)
MORE_TRAINING = Claim(
    name="barriers.mode_connectivity_after_equal_training",
    statement="It is so of the training loss above that of the ends after as many further steps as the curve took.",
    note="control of ours: that a curve is trained is training, too",
    **_NATS,
)


class _Pair(NamedTuple):
    """What is trained for one seed: two networks, the same trained on, and paths between them."""

    ends: tuple[Spec, Spec]
    longer: tuple[Spec, Spec]
    bends: dict[str, Spec]

    def specs(self) -> tuple[Spec, ...]:
        """All of them."""
        return (*self.ends, *self.longer, *self.bends.values())


@register
class ModeConnectivity:
    """Curves with one bend between two networks from other starts, all pairs trained as one population.

    Garipov et al. 2018: the bend is trained to lower the loss at a random place on the curve in each
    step, by the base's optimizer, whose weight decay would act on the bend. The pair of one seed
    shares its data. Loss and error are taken at the same places on all paths; averages over batches
    are made again at each.

    Args:
        steps: for which a bend, and in comparison an end, is trained.
        points: places on a path at which networks are looked at, both ends included; the authors take 61.
    """

    NEEDS = ("targets classes", "finite")
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(self, *, steps: Count = 3000, points: Annotated[int, Range(3, 1001)] = 61) -> None:
        self.steps, self.points = steps, points

    def _pair(self, base: Spec, seed: int) -> _Pair:
        first, second, between, again = ensemble(base, seed, 4)
        ends = Rewind(first, "final"), Rewind(second, "final")
        stop = Component.of("stop", "steps", steps=self.steps)
        bends = {
            BEZIER: studies.bend(between, ends, self.steps),
            CHAIN: studies.bend(between, ends, self.steps, "polygon"),
            AGAIN: studies.bend(again, ends, self.steps),
        }
        one, other = (spec.replace(init=end, stop=stop) for spec, end in zip((between, again), ends, strict=True))
        return _Pair((first, second), (one, other), bends)

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """All pairs and their paths at once."""
        pairs = [self._pair(setting.base, seed) for seed in setting.seeds]
        seen = tuple(Measure(*measured) for measured in studies.SEEN)
        networks = yield Request(tuple(spec for pair in pairs for spec in pair.specs()), seen)
        findings, lines = Findings(), dict[str, list[np.ndarray]]()
        size = len(pairs[0].specs())
        for index, (seed, pair) in enumerate(zip(setting.seeds, pairs, strict=True)):
            first, second, *others = networks[index * size : (index + 1) * size]
            ends, longer, bends = (first, second), others[:2], dict(zip(pair.bends, others[2:], strict=True))
            over = {TRAINED: max(network.value(*TRAINED) for network in longer)}
            for arm, path in {LINE: None, **bends}.items():
                walks = studies.along(ends, self.points, path)
                needed = [*ends, *([path] if path else [])]
                findings.rows += paths.rows_of(needed, seed, arm, studies.rises(walks))
                above = studies.rises(walks, over)
                findings.rows += paths.rows_of([*needed, *longer], seed, arm + TRAINED_ON, above)
                for (metric, _), values in walks.items():
                    lines.setdefault(f"{metric}/{arm}", []).append(values)
        findings.arrays = {name: np.stack(walks) for name, walks in lines.items()}
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """How far paths rise, against a tenth of the straight line's rise."""

        def rise(arm: str, metric: str = "loss") -> dict[int, float]:
            return records.by_seed(table, arm=arm, metric=metric)

        control = no_difference("curves trained with other batches, at other places", rise(AGAIN), rise(BEZIER))
        said = (
            (CURVE, BEZIER, LINE, "loss"),
            (CORNER, CHAIN, LINE, "loss"),
            (ON_TEST, BEZIER, LINE, "error"),
            (MORE_TRAINING, BEZIER + TRAINED_ON, LINE, "loss"),
        )
        return [
            studies.connected(claim, rise(arm, metric), rise(line, metric), metric, control)
            for claim, arm, line, metric in said
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Loss and error along the line and along both curves."""
        caption = (
            "Mean over pairs of independent networks with 95 % Student intervals, at the same places of each path."
        )
        yield studies.picture("paths", "Between two independent networks", arrays, ARMS, caption)
