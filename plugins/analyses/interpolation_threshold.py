"""How many parameters it takes to fit a training set, by the number of examples and of classes, for two losses."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, NamedTuple

import numpy as np

from expzoo.analysis.studies.interpolation_threshold import (
    CRITERIA,
    LONGER,
    PREDICTED,
    WORDS,
    Search,
    classes_in,
    difference_claim,
    every_claim,
    exponent_claim,
    exponents_by_seed,
    known_thresholds,
    settled,
    with_classes,
)
from expzoo.study import (
    Component,
    Count,
    Event,
    Figure,
    Findings,
    Fraction,
    Layout,
    Measure,
    Natural,
    Range,
    Request,
    closed_form,
    complete,
    figures,
    mean_t,
    paired,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Spec, Trained, Verdict

LOSSES = {"nll": "cross_entropy", "mse": "mse"}
NO_ERROR = Event("error", "train", at_most=0.0, every=50)
WANTED = ("error", "test"), ("loss", "test"), ("error", "train"), ("loss", "train")
PEAK = "test_loss_peak"


class _Cell(NamedTuple):
    """One training set and loss: what a threshold is sought for."""

    loss: str
    n: int
    classes: int
    seed: int


@register
class InterpolationThreshold:
    """Seeks the smallest perceptron that fits n examples of K classes, on a grid of widths and by bisection.

    Two criteria are reported, since the criterion decides the verdict: no training error at some
    look, and a training loss below `epsilon` times that of the best constant (log K nats; (K - 1) /
    K^2 for one-hot squared error). A third position is the highest test loss on the grid. A network
    trains until its loss is there, at most for the steps of the base spec's stop rule; whether
    twice as many would fit the size just below the threshold is reported. Each seed gives exponents
    of its own by least squares over all n and K. The first K classes are not only fewer but also
    easier to tell apart, which adds to the exponent of K under either loss; their difference is
    free of that. A dataset without the option `classes` is asked about n only. A perceptron that
    reads sequences is the notebooks', without residual connections; others are the base's own.

    Args:
        sizes: numbers of training examples.
        classes: numbers of classes, the first ones of MNIST-1D, or of a dataset that has this option.
        widths: the grid of hidden widths, or of sizes of the base's model, increasing.
        rounds: bisections between two widths of the grid.
        epsilon: training loss that counts as fitted, as a fraction of that of the best constant.
    """

    NEEDS = ("targets classes", "finite", "dataset.train_size")
    HOME = ("dataset=mnist1d|mnist1d_classes", "model=mlp")
    CACHE_VERSION = 2
    RULES_VERSION = 2  # 2: withheld where twice the steps move the thresholds

    def __init__(
        self,
        *,
        sizes: tuple[Annotated[int, Range(10)], ...] = (250, 500, 1000),
        classes: tuple[Annotated[int, Range(2, 10)], ...] = (2, 5, 10),
        widths: tuple[Count, ...] = (1, 2, 3, 4, 6, 9, 13, 19, 28, 40, 57, 80, 113),
        rounds: Natural = 2,
        epsilon: Fraction = 0.01,
    ) -> None:
        if len(set(sizes)) < 2 or len(set(classes)) < 2:
            raise ValueError(f"sizes {list(sizes)} and classes {list(classes)} must be at least two each")
        if len(widths) < 3 or sorted(set(widths)) != list(widths) or epsilon == 0:
            raise ValueError(f"widths {list(widths)} must be at least three, increasing, and epsilon above 0")
        self.sizes, self.classes, self.widths = sizes, classes, widths
        self.rounds, self.epsilon = rounds, epsilon

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """The grid in one question, then one question for each round of bisection."""
        setting = replace(setting, base=setting.base.replace(dataset=with_classes(setting.base.dataset)))
        data = setting.base.dataset
        classes = self.classes if "classes" in dict(data.options) else (data.build().outputs,)
        cells = [
            _Cell(loss, n, k, seed) for loss in LOSSES for n in self.sizes for k in classes for seed in setting.seeds
        ]
        found: dict[tuple[_Cell, int], Trained] = {}
        asked = [(cell, width) for cell in cells for width in self.widths]
        for _ in range(self.rounds + 1):
            answers = yield self._request(setting, asked)
            found.update(zip(asked, answers, strict=True))
            searches = [(c, self._search(found, c, criterion)) for c in cells for criterion in CRITERIA]
            wanted = ((cell, search.next()) for cell, search in searches)
            asked = sorted({(c, w) for c, w in wanted if w is not None and (c, w) not in found})
            if not asked:
                break
        findings = self._findings(cells, found)
        brackets = {cell: self._search(found, cell, "loss").bracket() for cell in cells}
        below = [(cell, ends[0]) for cell, ends in brackets.items() if ends]
        more = yield self._request(setting, below, times=2)
        for (cell, _), network in zip(below, more, strict=True):
            fits = {(LONGER, "train"): float(network.network.status == "finished")}
            findings.rows += closed_form.rows(
                network.key, cell.seed, fits, arm=cell.loss, n=cell.n, classes=cell.classes
            )
        return findings

    def _request(self, setting: Setting, asked: Sequence[tuple[_Cell, int]], times: int = 1) -> Request:
        specs = tuple(self._spec(setting, cell, width, times) for cell, width in asked)
        return Request(specs, tuple(Measure(*wanted) for wanted in WANTED), events=(NO_ERROR,))

    def _spec(self, setting: Setting, cell: _Cell, width: int, times: int) -> Spec:
        base = setting.subset(cell.n)
        if "classes" in dict(base.dataset.options):
            base = base.replace(dataset={"classes": cell.classes})
        constant = math.log(cell.classes) if cell.loss == "nll" else (cell.classes - 1) / cell.classes**2
        steps = times * base.stop.shared.at_most
        every = math.gcd(steps, NO_ERROR.every)
        fitted = Component.of("stop", "fitted", loss=self.epsilon * constant, every=every, at_most=steps)
        model = setting.sized(width).model
        if setting.nature.inputs == "sequence" and model.name == "mlp":
            model = model.replace(depth=2, residual=False, activation="relu")
        return base.replace(
            model=model,
            loss=Component.of("loss", LOSSES[cell.loss]),
            stop=fitted,
            seed=cell.seed,
        )

    def _search(self, found: Mapping[tuple[_Cell, int], Trained], cell: _Cell, criterion: str) -> Search:
        fits = {}
        for (other, width), network in found.items():
            if other == cell:
                by_loss = network.network.status == "finished"
                no_error = NO_ERROR.name in network.network.events or network.value("error", "train") == 0
                fits[width] = by_loss if criterion == "loss" else no_error
        return Search(fits)

    def _findings(self, cells: Sequence[_Cell], found: Mapping[tuple[_Cell, int], Trained]) -> Findings:
        findings, parameters = Findings(), {}
        for (cell, width), network in sorted(found.items(), key=lambda item: item[0]):
            if (cell.classes, width) not in parameters:
                parameters[cell.classes, width] = Layout.of(network.module()).num_parameters
            varied = {"n": cell.n, "classes": cell.classes, "parameters": parameters[cell.classes, width]}
            findings.rows += network.rows(*WANTED, arm=cell.loss, on_grid=width in self.widths, **varied)
        for cell in cells:
            key = closed_form.key_of(networks=[found[cell, width].key for width in self.widths], what="threshold")
            values = {}
            for criterion in CRITERIA:
                width = self._search(found, cell, criterion).threshold()
                values[f"threshold_by_{criterion}", "train"] = (
                    parameters[cell.classes, width] if width is not None else math.nan
                )
            losses = [found[cell, width].value("loss", "test") for width in self.widths]
            highest = self.widths[int(np.nanargmax(losses))] if np.isfinite(losses).any() else None
            values[PEAK, "test"] = parameters[cell.classes, highest] if highest else math.nan
            findings.rows += closed_form.rows(key, cell.seed, values, arm=cell.loss, n=cell.n, classes=cell.classes)
        return findings

    def out_of_reach(self, seeds: int) -> list[str]:
        """The claims that even a perfect result of so many seeds would not support."""
        return [claim.name for claim in every_claim() if not claim.in_reach(seeds)]

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Exponents of each seed against the claimed ones, and their difference between the losses."""
        known = known_thresholds(tuple(self.classes), self.rounds)
        verdicts = []
        for criterion in CRITERIA:
            powers = {loss: exponents_by_seed(table, loss, f"threshold_by_{criterion}") for loss in LOSSES}
            alone = len(classes_in(table)) < 2
            for (loss, of), power in PREDICTED.items():
                if alone and of == "K":
                    continue
                claim = exponent_claim(loss, of, criterion)
                own = {seed: pair[of == "K"] for seed, pair in powers[loss].items()}
                verdict = paired(claim, own, dict.fromkeys(own, 0.0), control=[settled(table, loss), known])
                notes = "" if power else "predicted 0", _peak(table, loss, of), verdict.note
                verdicts.append(replace(verdict, note="; ".join(filter(None, notes))))
            if alone:
                continue
            k_powers = {loss: {seed: c for seed, (_, c) in powers[loss].items()} for loss in LOSSES}
            controls = [settled(table, *LOSSES), known]
            verdicts.append(paired(difference_claim(criterion), k_powers["mse"], k_powers["nll"], control=controls))
        return verdicts

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Thresholds against n for each K, and test loss against parameters."""
        for criterion in (*CRITERIA, "peak"):
            metric = PEAK if criterion == "peak" else f"threshold_by_{criterion}"
            picture, panels = figures.canvas(1, 2, width=8.6, height=3.9, sharey=True)
            for panel, loss in zip(panels, LOSSES, strict=True):
                for k in classes_in(table):
                    x, values = records.pivot(table, "n", arm=loss, classes=k, metric=metric)
                    figures.curve(panel, x, np.log10(values), f"K = {k}")
                panel.plot(self.sizes, np.log10(self.sizes), color="0.6", linewidth=0.8, linestyle=":")
                panel.set(xscale="log", xlabel=f"training examples, {WORDS[loss]}")
                panel.set_xticks(self.sizes, [str(n) for n in self.sizes])
                panel.minorticks_off()
            name = "at the highest test loss" if criterion == "peak" else "that just fit"
            panels[0].set_ylabel(f"log10 of the parameters\n{name}")
            figures.legend(panels[0])
            what = "highest test loss on the grid" if criterion == "peak" else CRITERIA[criterion]
            caption = (
                f"Criterion: {what.format(epsilon=self.epsilon)}. Mean over seeds with 95 % Student intervals; the "
                "dotted line is one parameter an example."
            )
            data = records.select(table, metric=metric)
            yield Figure(
                f"threshold_by_{criterion}", f"Interpolation threshold: {what.split('{')[0]}", caption, picture, data
            )
        yield self._test_loss(table)

    def _test_loss(self, table: pl.DataFrame) -> Figure:
        picture, panels = figures.canvas(1, 2, width=8.6, height=3.9)
        n = max(self.sizes)
        data = records.select(table, n=n, on_grid=True, metric="loss", split="test")
        for panel, loss in zip(panels, LOSSES, strict=True):
            for k in classes_in(table):
                x, values = records.pivot(data, "parameters", arm=loss, classes=k)
                line = figures.curve(panel, x, values, f"K = {k}", markers=7)
                found = records.select(table, n=n, arm=loss, classes=k, metric="threshold_by_loss")["value"].to_numpy()
                if np.isfinite(found).any():
                    threshold = float(np.exp(np.nanmean(np.log(found))))
                    panel.axvline(threshold, color=line.get_color(), linewidth=1.0, linestyle=":")
            panel.set(xscale="log", xlabel=f"parameters, {WORDS[loss]}")
        panels[0].set_ylabel("test loss (nats; squared error)")
        figures.legend(panels[0])
        caption = (
            f"{n} training examples. Mean over seeds with 95 % Student intervals; dotted lines: the parameters that "
            "just fit by the criterion of the training loss, geometric mean over seeds."
        )
        return Figure("test_loss", "Test loss against parameters", caption, picture, data)


def _peak(table: pl.DataFrame, loss: str, of: str) -> str:
    """How the position of the highest test loss grows."""
    (powers,), _ = complete([pair[of == "K"] for pair in exponents_by_seed(table, loss, PEAK).values()])
    if len(powers) < 2:
        return "too few highest test losses"
    one = mean_t(powers)
    return f"the highest test loss moves with exponent {one.effect:.2f} [{one.low:.2f}, {one.high:.2f}]"
