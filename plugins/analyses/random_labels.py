"""Can a network that generalises fit random labels?"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.study import (
    BadInput,
    Claim,
    Count,
    Figure,
    Findings,
    Fresh,
    Measure,
    Request,
    SelfTest,
    complete,
    decide,
    every,
    figures,
    known_answer,
    mean_t,
    no_difference,
    records,
    register,
    tost,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

ZHANG = "Zhang, Bengio, Hardt, Recht & Vinyals, Understanding deep learning requires rethinking generalization (2017)"
ARMS: dict[str, dict[str, Any]] = {
    "true": {"label_noise": 0.0},
    "random": {"label_noise": 1.0, "noise_labels": "any"},
}
AGAIN = "random_again"
FITTED = 99.0

FITS = Claim(
    name="vetrov.fits_random_labels",
    statement="Trained on random labels, the network is right about at least 99 % of them.",
    source=f"{ZHANG}, table 1",
    published="CIFAR-10, MLP of 512 units: 99.34 %; 3 layers: 100 %",
    unit="% of training labels",
    smallest_effect=0.0,
    direction="greater",
    rule="one-sample t",
    reference=FITTED,
)
LEARNS_NOTHING = Claim(
    name="vetrov.random_labels_teach_nothing",
    statement="On test data it is then right as often as chance, within 2 points.",
    source=f"{ZHANG}, table 1",
    published="10.61 % and 10.48 % of ten classes",
    unit="points above chance",
    smallest_effect=2.0,
    direction="equivalent",
    rule="TOST",
)
GENERALISES = Claim(
    name="vetrov.fits_and_generalises_on_true_labels",
    statement="Trained on the true labels, the same network is at least 20 points above chance on test data.",
    source=f"{ZHANG}, table 1",
    published="CIFAR-10, MLP of 512 units: 100 % of the training labels, 50.51 % of the test labels",
    unit="points above chance",
    smallest_effect=20.0,
    direction="greater",
    rule="one-sample t",
)


@register
class RandomLabels:
    """Trains the same network on true labels and on labels drawn uniformly from all classes.

    The dataset must have the options label_noise and noise_labels. That random labels take longer shows in the curves.

    Args:
        every: steps between two looks.
    """

    CACHE_VERSION = 1

    def __init__(self, *, every: Count = 250) -> None:
        self.every = every

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Two arms and a control; accuracy on training and test data over time."""
        missing = {"label_noise", "noise_labels"} - set(dict(setting.base.dataset.options))
        if missing:
            raise BadInput(f"dataset={setting.base.dataset.name} has no {' and no '.join(sorted(missing))}")
        plan = [(arm, spec) for arm, options in ARMS.items() for spec in setting.specs(dataset=options)]
        plan += [(AGAIN, spec) for spec in setting.specs(dataset=ARMS["random"], init=Fresh(draw=1))]
        wanted = [("accuracy", "train"), ("accuracy", "test")]
        measures = tuple(Measure(metric, split, every(self.every)) for metric, split in wanted)
        networks = yield Request(tuple(spec for _, spec in plan), measures)
        findings = Findings()
        for (arm, spec), network in zip(plan, networks, strict=True):
            chance = 100.0 / spec.dataset.build().outputs
            findings.rows += [row | {"chance": chance} for row in network.rows(*wanted, arm=arm, curve=True)]
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Means over seeds; chance by an equivalence test."""
        chance = float(table["chance"][0])

        def final(arm: str, split: str) -> tuple[np.ndarray, int]:
            values = list(records.by_seed(table, arm=arm, split=split, end=True).values())
            (kept,), dropped = complete(values)
            return kept, dropped

        same = [records.by_seed(table, arm=arm, split="test", end=True) for arm in (AGAIN, "random")]
        control = no_difference("random labels learned from another start", *same)
        fitted, lost = final("random", "train")
        tested, _ = final("random", "test")
        true, true_lost = final("true", "test")
        low, high = LEARNS_NOTHING.bounds
        nothing = tost(tested, np.full_like(tested, chance), low, high)
        (start,), _ = complete(list(records.by_seed(table, arm="random", split="train", step=0).values()))
        untrained = known_answer("an untrained network is at chance", partial(mean_t, start), chance, kind=SelfTest)
        return [
            decide(FITS, mean_t(fitted), control=[control, untrained], dropped=lost),
            decide(LEARNS_NOTHING, nothing, control=control, dropped=lost),
            decide(GENERALISES, mean_t(true - chance), control=[control, untrained], dropped=true_lost),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Accuracy on training and on test data over time."""
        picture, panels = figures.canvas(1, 2, height=3.8, width=8.0, sharey=True)
        for axes, split in zip(panels, ("train", "test"), strict=True):
            for arm in ARMS:
                steps, values = records.pivot(table, "step", arm=arm, split=split)
                figures.curve(axes, steps, values, f"{arm} labels", markers=8)
            axes.axhline(table["chance"][0], color="0.6", linewidth=0.8, linestyle=":")
            axes.set(xlabel="step", title=f"{split} data" if split == "test" else "training data")
        panels[0].set_ylabel("accuracy (%)")
        figures.legend(panels[0])
        caption = "Means over seeds with 95 % Student intervals. The dotted line is chance."
        chosen = records.select(table, arm=list(ARMS))
        yield Figure("accuracy", "True and random labels", caption, picture, chosen)
