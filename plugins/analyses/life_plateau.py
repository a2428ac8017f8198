"""Is "stuck at 50 % correct" the share of boards that die out?"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import polars as pl

from expzoo.analysis.studies.life import claims, reach
from expzoo.analysis.studies.life import networks as life
from expzoo.analysis.studies.life.extinction import SIDES, all_dead
from expzoo.analysis.studies.life.networks import Cell
from expzoo.analysis.studies.life.rules import NEIGHBOURS
from expzoo.analysis.studies.life.settings import check, check_fit, refuse_lists
from expzoo.analysis.studies.life.verdicts import many_steps
from expzoo.study import (
    INK,
    PAPER,
    Count,
    Figure,
    Findings,
    Pairs,
    Request,
    clopper_pearson,
    decide,
    decide_all,
    figures,
    records,
    register,
    same_rate,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Sequence

    from expzoo.study import Setting, Spec, Trained, Verdict

STUCK = 10  # steps from which the essay speaks of a plateau
SET_BY = {
    "dataset.steps": "analysis.life_plateau.steps",
    "model.steps": "analysis.life_plateau.steps",
    "model.m_factor": "analysis.life_plateau.widths",
    "model.d_factor": "the essay's plateau, which has d_factor 1",
}
COUNTED = (1, 2, 3, 5, 10, 20)
NAMES = {"von_neumann": "von Neumann", "moore": "Moore"}
MARKERS = "Dsov^"  # one for each width
APART = 1.06  # of the widths at one number of steps, on its logarithmic axis
BOARDS_DRAWN = 20_000  # for the base rates where not all boards are counted: their standard error is below .4 points


@register
class LifePlateau:
    """Trains networks for many steps and compares the boards they get right with those that are all dead by then.

    The script counts a board as right if every cell is, so the answer "all dead" scores the share
    of boards that die out, on the same 1000 boards of 5 x 5. That share is shown for both
    neighbourhoods, counted over all 2^25 boards.

    Args:
        steps: the numbers of game steps.
        widths: multiples m of the smallest width.
    """

    NEEDS = ("dataset=life", "model=life_net")
    CACHE_VERSION = 2  # 2: boards that die out are counted, not drawn

    def __init__(self, *, steps: tuple[Count, ...] = (5, 10), widths: tuple[Count, ...] = (1,)) -> None:
        refuse_lists(steps=steps, widths=widths)
        self.cells = [Cell("smooth", n, m) for n in steps for m in widths]

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """Boards, cells and living cells of every network, and of hand-set ones for the same steps."""
        check(setting.base, SET_BY)
        widest = max(cell.m for cell in self.cells)
        check_fit(cell.spec(setting.base) for cell in self.cells if cell.m == widest)
        plan = [(cell, cell.spec(spec)) for cell in self.cells for spec in setting.specs()]
        first = setting.base.replace(seed=setting.seeds[0])
        solved = life.exact_networks(first, self.cells)
        networks = yield Request(tuple(spec for _, spec in plan), life.MEASURES) + Request(
            tuple(solved.values()), life.at_start((life.SUCCESS, "test"))
        )
        findings = Findings()
        for (cell, spec), network in zip(plan, networks, strict=False):
            base = {"dead_cells": life.base_rates(spec)[0], "dead_boards": life.base_rates(spec)[1]}
            findings.rows += network.rows(*life.WANTED, **cell.columns())
            common = {"key": network.key, "seed": spec.seed, "step": 0, "split": "test", "end": False}
            findings.rows += [cell.columns() | common | {"metric": name, "value": rate} for name, rate in base.items()]
        for (_, steps, m), network in zip(solved, networks[len(plan) :], strict=True):
            columns = Cell(life.KNOWN, steps, m).columns()
            common = {"key": network.key, "seed": network.spec.seed, "step": 0, "split": "test", "end": False}
            value = network.curve(life.SUCCESS)[0]
            findings.rows.append(columns | common | {"metric": life.SUCCESS, "value": value})
        findings.arrays = {"died_out": died_out(setting.base), "all_boards": np.array(_is_counted(setting.base))}
        return findings

    def out_of_reach(self, seeds: int) -> list[str]:
        """The claims that even a perfect result of so many seeds would not support."""
        stuck = sum(cell.steps >= STUCK for cell in self.cells)
        own = {claims.PLATEAU: seeds, claims.ANSWERS_DEAD: stuck * seeds} if stuck else {}
        return reach.out_of_reach(own | reach.pooled(self.cells, seeds))

    def judge(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]:
        """Equivalence to the base rate at ten steps and more, how many answer all dead, and how many succeed at all."""
        trained = table.filter(table["arm"] != life.KNOWN)
        found = []
        stuck = sorted({*trained.filter(trained["game_steps"] >= STUCK).select("game_steps", "m").iter_rows()})
        if stuck:
            measures = {}
            for steps, m in stuck:
                right, base = (
                    records.by_seed(trained, game_steps=steps, m=m, metric=metric, **end)
                    for metric, end in ((life.BOARDS, {"end": True}), ("dead_boards", {}))
                )
                measures[f"{steps} steps, m = {m}"] = Pairs(claims.PLATEAU, right, base)
            rows = records.select(trained, metric=life.ALIVE, end=True)
            rows = rows.filter(rows["game_steps"] >= STUCK).sort("game_steps", "m", "seed")
            dead = dict(enumerate(rows["value"] == 0))  # a network that diverged answers nothing
            hand_set = life.hand_set_test(table)
            halves = same_rate("every second network answers all dead as often as the others", dead)
            control = [halves, *([hand_set] if hand_set else [])]
            found.append(decide_all(claims.PLATEAU, measures, control=control))
            rate = clopper_pearson(sum(dead.values()), len(dead)).scaled(100)
            found.append(decide(claims.ANSWERS_DEAD, rate, control=control, seeds=rows["seed"].n_unique()))
        return [*found, *many_steps(table)]

    def draw(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterator[Figure]:
        """Boards right against the number of steps, over the share that dies out in both neighbourhoods."""
        picture, (axes,) = figures.canvas(height=3.9)
        rates: dict[str, Any] = {"steps": list(COUNTED)}
        for name, values in zip(NEIGHBOURS, arrays["died_out"], strict=True):
            figures.curve(axes, np.array(COUNTED), values, f"all dead, {NAMES[name]}")
            rates[name] = values
        trained = table.filter(table["arm"] != life.KNOWN)
        widths = sorted({*trained["m"]})
        for index, m in enumerate(widths):
            steps, values = records.pivot(trained, "game_steps", m=m, metric=life.BOARDS, end=True)
            mean, low, high = figures.interval(values)
            beside = steps * APART ** (index - (len(widths) - 1) / 2)
            axes.vlines(beside, low, high, color=INK, linewidth=2)
            line = figures.Series(beside, mean, low=low, high=high, linestyle="none", color=INK, zorder=5)
            line.set(marker=MARKERS[index % len(MARKERS)], markersize=7, markeredgecolor=PAPER)
            line.set_label(f"networks, m = {m}")
            axes.add_line(line)
        axes.set_xscale("log")
        axes.set_xticks(COUNTED, list(map(str, COUNTED)))
        axes.minorticks_off()
        axes.set(xlabel="steps of the game", ylabel="boards (%)")
        axes.set_ylim(-4, 104)
        figures.name_curves(axes)
        of_which = "all there are" if arrays.get("all_boards") else f"{BOARDS_DRAWN} random ones"
        caption = (
            f"Curves: boards all dead after so many steps, of {of_which}. Points: "
            "boards that trained networks get right in every cell, means with 95 % Student intervals."
        )
        yield Figure("plateau", "What the plateau is", caption, picture, pl.DataFrame(rates))


def died_out(base: Spec) -> np.ndarray:
    """Percentages of test boards that are all dead, (neighbourhoods, COUNTED): of all boards if they can be counted."""
    found = []
    for neighbourhood in NEIGHBOURS:
        counted = base.dataset.replace(neighbourhood=neighbourhood, steps=1, test_size=BOARDS_DRAWN)
        dataset: Any = counted.build()
        if _is_counted(base):
            found.append([100 * share for share in all_dead(dataset.world, dataset.test_board, COUNTED)])
            continue
        side = dataset.test_board
        boards = dataset.split("fresh", 0).x[:, 0].astype(np.uint8).reshape(-1, side, side).transpose(1, 2, 0)
        rates = []
        for before, after in zip((0, *COUNTED), COUNTED, strict=False):
            boards = dataset.world.after(boards, after - before)
            rates.append(100 * float((boards.sum((0, 1)) == 0).mean()))
        found.append(rates)
    return np.array(found)


def _is_counted(base: Spec) -> bool:
    """Whether all test boards are equally likely, and few enough to be counted."""
    return base.dataset["test_board"] in SIDES and base.dataset["test_density"] == 0.5
