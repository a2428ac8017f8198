"""What worlds are made of: a claim, where its effect lies, and records that an analysis could have measured."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol
from unittest import mock

import numpy as np
import polars as pl

from expzoo.config.registry import build
from expzoo.science import claims, controls, resampling
from expzoo.science.numerics import power_law
from expzoo.science.statistics import no_interval
from expzoo.store import records

if TYPE_CHECKING:
    from expzoo.science.claims import Claim
    from expzoo.science.verdicts import Verdict

Where = Literal["null", "bound", "beyond", "perfect"]
Cells = Sequence[tuple[Mapping[str, Any], float]]
"""The columns of each cell and its mean."""
DOWN = ("less",)
RESAMPLES = 299
GRID, ZOOMS = 33, 3  # exponents to a thousandth
BOOTSTRAP = resampling._bootstrap
CONDITION = claims._condition


class Simulated(Protocol):
    """A claim in a world in which its effect is known."""

    analysis: Any
    seeds: Any

    @property
    def name(self) -> str:
        """Of the claim."""
        ...

    def build(self) -> Any:
        """The analysis that judges it."""
        ...

    def verdicts(self, where: Where, analysis: Any, seeds: int, number: int) -> list[Verdict]:
        """What is said of one draw."""
        ...

    def outcome(self, where: Where, analysis: Any, seeds: int, number: int) -> str:
        """The same in short; "not judged" if the analysis does not judge the claim."""
        ...


@dataclass
class Draw:
    """One draw of a world: whose analysis, how many seeds, the claim's true effect, and its random numbers.

    `strong` is an effect well beyond, for what else the claim needs; `noise` is 1, and next to nothing
    where the result is to be perfect.
    """

    analysis: Any
    claim: Claim
    seeds: int
    effect: float
    strong: float
    where: Where
    noise: float
    rng: np.random.Generator

    def normal(self, deviation: float, *shape: int) -> np.ndarray:
        """Normal numbers of this deviation."""
        return self.noise * deviation * self.rng.standard_normal(shape)

    def succeeds(self, rate: float, *shape: int) -> np.ndarray:
        """Zeros and ones, of which so many per cent are ones; exactly so many where it is perfect."""
        if self.where == "perfect":
            ranks = np.arange(int(np.prod(shape))).reshape(shape)
            return (ranks < round(rate / 100 * ranks.size)).astype(float)
        return (self.rng.random(shape) < rate / 100).astype(float)


Made = tuple[pl.DataFrame, dict[str, np.ndarray]]


@dataclass(frozen=True, eq=False)
class World:
    """How the tables of one claim are made: `make` gives records and arrays, `scale` is an effect that is large.

    `null` is the effect where there is none, by default none over the reference.
    """

    analysis: str
    claim: Claim
    make: Callable[[Draw], Made]
    scale: float
    seeds: int = 8
    options: Mapping[str, Any] = field(default_factory=dict)
    null: float | None = None
    suffix: str = ""

    def effect(self, where: Where) -> float:
        """The effect at a place: none, the bound itself, or as far beyond as one could wish."""
        claim = self.claim
        if claim.direction == "equivalent":
            outside = claim.reference + claim.smallest_effect
            return {"null": outside + self.scale, "bound": outside}.get(where, claim.reference)
        sign = -1 if claim.direction in DOWN else 1
        bound = claim.reference + sign * claim.smallest_effect
        none = claim.reference if self.null is None else self.null
        return {"null": none, "bound": bound}.get(where, bound + sign * self.scale)

    def build(self) -> Any:
        """The analysis of this world."""
        return build("analysis", self.analysis, **self.options)

    @property
    def name(self) -> str:
        """Of the claim."""
        return self.claim.name

    def drawn(self, where: Where, analysis: Any, seeds: int, number: int) -> tuple[Any, Any]:
        """The table and the arrays of one draw of this world."""
        strong = self.effect("beyond") if self.claim.direction != "equivalent" else self.claim.reference
        noise = 1e-3 if where == "perfect" else 1.0
        rng = generator(self.claim.name, where, number)
        return self.make(Draw(analysis, self.claim, seeds, self.effect(where), strong, where, noise, rng))

    def verdicts(self, where: Where, analysis: Any, seeds: int, number: int) -> list[Verdict]:
        """What is said of one draw of this world; nothing if the analysis does not judge the claim."""
        table, arrays = self.drawn(where, analysis, seeds, number)
        name = self.claim.name + self.suffix
        with judging(name, resampled="bootstrap" in self.claim.rule):
            return [verdict for verdict in analysis.judge(table, arrays) if verdict.claim == name]

    def outcome(self, where: Where, analysis: Any, seeds: int, number: int) -> str:
        """What is said in short; "not judged" if the analysis does not judge the claim."""
        found = self.verdicts(where, analysis, seeds, number)
        return found[0].verdict if found else "not judged"


@contextmanager
def judging(name: str = "", *, resampled: bool = True) -> Iterator[None]:
    """Thousands of tables are judged: with fewer resamples, coarser fits, and nothing said of power.

    Conditions of claims other than `name` are not estimated, if it is given, and none is by a
    bootstrap unless the claim's rule is one.
    """

    def condition(claim: Claim, *args: Any) -> Verdict:
        if name.startswith(claim.name) or not name:
            return CONDITION(claim, *args)
        return claims.decide(claim, no_interval(float("nan"), 0, claim.level, claim.rule))

    with ExitStack() as patched:
        for where, what, instead in (
            (resampling, "_bootstrap", _fewer if resampled else _none),
            (power_law, "_GRID", GRID),
            (power_law, "_ZOOMS", ZOOMS),
            (claims, "_condition", condition),
            (claims, "needed", lambda *_: None),
            (controls, "detectable", lambda *_: float("nan")),
            (controls, "detectable_difference", lambda *_: float("nan")),
        ):
            patched.enter_context(mock.patch.object(where, what, instead))
        yield


def generator(*parts: object) -> np.random.Generator:
    """Random numbers for these parts."""
    return np.random.default_rng(int(key(*parts), 16))


def _fewer(statistic: Any, n: int, method: Any, level: float, draws: int, seed: int, **how: bool) -> Any:
    """The bootstrap with fewer resamples, since thousands of tables are judged."""
    return BOOTSTRAP(statistic, n, method, level, min(draws, RESAMPLES), seed, **how)


def _none(_: Any, n: int, method: Any, level: float, *rest: Any, **how: bool) -> Any:
    """No bootstrap: what it would say is of another claim."""
    return no_interval(float("nan"), n, level, method)


def key(*parts: object) -> str:
    """A key for these parts."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()


def filled(draw: Draw, cells: Cells, deviation: float = 1.0, shared: float = 2.0) -> list[dict[str, Any]]:
    """Rows of every cell for every seed: its mean, what the seed shares with all cells, and noise of its own."""
    common = draw.normal(shared, draw.seeds)
    own = draw.normal(deviation, len(cells), draw.seeds)
    return [
        row(seed, **columns, value=mean + common[seed] + own[index, seed])
        for index, (columns, mean) in enumerate(cells)
        for seed in range(draw.seeds)
    ]


def row(seed: int, *, value: float, **columns: Any) -> dict[str, Any]:
    """One row; what it does not say is the accuracy on test data at the end of one step."""
    said = {"arm": "", "step": 1, "split": "test", "metric": "accuracy"} | columns
    return {"key": key(seed, *sorted(said.items())), "seed": seed, "value": float(value)} | said


def table(rows: Sequence[Mapping[str, Any]] | Iterator[Mapping[str, Any]]) -> pl.DataFrame:
    """The rows as records."""
    return records.frame([*rows])
