"""What was seen of the cells of a contrast, and what a network counts as that diverged."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from expzoo.analysis.studies.contrast.looks import STEPS, unit_of
from expzoo.store import records

if TYPE_CHECKING:
    import polars as pl

    from expzoo.analysis.studies.contrast.arms import Cell
    from expzoo.analysis.studies.contrast.selecting import Terms

TOP = 99.95  # per cent: log-odds beyond it are those of a handful of test examples


@dataclass(frozen=True)
class Seen:
    """The records of a contrast: values of a cell by seed, in which a network that diverged counts as the worst.

    `cells` are those that the arrays are about, in order; `root` gives the cell that one is made from.
    """

    table: pl.DataFrame
    arrays: Mapping[str, np.ndarray]
    cells: Sequence[Cell]
    root: Callable[[Cell], Cell]
    drop: bool = False

    def has(self, cell: Cell) -> bool:
        """Whether the cell was trained."""
        return not records.select(self.table, **_columns(self.table, cell)).is_empty()

    def raw(self, cell: Cell, of: str) -> dict[int, float]:
        """What was seen of the cell's networks, by seed: NaN if one diverged, inf if it was never there."""
        return records.by_seed(self.table, measure=of, **_columns(self.table, cell))

    def values(self, cell: Cell, of: str) -> dict[int, float]:
        """The same with the worst in place of what was not seen; NaN for what is left out.

        A number of steps that was not enough is at least all of them. What was to be looked at where a network never
        came has no value: the worst one would decide claims about a place that is not there.
        """
        worst = self.worst(cell, of)
        lost, never = math.nan if self.drop else worst, worst if self.counts_steps(of) else math.nan
        return {s: v if math.isfinite(v) else lost if math.isnan(v) else never for s, v in self.raw(cell, of).items()}

    def successes(self, cell: Cell, of: str, success: str) -> tuple[int, int, int]:
        """How many networks succeed, of how many, and how many are left out.

        NaN, of one that diverged, is no success.
        """
        outcomes = self.outcomes(cell, of, success)
        return int(sum(outcomes.values())), len(outcomes), len(self.raw(cell, of)) - len(outcomes)

    def outcomes(self, cell: Cell, of: str, success: str) -> dict[int, float]:
        """Seed -> 1 for success, else 0."""
        sign, _, bound = success.partition(" ")
        kept = {s: v for s, v in self.raw(cell, of).items() if not (self.drop and math.isnan(v))}
        if not self.counts_steps(of):
            kept = {s: v if math.isfinite(v) else math.nan for s, v in kept.items()}
        return {s: float(v <= float(bound) if sign == "<=" else v >= float(bound)) for s, v in kept.items()}

    def chance(self, cell: Cell, of: str) -> float:
        """The chance level of a measure on the cell's data, NaN if it has none."""
        return self._fact("chance", cell, of)

    def worst(self, cell: Cell, of: str) -> float:
        """What a network counts as that diverged: chance, the whole training, or the worst value that was seen."""
        known = self._fact("worst", cell, of)
        if math.isfinite(known):
            return known
        seen = records.select(self.table, measure=of)["value"].to_numpy()
        finite = seen[np.isfinite(seen)]
        if not len(finite):
            return math.nan
        return float(finite.min() if bool(self.arrays[f"higher/{of}"]) else finite.max())

    def sum(self, terms: Terms, of: str, scale: str, *, above_chance: bool = False) -> dict[int, float]:
        """A weighted sum over cells, by seed, of `of` where a term names no measure of its own."""
        columns = []
        for term in terms:
            less = self.chance(term.cell, term.of or of) if above_chance else 0.0
            columns.append({s: scaled(v - less, scale) for s, v in self.values(term.cell, term.of or of).items()})
        seeds = sorted(set.intersection(*(set(column) for column in columns)))
        weights = [term.weight for term in terms]
        return {s: math.fsum(w * c[s] for w, c in zip(weights, columns, strict=True)) for s in seeds}

    def unit(self, of: str) -> str:
        """The unit of a measure."""
        return "steps" if self.counts_steps(of) else unit_of(self._metric(of))

    def counts_steps(self, of: str) -> bool:
        """Whether a measure is a number of steps."""
        return self._metric(of).startswith(STEPS)

    def _metric(self, of: str) -> str:
        return str(records.select(self.table, measure=of)["metric"][0])

    def _fact(self, what: str, cell: Cell, of: str) -> float:
        return float(self.arrays[f"{what}/{of}"][list(self.cells).index(cell)])


def scaled(value: float, scale: str) -> float:
    """A value on a scale; NaN if it has none there."""
    if scale == "log":
        return math.log(value) if value > 0 else math.nan
    if scale == "log_odds":
        share = float(np.clip(value, 100 - TOP, TOP)) / 100
        return math.log(share / (1 - share))
    return value


def _columns(table: pl.DataFrame, cell: Cell) -> dict[str, str | int | float | bool]:
    columns: dict[str, str | int | float | bool] = {"arm": cell.arm, **cell.columns()}
    return {name: value for name, value in columns.items() if name in table.columns}
