"""Which architectures have a spatial prior, and what it is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from expzoo.study import (
    Claim,
    Component,
    Figure,
    Findings,
    Fresh,
    Measure,
    Pairs,
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

    import polars as pl

    from expzoo.study import Control, Setting, Trained, Verdict

SOURCE = "Greydanus, Scaling down deep learning (2020), table 1; Greydanus & Kobak (2024), benchmark notebook"
MODELS = ("logistic", "mlp", "gru", "cnn1d")
SPATIAL, BLIND = ("cnn1d", "gru"), ("mlp", "logistic")
VIEWS = ("plain", "shuffled")
WANTED = ("accuracy", "test")
PUBLISHED = {"plain": (31.5, 65.1, 89.1, 92.3), "shuffled": (31.5, 66.0, 53.3, 58.7)}  # 2024, last step, as MODELS
AGAIN = "mlp_again"  # the control whose right answer is no difference

MLP_BEATS_LOGISTIC = Claim(
    name="mnist1d.mlp_beats_logistic",
    statement="A multi-layer perceptron is at least 15 points more accurate than logistic regression.",
    source=SOURCE,
    published="68 +- 2 against 32 +- 1 (2020); 65.1 against 31.5 (2024)",
    unit="percentage points",
    smallest_effect=15.0,
    direction="greater",
    rule="paired t",
)
CNN_BEATS_MLP = Claim(
    name="mnist1d.cnn_beats_mlp",
    statement="A convolutional network is at least 15 points more accurate than a multi-layer perceptron.",
    source=SOURCE,
    published="94 +- 2 against 68 +- 2 (2020); 92.3 against 65.1 (2024)",
    unit="percentage points",
    smallest_effect=15.0,
    direction="greater",
    rule="paired t",
)
SEPARATES = Claim(
    name="mnist1d.separates_models",
    statement="MNIST-1D separates linear, nonlinear and spatial models by at least 15 points each.",
    source=SOURCE,
    published="32, 68, 94 (CNN) and 91 (GRU) (2020); 31.5, 65.1, 92.3, 89.1 (2024)",
    unit="percentage points",
    smallest_effect=15.0,
    direction="greater",
    rule="paired t",
)
SHUFFLING_HURTS = Claim(
    name="mnist1d.shuffling_hurts_spatial_models",
    statement="Permuting the 40 positions costs the convolutional and the recurrent network at least 20 points each.",
    source=SOURCE,
    published="CNN 94 to 56, GRU 91 to 57 (2020); CNN 92.3 to 58.7, GRU 89.1 to 53.3 (2024)",
    unit="percentage points",
    smallest_effect=20.0,
    direction="greater",
    rule="paired t",
)
SHUFFLING_SPARES = Claim(
    name="mnist1d.shuffling_spares_other_models",
    statement="Permuting the positions changes the perceptron and logistic regression by less than 2 points.",
    source=SOURCE,
    published="68 to 68, 32 to 32 (2020); 65.1 to 66.0, 31.5 to 31.5 (2024)",
    unit="percentage points",
    smallest_effect=2.0,
    direction="equivalent",
    rule="TOST",
    note="with independent initial weights this is an exact symmetry in distribution: a check of the apparatus",
)


@register
class SpatialPriors:
    """Trains logistic regression, an MLP, a GRU and a CNN on signals as they are and with their positions permuted.

    The permutation is made after generation, is the same for training and test, and is new for each
    seed where each draws its own data. The dataset must have the option `view`.
    """

    CACHE_VERSION = 2

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Four models in two views, one network a seed in each."""
        plan = []
        for spec in setting.specs():
            for view in VIEWS:
                seen = spec.replace(dataset={"view": view})
                plan += [(name, view, seen.replace(model=Component.of("model", name))) for name in MODELS]
            plan.append((AGAIN, "plain", spec.replace(model=Component.of("model", "mlp"), init=Fresh(draw=1))))
        networks = yield Request(tuple(spec for _, _, spec in plan), (Measure(*WANTED),))
        rows = [
            row
            for (arm, view, _), network in zip(plan, networks, strict=True)
            for row in network.rows(WANTED, arm=arm, view=view)
        ]
        return Findings(rows)

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Paired over seeds; a claim about several models must hold for each."""

        def final(arm: str, view: str = "plain") -> dict[int, float]:
            return records.by_seed(table, arm=arm, view=view, end=True)

        def gain(more: str, less: str) -> Pairs:
            return Pairs(SEPARATES, final(more), final(less))

        control: Control = no_difference("perceptrons that differ in their start only", final(AGAIN), final("mlp"))
        steps = {"mlp - logistic": gain("mlp", "logistic"), "cnn1d - mlp": gain("cnn1d", "mlp")}
        steps["gru - mlp"] = gain("gru", "mlp")
        return [
            paired(MLP_BEATS_LOGISTIC, final("mlp"), final("logistic"), control=control),
            paired(CNN_BEATS_MLP, final("cnn1d"), final("mlp"), control=control),
            decide_all(SEPARATES, steps, control=control),
            decide_all(
                SHUFFLING_HURTS,
                {arm: Pairs(SHUFFLING_HURTS, final(arm), final(arm, "shuffled")) for arm in SPATIAL},
                control=control,
            ),
            decide_all(
                SHUFFLING_SPARES,
                {arm: Pairs(SHUFFLING_SPARES, final(arm, "shuffled"), final(arm)) for arm in BLIND},
                control=control,
            ),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Accuracy of each model in both views."""
        picture, (axes,) = figures.canvas(height=3.8)
        for index, view in enumerate(VIEWS):
            by_model = [list(records.by_seed(table, arm=name, view=view, end=True).values()) for name in MODELS]
            shown = figures.bars(axes, list(MODELS), np.array(by_model).T, view, position=(index, len(VIEWS)))
            axes.plot(shown.x, PUBLISHED[view], "k_", markersize=12, markeredgewidth=1.4, zorder=6)
        axes.axhline(10, color="0.6", linewidth=0.8, linestyle=":")
        axes.set_ylabel("test accuracy (%)")
        figures.legend(axes)
        caption = (
            "Means over seeds with 95 % Student intervals; dots are seeds. The dotted line is chance. Black dashes are "
            "the published values, of one network each after 6000 steps (Greydanus & Kobak 2024, benchmark notebook)."
        )
        yield Figure("accuracy", "Accuracy with positions as they are and permuted", caption, picture, table)
