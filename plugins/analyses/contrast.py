"""Claims as config: arms, what is measured, and which is greater."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from expzoo.analysis.studies.contrast.asking import Questions
from expzoo.analysis.studies.contrast.building import Builder
from expzoo.analysis.studies.contrast.contrasted import in_reach, read
from expzoo.analysis.studies.contrast.judging import judge
from expzoo.analysis.studies.contrast.pictures import draw
from expzoo.analysis.studies.contrast.seen import Seen
from expzoo.study import Count, Nested, register

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import numpy as np
    import polars as pl

    from expzoo.analysis.studies.contrast.arms import Cell
    from expzoo.analysis.studies.contrast.looks import Look
    from expzoo.study import Figure, Findings, Setting, Verdict


@register
class Contrast:
    """Trains arms that differ in any settings and decides claims about them, all of it said in YAML.

    README.md, "A claim is a config", has the words. The decision rule of each claim follows from
    them and is part of the run's name. A network that diverged counts as the worst outcome: chance
    for a score, the whole training for a number of steps, else the worst value that was seen.

    Args:
        arms: name of an arm -> settings of its networks, as they are typed on a command line.
        cross: factor -> level -> settings; every arm is trained at every level.
        sweep: setting -> values; every arm is trained at every value.
        measure: name -> what is measured, such as score/test or loss/train at step 100.
        claims: name -> what is claimed.
        tune: setting -> values; every arm gets the best of them on validation data, with seeds of their own.
        needs: what the experiment's other parts must be, in the words of `expzoo show`.
        diverged: what a network counts as that diverged: the worst outcome, or it is left out.
        every: steps between two points of the learning curves, which are drawn if it is given.
    """

    CACHE_VERSION = 1
    RULES_VERSION = 2  # 2: seeds that choose the levels of a peak for one another are not independent

    def __init__(
        self,
        *,
        arms: Nested | None = None,
        cross: Nested | None = None,
        sweep: Nested | None = None,
        measure: Nested | None = None,
        claims: Nested | None = None,
        tune: Nested | None = None,
        needs: tuple[str, ...] = (),
        diverged: Literal["worst", "drop"] = "worst",
        every: Count | None = None,
    ) -> None:
        self.words = read(
            {
                **{"arms": arms, "cross": cross, "sweep": sweep, "measure": measure},
                **{"claims": claims, "tune": tune, "needs": needs},
            }
        )
        self.NEEDS = (*needs, *["split validation"] * bool(self.words.tune))
        self.every, self.drop = every, diverged == "drop"
        self.root = Builder(self.words.arms, self.words.factors).root
        self.cells = [*self.words.cells(), *self._again()]

    def _again(self) -> list[Cell]:
        """The baselines of the claims from other starts, for the control that is made by itself."""
        found = []
        for claim in self.words.claims.values():
            if claim.control is None and claim.conditions:
                cell = self.root(claim.conditions[0].cells()[-1])
                if self.words.arms[cell.arm].init is None:
                    found.append(replace(cell, again=True))
        return list(dict.fromkeys(found))

    def measure(self, setting: Setting) -> Generator[Any, Any, Findings]:
        """Every arm at every level, one network a seed."""
        builder = Builder(self.words.arms, self.words.factors, setting.budget, setting.rate)
        return (yield from Questions(self.cells, self.words.looks, builder, self.every, self.words.tune).ask(setting))

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Every claim whose arms fit these data, by the rule that its words name."""
        return list(judge(self.words.claims, self._seen(table, arrays)))

    def out_of_reach(self, seeds: int) -> list[str]:
        """The claims that no result of so many seeds would support."""
        return [name for name, claim in self.words.claims.items() if not in_reach(claim, seeds)]

    def _seen(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Seen:
        return Seen(table, arrays, self.cells, self.root, self.drop)

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Bars for arms, curves over what is swept, and learning curves."""
        metric = {name: _words(table, name, look) for name, look in self.words.looks.items()}
        yield from draw(self.cells, metric, self._seen(table, arrays))


def _words(table: pl.DataFrame, name: str, look: Look) -> str:
    """What an axis says of a measure, with the score's own name."""
    return look.named(str(table.filter(table["measure"] == name)["metric"][0])).words
