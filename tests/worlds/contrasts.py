"""Worlds of claims that files say in words: each is made from its own declaration, whatever its words are.

A claim is a set of weighted sums over cells. A world says what each sum is (none, the bound, well
beyond), finds cells that have these sums, and draws the networks of each around it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from tests.worlds.making import Where, generator, judging, key, table

from expzoo.analysis.studies.contrast.arms import Cell
from expzoo.analysis.studies.contrast.looks import unit_of
from expzoo.analysis.studies.contrast.words import CHANCE as OF_CHANCE
from expzoo.config.registry import build
from expzoo.science.power import detectable

if TYPE_CHECKING:
    from expzoo.analysis.studies.contrast.selecting import Term
    from expzoo.analysis.studies.contrast.words import ClaimWords, Condition
    from expzoo.science.verdicts import Verdict

CHANCE = 10.0
MIDDLE = 50.0  # of per cent, around which rates and plain values lie
SHARED = 2.0  # what a seed shares with all cells, in deviations of one cell
FAR = 2.0  # how often the effect that is found in four runs of five lies well beyond the bound
CLEARLY = 5.0  # beyond the bound of a control that says which is greater
NEARLY = 0.8  # of the way to a perfect rate
Variable = tuple[Cell, str]
"""A cell and what is measured of it."""


class Score:
    """What `score` stands for here."""

    metric = "accuracy"


@dataclass(frozen=True, eq=False)
class ContrastWorld:
    """The world of one claim of a contrast with these options, in which it is the only claim."""

    experiments: tuple[str, ...]
    name: str
    options: Mapping[str, Any]
    seeds: int
    analysis = "contrast"

    def build(self) -> Any:
        """The analysis of this world."""
        return build("analysis", "contrast", **self.options)

    def verdicts(self, where: Where, analysis: Any, seeds: int, number: int) -> list[Verdict]:
        """What is said of one draw: several verdicts if the claim is `for_each`."""
        words = analysis.words.claims[self.name]
        rng = generator(self.name, where, number)
        plan = _Plan(words, analysis.root, seeds, where, number, again=[c for c in analysis.cells if c.again])
        looks = {name: look.on(Score) for name, look in analysis.words.looks.items()}
        rows = []
        for (cell, of), values in plan.draw(rng).items():
            look = looks[of]
            metric = f"steps to {look.metric}" if look.when == "steps" else look.metric
            said = {"arm": cell.arm, **cell.columns(), "step": 60, "split": "test", "metric": metric, "measure": of}
            names = key(*said.items())
            most = 100.0 if where == "perfect" and unit_of(look.metric) == "%" else math.inf
            rows += [
                said | {"key": names[:56] + f"{seed:08x}", "seed": seed, "end": True, "value": float(value)}
                for seed, value in enumerate(np.minimum(values, most))
            ]
        arrays: dict[str, np.ndarray] = {}
        for of in looks:
            arrays |= {f"chance/{of}": np.full(len(analysis.cells), CHANCE), f"higher/{of}": np.array(True)}
            arrays[f"worst/{of}"] = np.full(len(analysis.cells), math.nan)
        with judging():
            return list(analysis.judge(table(rows), arrays))

    def outcome(self, where: Where, analysis: Any, seeds: int, number: int) -> str:
        """Of a claim that does not hold, whether any condition is supported; of one that does, whether all are."""
        found = {verdict.verdict for verdict in self.verdicts(where, analysis, seeds, number)}
        wrong = where in ("null", "bound")
        if "supported" in found and (wrong or len(found) == 1):
            return "supported"
        return next((outcome for outcome in sorted(found) if outcome != "supported"), "not judged")


@dataclass(frozen=True)
class _Plan:
    """Where every cell of a claim lies, and how far its networks lie apart."""

    words: ClaimWords
    root: Any
    seeds: int
    where: Where
    number: int
    again: list[Cell]

    def draw(self, rng: np.random.Generator) -> dict[Variable, np.ndarray]:
        """The values of each cell's networks, by seed."""
        means, loud = self.means(), 1e-3 if self.where == "perfect" else 1.0
        own = {(term.cell, term.of) for c in self.words.conditions for term in c.terms()}
        differences = all(abs(sum(term.weight for term in _signed(c))) < 1e-9 for c in self.words.conditions)
        shared = SHARED * loud * self.spread(self.words) * rng.standard_normal(self.seeds) * differences
        found = {}
        for variable, mean in means.items():
            words = self.words if variable in own or not self.words.control else self.words.control
            if words.success:
                found[variable] = _succeeding(words.success, self._succeeds(mean, rng))
            else:
                noise = loud * self.spread(words) * rng.standard_normal(self.seeds) + (
                    shared if words is self.words else 0.0
                )
                found[variable] = _unscaled(mean + noise, words.scale)
        return found

    def _succeeds(self, rate: float, rng: np.random.Generator) -> np.ndarray:
        if self.where == "perfect":
            return np.arange(self.seeds) < round(rate / 100 * self.seeds)
        return rng.random(self.seeds) < rate / 100

    def means(self) -> dict[Variable, float]:
        """Cells nearest to the middle that have the sums of this place; AssertionError if there are none."""
        words, control = self.words, self.words.control
        equations = [(_by_variable(c), self.target(i, c)) for i, c in enumerate(words.conditions)]
        if control:
            bounds, sign = _edges(control), _sign(control)
            if control.success and control.direction != "equivalent":
                right = _all_or_none(control)  # of few networks, anything less might not be told from chance
            else:
                right = sum(bounds) / 2 if control.direction == "equivalent" else bounds[sign > 0] + sign * CLEARLY
            equations += [(_by_variable(condition), right) for condition in control.conditions]
        for cell in self.again:
            equations += [
                ({(cell, of): 1.0, (self.root(replace_again(cell)), of): -1.0}, 0.0)
                for of in {term.of for c in words.conditions for term in c.terms()}
            ]
        variables = list(dict.fromkeys(v for weights, _ in equations for v in weights))
        matrix = np.array([[weights.get(v, 0.0) for v in variables] for weights, _ in equations])
        wanted = np.array([target for _, target in equations])
        start = np.full(len(variables), 0.0 if words.scale != "plain" else MIDDLE)
        found = start + np.linalg.lstsq(matrix, wanted - matrix @ start, rcond=None)[0]
        assert np.allclose(matrix @ found, wanted, atol=1e-6), f"{words.name}: no cells have these sums"
        if words.form == "peak":
            found = self._peak(variables)
        return dict(zip(variables, found.tolist(), strict=True))

    def _peak(self, variables: list[Variable]) -> np.ndarray:
        """Levels that rise to the end (no peak), are all alike (the bound), or have one inside that is higher."""
        terms = self.words.conditions[0].plus
        levels = [(term.cell, self.words.of) for term in terms]
        inside = 0.0 if self.where in ("null", "bound") else FAR * detectable(self.seeds, 0.95) * math.sqrt(2)
        inside *= terms[0].weight  # a dip is a peak of what is negative
        at = {level: MIDDLE + inside * (index == len(levels) // 2) for index, level in enumerate(levels)}
        if self.where == "null":
            at = {level: MIDDLE + index for index, level in enumerate(levels)}
        return np.array([at.get(variable, MIDDLE) for variable in variables])

    def target(self, index: int, condition: Condition) -> float:
        """What the sum of a condition is: where several must hold, one does not, and the others do by far."""
        words = self.words
        decides = words.each or index == self.number % len(words.conditions)
        where = self.where if decides or self.where == "perfect" else "beyond"
        lower, upper = _edges(words)
        if words.direction == "equivalent":
            if where in ("beyond", "perfect"):
                return (lower + upper) / 2
            further = (upper - lower) / 2 if where == "null" else 0.0
            return upper + further if self.number // len(words.conditions) % 2 else lower - further
        sign = _sign(words)
        bound = upper if sign > 0 else lower
        if where in ("null", "bound"):
            return (lower + upper) / 2 if where == "null" else bound
        if words.success:
            best = _all_or_none(words)
            return best if where == "perfect" else bound + NEARLY * (best - bound)
        return bound + sign * FAR * detectable(max(self.seeds, 2), 0.95) * self.spread(words) * _norm(condition)

    def spread(self, words: ClaimWords) -> float:
        """How far networks of a claim's or a control's cells lie apart: by as much as lets an equality be found."""
        if words.direction != "equivalent" or not words.by:
            return 1.0 if words.scale == "plain" else 0.1
        lower, upper = _edges(words)
        widest = max(_norm(condition) for condition in words.conditions)
        return (upper - lower) / 2 / (FAR * detectable(max(self.seeds, 2), 0.9) * widest)


def replace_again(cell: Cell) -> Cell:
    """The cell whose baseline was trained again."""
    return Cell(cell.arm, cell.levels)


def _sign(words: ClaimWords) -> int:
    return -1 if words.direction == "less" else 1


def _all_or_none(words: ClaimWords) -> float:
    """The best rate in per cent, or the greatest difference of two rates."""
    sign = _sign(words)
    return 100.0 * sign if words.form == "rates" else 100.0 * (sign > 0)


def _edges(words: ClaimWords) -> tuple[float, float]:
    """The smallest effects of interest on both sides, on the scale on which values are summed."""
    reference = CHANCE if words.reference == OF_CHANCE else float(words.reference)
    lower, upper = reference - words.by, reference + words.by
    return (math.log(lower), math.log(upper)) if words.form == "ratio" else (lower, upper)


def _signed(condition: Condition) -> Iterator[Term]:
    signs = (1.0,) * len(condition.plus) + (-1.0,) * len(condition.minus)
    yield from (term._replace(weight=sign * term.weight) for sign, term in zip(signs, condition.terms(), strict=True))


def _by_variable(condition: Condition) -> dict[Variable, float]:
    weights: dict[Variable, float] = {}
    for term in _signed(condition):
        weights[term.cell, term.of] = weights.get((term.cell, term.of), 0.0) + term.weight
    return weights


def _norm(condition: Condition) -> float:
    return math.sqrt(sum(weight**2 for weight in _by_variable(condition).values()))


def _unscaled(values: np.ndarray, scale: str) -> np.ndarray:
    """Values whose logarithm, or log-odds, these are."""
    if scale == "log":
        return np.exp(values)
    return 100 / (1 + np.exp(-values)) if scale == "log_odds" else values


def _succeeding(success: str, won: np.ndarray) -> np.ndarray:
    """Values that are a success, or are not."""
    sign, _, bound = success.partition(" ")
    beyond = float(bound) + (1 if sign == "<=" else -1)
    return np.where(won, float(bound), beyond)
