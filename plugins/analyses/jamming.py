"""The jamming transition: how many parameters satisfy all margins, and how sharply that begins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal, NamedTuple

import numpy as np

from expzoo.analysis.studies import jamming
from expzoo.analysis.studies.interpolation_threshold import Search
from expzoo.study import (
    Component,
    Count,
    Figure,
    Findings,
    Measure,
    Natural,
    Range,
    Request,
    closed_form,
    figures,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Spec, Trained, Verdict

SATISFIED = 1e-20  # of the loss: no margin is violated by more than 1e-10 sqrt(P), far above rounding to double
EVERY = 100
WANTED = Measure("violations", "train")


class _Cell(NamedTuple):
    """One training set: what a threshold is sought for."""

    points: int
    seed: int


@register
class Jamming:
    """Seeks the smallest network that satisfies all margins of P examples, by bisection, and counts what is violated.

    The loss is the quadratic hinge in double precision, the optimizer the base's on full batches.
    All seeds and P of a round of the search are trained together. The degrees of freedom N leave out
    biases and the scale of each hidden neuron. Across the threshold of the middle P, networks of many
    widths are trained to the end with the hinge loss, in single precision, and with cross-entropy;
    N_Delta is how many margins each violates.

    Args:
        points: numbers of training examples P, increasing.
        widths: the grid of hidden widths, or of sizes of the base's model, that the search begins with.
        rounds: bisections between two widths of the grid.
        around: widths across the threshold, as shares of the mean threshold's width.
        arms: what is compared with the hinge loss in double precision across the threshold.
    """

    NEEDS = ("targets classes", "finite", "dataset.train_size", "dataset.order")
    HOME = ("dataset=gaussian", "model=mlp")
    CACHE_VERSION = 1

    def __init__(
        self,
        *,
        points: tuple[Annotated[int, Range(10)], ...] = (125, 250, 500, 1000),
        widths: tuple[Count, ...] = (1, 2, 4, 8, 16, 32),
        rounds: Natural = 3,
        around: tuple[Annotated[float, Range(0.1, 10)], ...] = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4),
        arms: tuple[Literal["float32", "cross_entropy"], ...] = ("float32", "cross_entropy"),
    ) -> None:
        if len(set(points)) < 2 or sorted(set(points)) != list(points):
            raise ValueError(f"points {list(points)} must be at least two, increasing")
        if len(widths) < 3 or sorted(set(widths)) != list(widths):
            raise ValueError(f"widths {list(widths)} must be at least three, increasing")
        self.points, self.widths, self.rounds = points, widths, rounds
        self.around, self.arms = around, arms

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """The grid and the linear networks in one question, one for each round, and one across the threshold."""
        cells = [_Cell(points, seed) for points in self.points for seed in setting.seeds]
        found: dict[tuple[_Cell, int], Trained] = {}
        asked = [(cell, width) for cell in cells for width in self.widths]
        for _ in range(self.rounds + 1):
            specs = tuple(self._spec(setting, cell, width) for cell, width in asked)
            found.update(zip(asked, (yield Request(specs, (WANTED,))), strict=True))
            wanted = ((cell, self._search(found, cell).next()) for cell in cells)
            asked = [(cell, width) for cell, width in wanted if width is not None]
            if not asked:
                break
        findings = self._searched(cells, found, setting)
        yield from self._linear(findings, setting)
        yield from self._across(findings, setting, cells, found)
        return findings

    def _spec(self, setting: Setting, cell: _Cell, width: int, arm: str = jamming.HINGE) -> Spec:
        """A network that is trained until it satisfies every margin, or for the steps of the base's stop rule."""
        base = setting.subset(cell.points).replace(dataset={"order": "full"}, seed=cell.seed)
        steps = base.stop.shared.at_most
        loss = "bce" if arm == jamming.SMOOTH else "squared_hinge"
        every = math.gcd(steps, EVERY)
        fitted = Component.of("stop", "fitted", loss=SATISFIED, every=every, at_most=steps)
        return base.replace(
            model=setting.sized(width).model,
            loss=Component.of("loss", loss),
            dtype="float32" if arm == jamming.SINGLE else "float64",
            stop=fitted,
        )

    def _search(self, found: Mapping[tuple[_Cell, int], Trained], cell: _Cell) -> Search:
        return Search({w: n.network.status == "finished" for (other, w), n in found.items() if other == cell})

    def _searched(
        self, cells: Sequence[_Cell], found: Mapping[tuple[_Cell, int], Trained], setting: Setting
    ) -> Findings:
        findings = Findings()
        for (cell, width), network in sorted(found.items(), key=lambda item: item[0]):
            varied = {"P": cell.points, "width": width, "N": _freedom(network), "across": False}
            findings.rows += network.rows(("violations", "train"), arm=jamming.HINGE, **varied)
        for cell in cells:
            width = self._search(found, cell).threshold()
            key = closed_form.key_of(networks=[found[cell, w].key for w in self.widths], what="jamming")
            freedom = math.nan if width is None else float(_freedom(found[cell, width]))
            values = {(jamming.THRESHOLD, "train"): freedom}
            findings.rows += closed_form.rows(key, cell.seed, values, arm=jamming.HINGE, P=cell.points)
        return findings

    def _linear(self, findings: Findings, setting: Setting) -> Generator[Request, list[Trained], None]:
        """Linear networks of p parameters: of p / 2 examples they can meet every margin, of 4 p none can."""
        parameters = math.prod(setting.base.dataset.build().inputs) + 1
        sizes = {max(2, parameters // 2): True, 4 * parameters: False}
        plan = [(_Cell(points, seed), can) for points, can in sizes.items() for seed in setting.seeds]
        linear = Component.of("model", "logistic")
        specs = [self._spec(setting, cell, self.widths[0]).replace(model=linear) for cell, _ in plan]
        for (cell, can), network in zip(plan, (yield Request(tuple(specs), (WANTED,))), strict=True):
            values = {(jamming.SATISFIED, "train"): float(network.network.status == "finished")}
            own = {"P": cell.points, "N": parameters, "expected": float(can)}
            findings.rows += closed_form.rows(network.key, cell.seed, values, arm=jamming.LINEAR, **own)

    def _across(
        self,
        findings: Findings,
        setting: Setting,
        cells: Sequence[_Cell],
        found: Mapping[tuple[_Cell, int], Trained],
    ) -> Generator[Request, list[Trained], None]:
        """Networks of widths around the mean threshold of one P, with each loss and precision."""
        points = self.points[len(self.points) // 2]
        widths = [self._search(found, cell).threshold() for cell in cells if cell.points == points]
        middle = float(np.mean([width for width in widths if width is not None] or [self.widths[-1]]))
        chosen = sorted({max(1, round(share * middle)) for share in self.around})
        plan = [
            (arm, width, _Cell(points, seed))
            for arm in (jamming.HINGE, *self.arms)
            for width in chosen
            for seed in setting.seeds
        ]
        specs = tuple(self._spec(setting, cell, width, arm) for arm, width, cell in plan)
        for (arm, width, cell), network in zip(plan, (yield Request(specs, (WANTED,))), strict=True):
            share = network.worst("violations") if network.diverged else network.value("violations", "train")
            share = 0.0 if network.network.status == "finished" else share  # what is violated by rounding alone
            freedom = _freedom(network)
            values = {(jamming.VIOLATED, "train"): share / 100 * cell.points / freedom}
            own = {"P": cell.points, "width": width, "N": freedom, "across": True}
            findings.rows += closed_form.rows(network.key, cell.seed, values, arm=arm, **own)

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Exponents of each seed, and shares of networks that are on neither side of the transition."""
        return jamming.judge(table, self.arms)

    def out_of_reach(self, seeds: int) -> list[str]:
        """The claims that even a perfect result of so many seeds would not support."""
        networks = seeds * len(self.around)
        units = {claim: networks for claim in jamming.CLAIMS} | {jamming.PROPORTIONAL: seeds}
        return [claim.name for claim, number in units.items() if not claim.in_reach(number)]

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Thresholds against P, and violated margins against N across the threshold."""
        picture, (axes,) = figures.canvas()
        x, values = records.pivot(table, "P", arm=jamming.HINGE, metric=jamming.THRESHOLD)
        figures.curve(axes, x, np.log10(values), "N*")
        axes.plot(x, np.log10(x / 3), color="0.6", linewidth=0.8, linestyle=":")
        axes.set(xscale="log", xlabel="examples P", ylabel="log10 of the degrees of freedom N*")
        axes.set_xticks(x, [str(int(one)) for one in x])
        axes.minorticks_off()
        caption = "Mean over seeds with 95 % Student intervals; dotted: P / N = 3."
        data = records.select(table, metric=jamming.THRESHOLD)
        yield Figure("jamming_threshold", "The fewest parameters that satisfy P examples", caption, picture, data)
        arms = (jamming.HINGE, *self.arms)
        picture, panels = figures.canvas(1, len(arms), width=8.6, height=3.6, sharey=True)
        for panel, arm in zip(panels, arms, strict=True):
            rows = records.select(table, arm=arm, metric=jamming.VIOLATED)
            panel.plot(rows["N"], rows["value"], linestyle="", marker="o", markersize=3)
            panel.axhspan(*jamming.BETWEEN, color="0.6", alpha=0.15, linewidth=0)
            panel.set(xlabel="N", title=jamming.ARMS[arm])
        panels[0].set_ylabel("violated margins / N")
        caption = "One point a network; grey is neither side of a sharp transition."
        data = records.select(table, metric=jamming.VIOLATED)
        yield Figure("violated_margins", "Violated margins across the threshold", caption, picture, data)


def _freedom(network: Trained) -> int:
    """The degrees of freedom of a network."""
    return jamming.degrees_of_freedom({name: tuple(p.shape) for name, p in network.module().named_parameters()})
