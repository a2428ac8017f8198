"""Is pooling worth more where training examples are few?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import numpy as np

from expzoo.study import (
    Claim,
    Component,
    Count,
    Figure,
    Findings,
    Fresh,
    Layout,
    Measure,
    Pairs,
    Range,
    Request,
    decide_all,
    figures,
    no_difference,
    paired,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterator, Mapping, Sequence

    import polars as pl
    from matplotlib.axes import Axes

    from expzoo.study import Estimator, Setting, Trained, Verdict

SOURCE = "Greydanus, Scaling down deep learning (2020), benchmarking pooling methods; 2024 notebook"
WANTED = ("accuracy", "test"), ("loss", "test"), ("accuracy", "train")
POOLED = ("max", "average", "l2")
MATCHED = "none_matched"
AGAIN = "none_again"  # the control whose right answer is no difference
TOP = 99.95  # % of accuracy: log-odds beyond it are those of a handful of test examples

GAP_SHRINKS = Claim(
    name="mnist1d.pooling_helps_low_data",
    statement="What pooling adds to the accuracy is more than 5 points larger with few training examples than many.",
    source=SOURCE,
    published="about 18 points at 1000 examples, about 1 at 50,000 (2024 notebook, one seed)",
    unit="percentage points",
    smallest_effect=5.0,
    direction="greater",
    rule="paired t",
)
MATCHED_SHRINKS = Claim(
    name="mnist1d.pooling_helps_low_data_at_equal_parameters",
    statement="The same against a network without pooling that has as many parameters.",
    source="control of ours: without pooling the notebook's network has 9310 parameters instead of 3310",
    published="",
    unit="percentage points",
    smallest_effect=5.0,
    direction="greater",
    rule="paired t",
)
ODDS_SHRINK = Claim(
    name="mnist1d.pooling_helps_low_data_in_odds",
    statement="What pooling adds is larger with few training examples on the scale of log-odds, too.",
    source="control of ours: gaps of percentages shrink by themselves where all arms come near 100 %",
    published="",
    unit="log-odds",
    smallest_effect=0.0,
    direction="greater",
    rule="paired t",
)
NO_DIFFERENCE = Claim(
    name="mnist1d.pooling_makes_no_difference_in_high_data",
    statement="With many training examples pooling changes the accuracy by less than 1 point.",
    source=SOURCE,
    published="did not make much of a difference in high-data regimes",
    unit="percentage points",
    smallest_effect=1.0,
    direction="equivalent",
    rule="TOST",
)
HINDERS = Claim(
    name="mnist1d.pooling_hinders_in_high_data",
    statement="With many training examples every kind of pooling lowers the accuracy.",
    source="Greydanus, Scaling down deep learning (2020), caption of the figure",
    published="hindered it in high-data regimes; contradicted by the table of the 2024 notebook",
    unit="percentage points",
    smallest_effect=0.0,
    direction="less",
    rule="paired t",
)
MAX_WORSE = Claim(
    name="mnist1d.max_pooling_worse_than_l2_in_high_data",
    statement="With many training examples maximum pooling is less accurate than L2 pooling.",
    source=SOURCE,
    published="worse, a hypothesis in the text",
    unit="percentage points",
    smallest_effect=0.0,
    direction="less",
    rule="paired t",
)


@register
class Pooling:
    """Trains pooled_cnn1d without pooling, with stride and with three kinds of pooling, on few and on many examples.

    The gap is the mean accuracy of the three kinds minus that without pooling; the claim is about
    its change from the fewest to the most examples, the interaction. Without pooling the network is
    wider: a width-matched arm has fewer channels and as many parameters. Each seed has its own draw
    of the data.

    Args:
        train_sizes: numbers of training examples, increasing (notebook: 1000 to 50,000).
        matched_channels: channels without pooling that give about the parameters of 20 channels with it.
    """

    CACHE_VERSION = 1

    def __init__(
        self,
        *,
        train_sizes: tuple[Count, ...] = (1000, 4000, 20000),
        matched_channels: Annotated[int, Range(1, 1000)] = 8,
    ) -> None:
        if len(train_sizes) < 2 or sorted(set(train_sizes)) != list(train_sizes):
            raise ValueError(f"train_sizes {list(train_sizes)} must be at least two, increasing")
        self.train_sizes, self.matched_channels = train_sizes, matched_channels

    @property
    def arms(self) -> dict[str, Component]:
        """Every arm and its model."""
        kinds = ("none", "stride", *POOLED)
        arms = {kind: Component.of("model", "pooled_cnn1d", pooling=kind) for kind in kinds}
        return arms | {MATCHED: arms["none"].replace(channels=self.matched_channels), AGAIN: arms["none"]}

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Every arm at every size, one network a seed."""
        plan = []
        for size in self.train_sizes:
            sized = setting.base.replace(dataset={"train_size": size})
            sized.dataset.build()  # more than there are is refused before anything is trained
            for arm, model in self.arms.items():
                init = Fresh(draw=1) if arm == AGAIN else Fresh()
                plan += [(size, arm, sized.replace(model=model, init=init, seed=seed)) for seed in setting.seeds]
        networks = yield Request(tuple(spec for *_, spec in plan), tuple(Measure(*wanted) for wanted in WANTED))
        findings = Findings()
        counts: dict[Component, int] = {}
        for (size, arm, spec), network in zip(plan, networks, strict=True):
            if spec.model not in counts:
                counts[spec.model] = Layout.of(network.module()).num_parameters
            varied = {"train_size": size, "parameters": counts[spec.model]}
            findings.rows += network.rows(*WANTED, arm=arm, **varied)
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """The interaction and what happens at the largest size, paired over seeds."""
        few, many = self.train_sizes[0], self.train_sizes[-1]

        def accuracy(arm: str, size: int) -> dict[int, float]:
            return records.by_seed(table, arm=arm, train_size=size, metric="accuracy", split="test")

        def pooled(size: int, scale: Callable[[float], float] = _same) -> dict[int, float]:
            return _mean_over_arms([accuracy(arm, size) for arm in POOLED], scale)

        def gap(size: int, without: str = "none", scale: Callable[[float], float] = _same) -> dict[int, float]:
            plain = accuracy(without, size)
            return {seed: value - scale(plain[seed]) for seed, value in pooled(size, scale).items()}

        def changed(claim: Claim) -> dict[str, Estimator]:
            return {arm: Pairs(claim, accuracy(arm, many), accuracy("none", many)) for arm in POOLED}

        control = no_difference("networks that differ in their start only", accuracy(AGAIN, few), accuracy("none", few))
        return [
            paired(GAP_SHRINKS, gap(few), gap(many), control=control),
            paired(MATCHED_SHRINKS, gap(few, MATCHED), gap(many, MATCHED), control=control),
            paired(ODDS_SHRINK, gap(few, scale=_log_odds), gap(many, scale=_log_odds), control=control),
            decide_all(NO_DIFFERENCE, changed(NO_DIFFERENCE), control=control),
            decide_all(HINDERS, changed(HINDERS), control=control),
            paired(MAX_WORSE, accuracy("max", many), accuracy("l2", many), control=control),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Accuracy of every arm, and the gap to no pooling, against the size of the training set."""
        picture, (axes,) = figures.canvas(height=4.2)
        shown = {arm: _curve(table, arm) for arm in self.arms if arm != AGAIN}
        for arm, values in shown.items():
            figures.curve(axes, np.array(self.train_sizes, float), values, arm.replace("_", ", "))
        self._dress(axes, "test accuracy (%)")
        caption = "Mean over seeds with 95 % Student intervals."
        data = records.select(table, metric="accuracy", split="test")
        yield Figure("accuracy", "Test accuracy against training examples", caption, picture, data)

        picture, (axes,) = figures.canvas(height=3.9)
        for arm, values in shown.items():  # with none itself, so that arms look as above
            figures.curve(axes, np.array(self.train_sizes, float), values - shown["none"], arm.replace("_", ", "))
        self._dress(axes, "gap to no pooling (points)")
        caption = "Accuracy minus that of the network without pooling of the same seed; mean and 95 % interval."
        yield Figure("gap", "What pooling adds, against training examples", caption, picture, data)

    def _dress(self, axes: Axes, unit: str) -> None:
        axes.set(xscale="log", xlabel="training examples", ylabel=unit)
        axes.set_xticks(self.train_sizes, [f"{size:,}" for size in self.train_sizes])
        axes.minorticks_off()
        figures.name_curves(axes)


def _same(accuracy: float) -> float:
    return accuracy


def _log_odds(accuracy: float) -> float:
    share = np.clip(accuracy, 100 - TOP, TOP) / 100
    return float(np.log(share / (1 - share)))


def _mean_over_arms(arms: Sequence[Mapping[int, float]], scale: Callable[[float], float]) -> dict[int, float]:
    """The mean over arms of each seed; NaN where one diverged."""
    return {seed: float(np.mean([scale(arm[seed]) for arm in arms])) for seed in arms[0]}


def _curve(table: pl.DataFrame, arm: str) -> np.ndarray:
    """Test accuracy (seeds, sizes)."""
    return records.pivot(table, "train_size", arm=arm, metric="accuracy", split="test")[1]
