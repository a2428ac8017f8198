"""Is there a barrier between the known solution and what is learned?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import polars as pl
import torch

from expzoo.analysis.studies.life import claims, reach
from expzoo.analysis.studies.life import networks as life
from expzoo.analysis.studies.life.networks import Cell, filters
from expzoo.analysis.studies.life.settings import check, check_fit, refuse_lists
from expzoo.study import (
    Cohort,
    Count,
    Figure,
    Findings,
    Range,
    Request,
    SelfTest,
    alignment,
    clopper_pearson,
    decide,
    figures,
    records,
    register,
    same_rate,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from torch import Tensor

    from expzoo.study import Layout, Setting, Trained, Verdict

SMALLEST_RISE = 0.01  # nats: less is not called a barrier
SET_BY = {
    "dataset.steps": "the essay's lines, of one step",
    "model.steps": "the essay's lines, of one step",
    "model.m_factor": "analysis.life_path.widths",
    "model.d_factor": "the known solution, which has d_factor 1",
}
PERMUTED = "permuted"  # the control: the end itself with its filters in another order, brought back by the alignment


@register
class LifePath:
    """Loss along the straight line from the known solution, trained on for some batches, to trained networks.

    The loss is that of 1000 boards that all lines share. Each line is walked twice: to the trained
    network as it is, and with its filters permuted to match the known ones (Hungarian algorithm,
    weight matching). Two global minima that differ by a permutation have a barrier between them
    too, so the first line alone says nothing about bad minima.

    Args:
        widths: multiples m of the smallest width.
        settling: batches the known solution is trained on for; the script's, 1000.
        points: places on a line at which the loss is taken, both ends included; the script takes 50 steps.
    """

    NEEDS = ("dataset=life", "model=life_net")
    CACHE_VERSION = 1
    RULES_VERSION = 2  # 2: lines to networks that succeed, and signs instead of nats

    def __init__(
        self, *, widths: tuple[Count, ...] = (1, 5), settling: Count = 1000, points: Annotated[int, Range(3)] = 51
    ) -> None:
        refuse_lists(widths=widths)
        self.widths, self.settling, self.points = tuple(widths), settling, points

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Two ends for each seed and width, and the loss at the points between them."""
        check(setting.base, SET_BY)
        check_fit([Cell("smooth", 1, max(self.widths)).spec(setting.base)])
        plan = [(m, Cell("smooth", 1, m).spec(spec)) for m in self.widths for spec in setting.specs()]
        training = min(self.settling, setting.base.stop.shared.at_most)
        ends = yield Request(tuple(spec for _, spec in plan), life.MEASURES, steps=(0,)) + Request(
            tuple(life.known(spec, training) for _, spec in plan), life.MEASURES, steps=(0,)
        )
        findings, count = Findings(), len(plan)
        for m in self.widths:
            lines = []
            for index in (i for i, (width, _) in enumerate(plan) if width == m):
                found, start = ends[index], ends[count + index]
                curves = self._walks(start, found)
                lines.append(np.stack(list(curves.values())))
                if len(lines) == 1:
                    curves |= self._control_walk(found)
                for name, curve in curves.items():
                    findings.rows += _rows(found, m, name, curve)
                findings.rows += found.rows((life.SUCCESS, "test"), arm="trained", m=m)
            findings.arrays[f"lines/{m}"] = np.stack(lines)
        return findings

    def _walks(self, known: Trained, found: Trained) -> dict[str, np.ndarray]:
        """The losses of the lines to the network as found and with its filters aligned, each (points,)."""
        ends = Cohort([known, found])
        start, end = ends.rows
        aligned = _aligned(ends.layout, start, end, filters(found))
        lines = {"as_found": end, "aligned": aligned}
        return {name: _along(ends, start, last, self.points) for name, last in lines.items()}

    def _control_walk(self, found: Trained) -> dict[str, np.ndarray]:
        """The losses of the line to a copy of the network with its filters reversed, brought back by the alignment."""
        alone, units = Cohort([found]), filters(found)
        turned = _in_order(alone.layout, alone.rows[0], units, [torch.arange(unit.width).flip(0) for unit in units])
        back = _aligned(alone.layout, alone.rows[0], turned, units)
        return {PERMUTED: _along(alone, alone.rows[0], back, self.points)}

    def out_of_reach(self, seeds: int) -> list[str]:
        """The claims that even a perfect result of so many seeds would not support."""
        return reach.out_of_reach(dict.fromkeys((claims.BARRIER, claims.BARRIER_ALIGNED), seeds))

    def judge(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]:
        """How many lines to networks that succeed rise above both ends, and on how many the alignment lowers that."""
        said, widest = [], max(self.widths)
        for m in self.widths:
            barriers = self._barriers(table, "as_found", m)
            turns = np.median(list(records.by_seed(table, arm="as_found", m=m, metric="turns").values()))
            risen = int((barriers > SMALLEST_RISE).sum())
            middle = f", median {np.median(barriers):.2g} nats" if len(barriers) else ""
            said.append(f"m = {m}: {risen} of {len(barriers)} that succeed{middle} and {turns:g} turns of all")
        found, aligned = (self._barriers(table, arm, widest) for arm in ("as_found", "aligned"))
        seeds = table["seed"].n_unique()
        counted = ((claims.BARRIER, found > SMALLEST_RISE), (claims.BARRIER_ALIGNED, aligned < found))
        verdicts = []
        for claim, lines in counted:
            rate = clopper_pearson(int(lines.sum()), len(lines)).scaled(100)
            halves = same_rate("every second line does as the others", dict(enumerate(lines)))
            verdict = decide(claim, rate, control=[halves, self._control(table)], seeds=seeds)
            note = "; ".join([verdict.note, f"decided at m = {widest}", *said]).lstrip("; ")
            verdicts.append(replace(verdict, note=note))
        return verdicts

    def _barriers(self, table: pl.DataFrame, arm: str, m: int) -> np.ndarray:
        """The barriers of the lines to networks that succeed, in the order of their seeds."""
        barriers = records.by_seed(table, arm=arm, m=m, metric="barrier")
        succeeded = records.by_seed(table, arm="trained", m=m, metric=life.SUCCESS)
        return np.array([value for seed, value in barriers.items() if succeeded[seed] == 100])

    def _control(self, table: pl.DataFrame) -> SelfTest:
        """That a network and itself with permuted filters have no barrier once they are aligned."""
        values = records.select(table, arm=PERMUTED, metric="barrier")["value"].to_numpy()
        return SelfTest(
            "a permuted copy has no barrier after alignment", bool((values < 1e-6).all()), f"largest {values.max():.2g}"
        )

    def draw(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterator[Figure]:
        """Every line, as found and aligned."""
        picture, panels = figures.canvas(
            len(self.widths), 2, width=7.2, height=2.9 * len(self.widths), sharex=True, sharey=True
        )
        x, rows = np.linspace(0, 1, self.points), []
        for row, m in enumerate(self.widths):
            for column, name in enumerate(("as found", "filters aligned")):
                axes = panels[2 * row + column]
                lines = arrays[f"lines/{m}"][:, column]
                for seed, line in enumerate(lines):
                    axes.plot(x, np.maximum(line, 1e-6), color="0.55", linewidth=0.8, alpha=0.7)
                    rows += [(m, name, seed, float(at), float(loss)) for at, loss in zip(x, line, strict=True)]
                median = np.maximum(np.median(lines, 0), 1e-6)
                figures.curve(axes, x, median, "as_found" if column == 0 else "aligned", markers=0)
                axes.set_yscale("log")
                axes.set_title(f"m = {m}, {name}", fontsize=10)
                axes.set_ylabel("loss (nats)" if column == 0 else "")
        for axes in panels[-2:]:
            axes.set_xlabel("from the known (0) to the trained (1)")
        caption = "Binary cross-entropy on 1000 boards along straight lines, one a seed; the median in colour."
        data = pl.DataFrame(rows, ["m", "line", "seed", "at", "loss"], orient="row")
        yield Figure("paths", "From the known solution to what is learned", caption, picture, data)


def _rows(network: Trained, m: int, arm: str, curve: np.ndarray) -> list[dict[str, Any]]:
    """Of one line: how far it rises above the higher end, how often it turns, and the losses at the ends."""
    turns = np.diff(np.sign(np.diff(curve)))
    found = {"barrier": curve.max() - max(curve[0], curve[-1]), "turns": float((turns != 0).sum())}
    found |= {"loss_at_known": curve[0], "loss_at_trained": curve[-1]}
    common = {"key": network.key, "seed": network.spec.seed, "arm": arm, "step": network.step, "split": "train"}
    return [common | {"m": m, "metric": name, "value": float(value), "end": True} for name, value in found.items()]


def _along(ends: Cohort, start: Tensor, end: Tensor, points: int) -> np.ndarray:
    """The loss at so many positions from one row to the other."""
    fractions = torch.linspace(0, 1, points, dtype=start.dtype).unsqueeze(1)
    return ends.loss(start + fractions * (end - start), "train").numpy()


def _aligned(layout: Layout, reference: Tensor, row: Tensor, units: Sequence[Any]) -> Tensor:
    orders = alignment.match_weights(units, layout.view(reference), layout.view(row))
    return _in_order(layout, row, units, orders)


def _in_order(layout: Layout, row: Tensor, units: Sequence[Any], orders: Sequence[Tensor]) -> Tensor:
    """The row of the same function with its filters in these orders."""
    changed = row.clone()
    for name, value in alignment.permuted(layout.view(row), units, orders).items():
        layout.view(changed)[name].copy_(value)
    return changed
