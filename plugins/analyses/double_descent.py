"""Test error and loss against the number of parameters: is there a second descent?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from expzoo.analysis.studies import double_descent
from expzoo.analysis.studies.double_descent import Curves
from expzoo.study import (
    Claim,
    Component,
    Control,
    Count,
    Figure,
    Findings,
    Fresh,
    Layout,
    Range,
    Request,
    Unfit,
    complete,
    decide,
    decide_all,
    figures,
    late,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Estimator, Setting, Spec, Trained, Verdict

SOURCE = "Greydanus, Scaling down deep learning (2020), double descent; Greydanus & Kobak (2024), notebook"
WANTED = ("error", "test"), ("loss", "test"), ("error", "train"), ("loss", "train")
NOISES = ("noisy", "clean")
NOISE = 0.15  # of the noisy arm where the base has none: that of the 2024 notebook
NOTEBOOK = {"mlp": "perceptrons", "cnn1d": "convolutional networks"}
"""Networks of the notebook -> what claims call them."""

SAME = "same_size"  # the control: networks that differ by chance alone stand for sizes
NULL_SIZES = 8
TICKS = (100, 300, 1000, 3000, 10_000, 30_000, 100_000)

MLP_PEAK = Claim(
    name="mnist1d.double_descent_mlp",
    statement="With label noise the test error of perceptrons peaks at the interpolation threshold and falls beyond.",
    source=SOURCE,
    published="an error peak near the threshold (2020 figure; 2024 notebook, 15 % noise)",
    unit="percentage points",
    smallest_effect=1.0,
    direction="greater",
    rule="BCa bootstrap",
)
CNN_PEAK = Claim(
    name="mnist1d.double_descent_cnn",
    statement="With label noise the test error of convolutional networks peaks at the threshold and falls beyond.",
    source=SOURCE,
    published="an error peak near the threshold (2020 figure; 2024 notebook, 15 % noise)",
    unit="percentage points",
    smallest_effect=1.0,
    direction="greater",
    rule="BCa bootstrap",
)
NO_PEAK = Claim(
    name="mnist1d.no_error_peak_without_noise",
    statement="Without label noise the test error of perceptrons has no peak of 1 point or more.",
    source=SOURCE,
    published="no error peak (2024 notebook)",
    unit="percentage points",
    smallest_effect=0.0,
    direction="less",
    rule="BCa bootstrap",
    reference=1.0,
)
LOSS_PEAK = Claim(
    name="mnist1d.loss_peak_without_noise",
    statement="Without label noise the test loss of perceptrons still peaks at the interpolation threshold.",
    source=SOURCE,
    published="a loss peak (2024 notebook)",
    unit="nats",
    smallest_effect=0.1,
    direction="greater",
    rule="BCa bootstrap",
    note="a peak of the loss without one of the error is one of calibration",
)
POSITION = Claim(
    name="mnist1d.error_peak_at_threshold",
    statement="With label noise the test error has a peak of 1 point, within a factor of two of the parameters that "
    "just fit.",
    source=SOURCE,
    published="near the threshold, read off the figure",
    unit="doublings of the parameters",
    smallest_effect=1.0,
    direction="equivalent",
    rule="BCa bootstrap",
)


@register
class DoubleDescent:
    """Trains perceptrons and convolutional networks of many sizes, with and without label noise, one population a size.

    Those of the notebook: the perceptron has two hidden layers without residual connections, h^2 +
    52 h + 10 parameters on MNIST-1D; the convolutional network is cnn1d, 6 c^2 + 58 c + 10.
    Elsewhere it is the base's model, whose size is varied. The base spec's label noise is that of
    the noisy arm, 0.15 if it has none. A peak is two contrasts that are fixed beforehand: the value at the
    threshold, interpolated between the two sizes around the place where the training error falls to
    10 %, minus the mean of the two largest, and minus the lowest at smaller sizes.

    Args:
        widths: units of the perceptron's hidden layers, increasing (notebook: 20 from 2 to 300).
        filters: channels of the convolutions, increasing (notebook: from 2 to 100); empty leaves this arm out.
        null_width: the width of the control's networks, which differ by chance alone.
        networks: those of the notebook, or the base's model at `widths` (base); null is notebook for
            sequences if the base's model is one of its two, else base.
    """

    NEEDS = ("targets classes", "finite", "dataset.label_noise")
    HOME = ("dataset=mnist1d", "model=mlp|cnn1d")
    CACHE_VERSION = 2  # 2: means over the last tenth of training
    RULES_VERSION = 2  # 2: what is no peak has no place

    def __init__(
        self,
        *,
        widths: tuple[Count, ...] = (2, 4, 7, 12, 18, 26, 40, 65, 110, 180),
        filters: tuple[Count, ...] = (2, 4, 6, 9, 13, 19, 28, 42),
        null_width: Annotated[int, Range(1, 1000)] = 7,
        networks: Literal["notebook", "base"] | None = None,
    ) -> None:
        self.sizes = {"mlp": widths, "cnn1d": filters} if filters else {"mlp": widths}
        for name, sizes in self.sizes.items():
            if len(sizes) < 5 or sorted(set(sizes)) != list(sizes):
                raise ValueError(f"sizes {list(sizes)} of {name} must be at least five, increasing")
        self.null_width, self.networks = null_width, networks

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Every size of every model with and without noise, and the control, in one question."""
        of_notebook = self._uses_notebook(setting)
        grid = self.sizes if of_notebook else {setting.base.model.name: self.sizes["mlp"]}
        make = _of_notebook if of_notebook else _of_base
        plan = [
            (model, noise, size, 0, spec)
            for model, sizes in grid.items()
            for noise in NOISES
            for size in sizes
            for spec in _specs(setting, make(setting, model, size), noise)
        ]
        plan += [
            (SAME, "noisy", self.null_width, draw, spec)
            for draw in range(NULL_SIZES)
            for spec in _specs(setting, make(setting, next(iter(grid)), self.null_width), "noisy", Fresh(draw=draw))
        ]
        total = setting.base.stop.build().at_most
        networks = yield Request(
            tuple(spec for *_, spec in plan), tuple(late.measure(*wanted, total) for wanted in WANTED)
        )
        findings = Findings()
        counts: dict[Component, int] = {}
        for (arm, noise, size, draw, spec), network in zip(plan, networks, strict=True):
            if spec.model not in counts:
                counts[spec.model] = Layout.of(network.module()).num_parameters
            varied = {"noise": noise, "size": size, "parameters": counts[spec.model], "draw": draw}
            findings.rows += late.rows(network, *WANTED, arm=arm, **varied)
        return findings

    def _uses_notebook(self, setting: Setting) -> bool:
        """Whether the networks are those of the notebook; Unfit if those cannot read the data."""
        sequences = setting.nature.inputs == "sequence"
        if self.networks == "notebook" and not sequences:
            raise Unfit("the networks of the notebook read sequences: give analysis.double_descent.networks=base")
        is_one = setting.base.model.name in NOTEBOOK
        return self.networks == "notebook" or (self.networks is None and sequences and is_one)

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Both contrasts of a peak must hold; the bootstrap over seeds finds threshold and minimum anew."""
        control = _control(table)
        models = _models(table)
        noisy = {model: _curves(table, model, "noisy") for model in models}
        clean, loss = (_curves(table, models[0], "clean", metric) for metric in ("error", "loss"))
        no_peak, loss_peak = (_about(claim, models[0]) for claim in (NO_PEAK, LOSS_PEAK))
        verdicts = [_peak(_peak_of(model), noisy[model], control) for model in models]
        positions = {model: curves.peak_against_threshold(MLP_PEAK.smallest_effect) for model, curves in noisy.items()}
        dropped = {model: curves.dropped for model, curves in noisy.items()}
        return [
            *verdicts,
            decide(no_peak, clean.prominence()(level=NO_PEAK.level), control=control, dropped=clean.dropped),
            _peak(loss_peak, loss, control),
            decide_all(POSITION, positions, control=control, dropped=dropped),
        ]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Test and training error, and the losses, of each model against its parameters."""
        for metric, unit in (("error", "error (%)"), ("loss", "loss (nats)")):
            models = _models(table)
            picture, panels = figures.canvas(1, len(models), width=8.6, height=3.9, sharey=True)
            for panel, model in zip(panels, models, strict=True):
                for noise in NOISES:
                    for split in ("test", "train"):
                        chosen = {"arm": model, "noise": noise, "metric": metric, "split": split}
                        sizes, values = records.pivot(table, "parameters", **chosen)
                        figures.curve(panel, sizes, values, f"{split}, {noise} labels", markers=8)
                noisy = _curves(table, model, "noisy")
                x, (low, high) = noisy.sizes, map(int, double_descent.window(noisy.train.mean(0)))
                panel.axvspan(x[low], x[high], color="0.6", alpha=0.15, linewidth=0)
                panel.set(xscale="log", xlabel=f"parameters of the {model}")
                ticks = [tick for tick in TICKS if x[0] <= tick <= x[-1]]
                panel.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
                panel.minorticks_off()
            panels[0].set_ylabel(unit)
            figures.legend(panels[0])
            caption = (
                "Mean over seeds with 95 % Student intervals, over the last tenth of training. Grey: the sizes around "
                "the interpolation threshold of the noisy labels, where the training error first is at most 10 %. Test "
                "labels are always clean."
            )
            data = records.select(table, metric=metric)
            yield Figure(f"{metric}_against_parameters", f"Test {metric} against parameters", caption, picture, data)


def _of_notebook(setting: Setting, model: str, size: int) -> Spec:
    """The base spec with a network of the notebook."""
    options = {"width": size, "depth": 2, "residual": False} if model == "mlp" else {"channels": size}
    return setting.base.replace(model=Component.of("model", model, **options))


def _of_base(setting: Setting, model: str, size: int) -> Spec:
    """The base spec with its own model at another size."""
    return setting.sized(size)


def _specs(setting: Setting, base: Spec, noise: str, init: Fresh | None = None) -> list[Spec]:
    """A spec with label noise or without, once for each seed."""
    base = base.replace(init=init or Fresh())
    if noise == "clean":
        base = base.replace(dataset={"label_noise": 0.0})
    elif not base.dataset["label_noise"]:
        base = base.replace(dataset={"label_noise": NOISE})
    return [base.replace(seed=seed) for seed in setting.seeds]


def _models(table: pl.DataFrame) -> list[str]:
    """The models of the records, those of the notebook in its order."""
    found = {*table["arm"]} - {SAME}
    return [model for model in NOTEBOOK if model in found] or sorted(found)


def _peak_of(model: str) -> Claim:
    """The claim about the peak of one model."""
    if model in NOTEBOOK:
        return MLP_PEAK if model == "mlp" else CNN_PEAK
    return replace(_about(MLP_PEAK, model), name=f"mnist1d.double_descent_{model}")


def _about(claim: Claim, model: str) -> Claim:
    """A claim about perceptrons, about this model."""
    named = NOTEBOOK.get(model, f"{model} networks")
    return replace(claim, statement=claim.statement.replace(NOTEBOOK["mlp"], named))


def _curves(table: pl.DataFrame, model: str, noise: str, metric: str = "error") -> Curves:
    """The seeds for which every size has values: diverged networks take their seed with them."""
    chosen = {"arm": model, "noise": noise}
    sizes, train = records.pivot(table, "parameters", **chosen, metric="error", split="train")
    _, test = records.pivot(table, "parameters", **chosen, metric=metric, split="test")
    (train, test), dropped = complete(train, test)
    return Curves(sizes, train, test, dropped)


def _peak(claim: Claim, curves: Curves, control: Control) -> Verdict:
    """Both contrasts of a peak must be beyond the smallest effect."""
    contrasts: dict[str, Estimator] = {
        "over the largest sizes": curves.tail_contrast(),
        "over the first minimum": curves.first_contrast(),
    }
    return decide_all(claim, contrasts, control=control, dropped=dict.fromkeys(contrasts, curves.dropped))


def _control(table: pl.DataFrame) -> Control:
    """The same contrasts of sizes that do not differ: there must be no peak of 1 point."""
    _, test = records.pivot(table, "draw", arm=SAME, metric="error", split="test")
    (test,), _ = complete(test)
    stairs = np.where(np.arange(test.shape[1]) < NULL_SIZES // 2, 100.0, 0.0)  # a threshold in the middle
    null = Curves(np.arange(1, NULL_SIZES + 1), np.broadcast_to(stairs, test.shape), test)
    estimate = null.prominence()(level=MLP_PEAK.level)
    passed = not estimate.low > MLP_PEAK.smallest_effect
    seen = f"peak {estimate.effect:.2f} points, interval {estimate.low:.2f} to {estimate.high:.2f}"
    return Control("networks of one size that stand for eight have no peak", passed, seen)
