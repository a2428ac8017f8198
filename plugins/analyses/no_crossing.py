"""Does training cross barriers on its way?"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch

from expzoo.analysis.studies import connectivity as studies
from expzoo.analysis.studies import paths
from expzoo.study import (
    Claim,
    Cohort,
    Control,
    Figure,
    Findings,
    Range,
    Request,
    Unfit,
    clopper_pearson,
    decide,
    ensemble,
    figures,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Estimate, Setting, Trained, Verdict

RISE = 0.01  # nats: less is not called a barrier
OWN, APART = "epoch_to_epoch", "other_starts"
RISES = ("rise", "train")
NO_CROSSING = Claim(
    name="barriers.no_crossing_in_dynamics",
    statement="On less than 5 % of the straight lines from the end of one epoch to the end of the next the training "
    "loss rises by more than 0.01 above both.",
    source="Xing, Arpit, Tsirigotis & Bengio, A walk with SGD (2018); Baity-Jesi et al. (2018)",
    published="no barriers between successive iterates, figures",
    unit="% of lines",
    smallest_effect=0.0,
    direction="less",
    rule="Clopper-Pearson",
    reference=5.0,
    note="lines of all runs are counted together, as if they were independent",
)


@register
class NoCrossing:
    """The training loss on the straight lines between the weights at the ends of successive epochs.

    Averages over batches are made again at every point. The control is the line from the end of the
    training to that of a network from another start, where there is a barrier to be found.

    Args:
        epochs: how many, from the start of the training on; null for all of it.
        points: places on a line at which the loss is taken, both ends included.
    """

    NEEDS = ("finite",)
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(
        self, *, epochs: Annotated[int, Range(1, 1000)] | None = None, points: Annotated[int, Range(3, 1001)] = 11
    ) -> None:
        self.epochs, self.points = epochs, points

    def out_of_reach(self, seeds: int) -> list[str]:
        """The claim, if even no rise on any line of so many seeds would not support it."""
        return [] if self.epochs is None or NO_CROSSING.in_reach(seeds * self.epochs) else [NO_CROSSING.name]

    def _ends(self, setting: Setting) -> tuple[int, ...]:
        """The steps at which epochs end, the start included; Unfit if the training has fewer."""
        data, total = setting.base.dataset.build(), setting.base.stop.shared.at_most
        batches = max(len(data.split("train", setting.seeds[0])) // data.batch_size, 1)
        epochs = self.epochs or max(total // batches, 1)
        if total < epochs * batches:
            there = f"the training has {total // batches}"
            raise Unfit(
                f"it looks at {epochs} epochs, and {there}: give more steps, or analysis.no_crossing.epochs=..."
            )
        return tuple(range(0, epochs * batches + 1, batches))

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Each network at the end of every epoch, and one from another start."""
        steps = self._ends(setting)
        pairs = [ensemble(setting.base, seed, 2) for seed in setting.seeds]
        networks = yield Request(tuple(spec for pair in pairs for spec in pair), (), steps=steps)
        findings, every = Findings(), []
        for seed, network, other in zip(setting.seeds, networks[::2], networks[1::2], strict=True):
            cohort = Cohort([network, other])
            for start, end in pairwise(steps):
                rise = float("nan")  # of a network that diverged before
                if network.has_row(start) and network.has_row(end):
                    ends = (torch.from_numpy(network.row(step)) for step in (start, end))
                    rise = paths.barrier(paths.walk(cohort, paths.line(*ends, points=self.points), *studies.TRAINED))
                findings.rows += paths.rows_of([network], seed, OWN, {RISES: rise}, end)
            apart = paths.walk(cohort, paths.line(cohort.rows[0], cohort.rows[1], self.points), *studies.TRAINED)
            findings.rows += paths.rows_of([network, other], seed, APART, {RISES: paths.barrier(apart)})
            every.append(apart)
        findings.arrays["loss/other_starts"] = np.stack(every)
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """The share of lines that rise, in percent."""
        own, apart = (_share(table, arm) for arm in (OWN, APART))
        detail = f"{apart.effect:.3g} % of {apart.n}"
        control = Control("between other starts most lines rise", bool(apart.low > NO_CROSSING.reference), detail)
        return [decide(NO_CROSSING, own, control=control, seeds=table["seed"].n_unique())]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """The rise on the line that leads to each epoch, and between other starts."""
        picture, (axes,) = figures.canvas(height=4.0)
        steps, rises = records.pivot(table, "step", arm=OWN, metric="rise")
        axes.plot(steps, np.maximum(rises, 1e-5).T, ".", color="0.6", markersize=3)
        figures.curve(axes, steps, np.maximum(_medians(rises), 1e-5), "from epoch to epoch (median)", markers=0)
        apart = np.median(list(records.by_seed(table, arm=APART, metric="rise").values()))
        figures.curve(axes, steps, np.full(len(steps), max(apart, 1e-5)), "between other starts (median)", markers=0)
        axes.axhline(RISE, color="0.6", linewidth=0.8, linestyle=":")
        axes.set(xlabel="step", ylabel="rise of the training loss", yscale="log")
        figures.legend(axes)
        caption = (
            "How far the training loss on the straight line between the ends of successive epochs rises above both, a "
            f"dot for each seed; less than 1e-5 is drawn as that. Above the dotted line, {RISE:g}, it is a barrier."
        )
        yield Figure("rises", "Barriers on the way", caption, picture, records.select(table, metric="rise"))


def _medians(values: np.ndarray) -> np.ndarray:
    """Of each column's values that are numbers; NaN where none is."""
    columns = (column[np.isfinite(column)] for column in values.T)
    return np.array([np.median(column) if len(column) else np.nan for column in columns])


def _share(table: pl.DataFrame, arm: str) -> Estimate:
    """How many lines rise; one of a network that diverged is one that does."""
    rises = records.select(table, arm=arm, metric="rise")["value"].to_numpy()
    return clopper_pearson(int((~(rises <= RISE)).sum()), len(rises)).scaled(100)
