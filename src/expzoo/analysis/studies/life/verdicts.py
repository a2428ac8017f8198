"""Verdicts on how often networks of a grid of settings succeed."""

from __future__ import annotations

import itertools
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.analysis.studies.life import claims
from expzoo.analysis.studies.life.fits import growth, half_width
from expzoo.analysis.studies.life.networks import BOARDS, CELLS, KNOWN, SUCCESS, counts, hand_set_test, outcomes
from expzoo.science.claims import Claim, Control, decide, decide_all, known_answer
from expzoo.science.controls import same_rate
from expzoo.science.statistics import Estimate, clopper_pearson, mean_t
from expzoo.store import records

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from jaxtyping import Float, Real

    from expzoo.science.verdicts import Verdict

LEAST_WIDTHS = 3
MANY = 5  # steps from which the essay speaks of no success
LEAST_HALF = 8  # seeds, for the bootstrap of the control that compares two halves of them
FALLING = 5  # percent in the last tenth of the training: a loss that has not settled


class Grid:
    """The records of a grid of settings, and what can be judged of them."""

    def __init__(self, table: pl.DataFrame) -> None:
        self.table = table
        trained = table.filter(table["arm"] != KNOWN)
        self.cells = {tuple(row) for row in trained.select("arm", "game_steps", "m").unique().iter_rows()}

    def of(self, arm: str, steps: int, m: int) -> dict[str, Any]:
        """The columns of a cell."""
        return {"arm": arm, "game_steps": steps, "m": m}

    def widths(self, steps: int) -> list[int]:
        """The widths of the smooth networks for so many steps."""
        return sorted(m for own, n, m in self.cells if (own, n) == ("smooth", steps))

    def controls(self, **cell: Any) -> list[Control]:
        """That seeds of one cell differ by chance alone, and that the test finds the hand-set weights right."""
        hand_set = hand_set_test(self.table)
        name = "every second seed of one setting succeeds as often as the others"
        return [same_rate(name, outcomes(self.table, **cell)), *([hand_set] if hand_set else [])]

    def rate(self, claim: Claim, *cell: Any) -> Verdict:
        """The verdict on the success rate of a cell."""
        successes, trials = counts(self.table, **self.of(*cell))
        rate = clopper_pearson(successes, trials).scaled(100)
        verdict = decide(claim, rate, control=self.controls(**self.of(*cell)))
        facts = [verdict.note, f"{successes} of {trials}", *self._exact(*cell), *self._starts(*cell)]
        return replace(verdict, note="; ".join(filter(None, facts)))

    def _exact(self, *cell: Any) -> Iterator[str]:
        """How many of a cell's networks are right on everything that a cell can see, where that was tried."""
        values = records.select(self.table, metric=SUCCESS, split="all", **self.of(*cell))["value"].to_list()
        if values:
            yield f"{sum(value == 100 for value in values)} right on all 512 neighbourhoods"

    def still_falling(self) -> str:
        """How many of the networks that failed had not settled when their training ended."""
        ended = records.select(self.table, end=True)
        failed = ended.filter((ended["metric"] == SUCCESS) & (ended["split"] == "test") & (ended["value"] == 0))["key"]
        falls = ended.filter((ended["metric"] == "late_fall") & ended["key"].is_in(failed.to_list()))["value"]
        count = int((falls > FALLING).sum())
        return f"of {len(falls)} networks that failed, the loss of {count} still fell by {FALLING} % in the last tenth"

    def _starts(self, *cell: Any) -> Iterator[str]:
        """What was seen of a cell's networks before training."""
        seen = {"dead_at_start": "answered all dead", "no_gradient_at_start": "had no gradient in the first two layers"}
        for metric, words in seen.items():
            values = records.select(self.table, metric=metric, **self.of(*cell))["value"].to_list()
            if values:
                yield f"{sum(values) / len(values):.0f} % {words} before training"

    def matrix(self, steps: tuple[int, int], widths: list[int]) -> Float[np.ndarray, "seeds 2 widths"]:
        """Success of each seed; a network that diverged did not succeed."""
        columns = [[outcomes(self.table, **self.of("smooth", n, m)) for m in widths] for n in steps]
        seeds = sorted(columns[0][0])
        values = np.array([[[by_seed[seed] for by_seed in row] for row in columns] for seed in seeds])
        return np.nan_to_num(values)


def judge(table: pl.DataFrame, base_rates: Real[np.ndarray, "rows 3"]) -> Iterator[Verdict]:
    """A verdict on every claim that the grid has the networks for.

    `base_rates` are numbers of game steps, each with the percentages of cells and of boards that are dead.
    """
    grid = Grid(table)
    for claim, cell in ((claims.MINIMAL, ("plain", 1, 1)), (claims.SMOOTH, ("smooth", 1, 1))):
        if cell in grid.cells:
            yield grid.rate(claim, *cell)
    yield from _growth(grid)
    yield from _cells(grid, {int(steps): float(cells) for steps, cells, _ in base_rates})
    yield from many_steps(table)


def many_steps(table: pl.DataFrame) -> Iterator[Verdict]:
    """The verdict on the success rate of all networks for five steps and more, pooled, if there are any."""
    rows = records.select(table, arm="smooth", metric=SUCCESS, split="test", end=True)
    rows = rows.filter(rows["game_steps"] >= MANY).sort("game_steps", "m", "seed")
    if len(rows):
        succeeded = dict(enumerate(rows["value"] == 100))
        hand_set, halves = (
            hand_set_test(table),
            same_rate("every second network succeeds as often as the others", succeeded),
        )
        count, networks = sum(succeeded.values()), len(succeeded)
        verdict = decide(
            claims.MANY_STEPS,
            clopper_pearson(count, networks).scaled(100),
            control=[halves, *([hand_set] if hand_set else [])],
            seeds=rows["seed"].n_unique(),
        )
        yield replace(verdict, note=f"{verdict.note}; {count} of {networks} networks, pooled")


def _growth(grid: Grid) -> Iterator[Verdict]:
    steps = sorted({n for arm, n, _ in grid.cells if arm == "smooth"})
    pairs = [pair for pair in itertools.pairwise(steps) if pair[1] <= 3 and len(_shared(grid, pair)) >= LEAST_WIDTHS]
    if not pairs:
        return
    measures = {}
    for pair in pairs:
        tried = _shared(grid, pair)
        measures[f"{pair[0]} to {pair[1]} steps"] = partial(growth, grid.matrix(pair, tried), tried)
    verdict = decide_all(claims.WIDTH_GROWS, measures, control=_halves(grid, pairs[0]))
    halves = "; ".join(_half(grid, n, _shared(grid, pair)) for pair in pairs for n in pair[pair != pairs[0] :])
    yield replace(verdict, note=f"{verdict.note}; {halves}; {grid.still_falling()}")


def _half(grid: Grid, steps: int, widths: list[int]) -> str:
    """At which width half of the networks for so many steps succeed, as far as the widths that were tried tell."""
    counted = [counts(grid.table, **grid.of("smooth", steps, m)) for m in widths]
    (successes, trials), tried = np.array(counted, float).T, np.array(widths, float)
    half = half_width(successes, trials, tried)
    side = "at most at" if half <= tried.min() else "at least at" if half >= tried.max() else "at"
    return f"{steps} step{'s' * (steps > 1)}: half succeed {side} m = {half:.2g}"


def _halves(grid: Grid, pair: tuple[int, int]) -> list[Control]:
    """That two halves of the seeds, at the smaller number of steps, need one width, if there are enough."""
    widths = _shared(grid, pair)
    seeds, controls = grid.matrix(pair, widths)[:, 0], grid.controls(**grid.of("smooth", pair[0], widths[0]))
    if (half := len(seeds) // 2) < LEAST_HALF:
        return controls
    halves = np.stack([seeds[:half], seeds[half : 2 * half]], 1)
    steps = f"{pair[0]} step" + "s" * (pair[0] > 1)
    name = f"two halves of the seeds at {steps} need one width"
    return [known_answer(name, partial(growth, halves, widths), 1.0), *controls]


def _shared(grid: Grid, pair: tuple[int, int]) -> list[int]:
    return sorted({*grid.widths(pair[0])} & {*grid.widths(pair[1])})


def _cells(grid: Grid, dead_cells: dict[int, float]) -> Iterator[Verdict]:
    """Cell accuracy of the networks that failed at two steps: the mean of each seed's."""
    if not grid.widths(2):
        return
    chosen = records.select(grid.table, arm="smooth", game_steps=2, end=True)
    chosen = chosen.filter(chosen["split"] == "test")
    ended = chosen.filter(chosen["metric"] == SUCCESS).select("key", "value")
    failed = {key for key, value in ended.iter_rows() if value == 0}
    rows = chosen.filter((chosen["metric"] == CELLS) & chosen["key"].is_in(sorted(failed)))
    by_seed: dict[int, list[float]] = {}
    for seed, value in rows.select("seed", "value").iter_rows():
        by_seed.setdefault(seed, []).append(value)
    estimate: Estimate = mean_t([float(np.mean(values)) for _, values in sorted(by_seed.items())])
    boards = chosen.filter((chosen["metric"] == BOARDS) & chosen["key"].is_in(sorted(failed)))["value"].mean()
    control = grid.controls(**grid.of("smooth", 2, grid.widths(2)[-1]))
    verdict = decide(claims.CELLS_HIDE, estimate, control=control)
    facts = f"{len(failed)} failed networks, right in {boards:.1f} % of the boards" if failed else "no network failed"
    facts += f"; all dead would be right in {dead_cells[2]:.1f} % of the cells"
    yield replace(verdict, note=f"{verdict.note}; {facts}{_diamonds(grid, failed)}".lstrip("; "))


def _diamonds(grid: Grid, failed: set[str]) -> str:
    """How many of the networks that succeed at two steps are right on every diamond, where that was tried."""
    tried = records.select(grid.table, arm="smooth", game_steps=2, metric=SUCCESS, split="all")
    values = tried.filter(~tried["key"].is_in(sorted(failed)))["value"]
    right = int((values == 100).sum())
    return f"; {right} of {len(values)} that succeed are right on all 8192 diamonds" if len(values) else ""
