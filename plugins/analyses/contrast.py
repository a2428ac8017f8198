"""Claims as config: arms, what is measured, and which is greater."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from expzoo.analysis.studies.contrast.asking import Questions
from expzoo.analysis.studies.contrast.building import Builder
from expzoo.analysis.studies.contrast.contrasted import in_reach, read
from expzoo.analysis.studies.contrast.judging import judge
from expzoo.analysis.studies.contrast.pictures import Shown, draw
from expzoo.analysis.studies.contrast.seen import Seen
from expzoo.study import Count, Nested, register

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.analysis.studies.contrast.arms import Cell
    from expzoo.analysis.studies.contrast.looks import Look
    from expzoo.study import Figure, Findings, Setting, Verdict


@register
class Contrast:
    """Trains arms that differ in any settings and decides claims about them, all of it said in YAML.

    README.md, "A claim is a config", has the words. The decision rule of each claim follows from
    them and is part of the run's name. A network that diverged counts as the worst outcome: chance
    for a score, the whole training for a number of steps, else the worst value that was seen. One
    that never came to where it was to be looked at has no value, and is left out.

    Args:
        arms: name of an arm -> settings of its networks, as they are typed on a command line.
        cross: factor -> level -> settings; every arm is trained at every level.
        sweep: setting -> values; every arm is trained at every value.
        measure: name -> what is measured, such as score/test or loss/train at step 100.
        claims: name -> what is claimed.
        tune: setting -> values; every arm gets the best of them on validation data, with seeds of their own, or by
            the loss of `by`, such as loss/train, where claims are of that.
        needs: what the experiment's other parts must be, in the words of `expzoo show`.
        home: datasets and models, such as dataset=mnist1d, for which `published` and the claims' names hold.
        published: a measure, or a success -> source and values by arm, marked in its picture at home.
        diverged: what a network counts as that diverged: the worst outcome, or it is left out.
        every: steps between two points of the learning curves, which are drawn if it is given.
    """

    CACHE_VERSION = 1
    ADDED = ("home", "published")
    RULES_VERSION = 4  # 2: seeds that choose a peak's levels; 3: controls of rates; 4: outliers of ratios; looks never

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
        home: tuple[str, ...] = (),
        published: Nested | None = None,
        diverged: Literal["worst", "drop"] = "worst",
        every: Count | None = None,
    ) -> None:
        self.words = read(
            {
                **{"arms": arms, "cross": cross, "sweep": sweep, "measure": measure},
                **{"claims": claims, "tune": tune, "needs": needs, "home": home, "published": published},
            }
        )
        self.HOME = home
        self.NEEDS = (*needs, *["split validation"] * (bool(self.words.tune) and self.words.tuned_by != "train"))
        self.every, self.drop = every, diverged == "drop"
        self.successes, self.means = self.words.shown(named={*(measure or {}), *self.words.published})
        self.root = Builder(self.words.arms, self.words.factors).root
        self.cells = [*self.words.cells(), *self._again()]

    def _again(self) -> list[Cell]:
        """The baselines of the claims from other starts, for the control that is made by itself."""
        found = []
        for claim in self.words.claims.values():
            if claim.control is None and claim.form not in ("rate", "rates"):
                cell = self.root(claim.conditions[0].cells()[-1])
                if self.words.arms[cell.arm].init is None:
                    found.append(replace(cell, again=True))
        return list(dict.fromkeys(found))

    def measure(self, setting: Setting) -> Generator[Any, Any, Findings]:
        """Every arm at every level, one network a seed."""
        builder = Builder(self.words.arms, self.words.factors, setting.budget, setting.rate)
        questions = Questions(self.cells, self.words.looks, builder, self.every, self.words.tune, self.words.tuned_by)
        findings = yield from questions.ask(setting)
        if not setting.meets(self.HOME):
            findings.arrays["away"] = np.ones(1)
        return findings

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
        words = {name: _words(table, name, look) for name, look in self.words.looks.items()}
        published = {} if "away" in arrays else self.words.published
        shown = [Shown(name, told, published=published.get(name)) for name, told in words.items() if name in self.means]
        shown += [Shown(of, words[of], success, published.get(f"{of} {success}")) for of, success in self.successes]
        yield from draw(self.words.drawn(), shown, self._seen(table, arrays))


def _words(table: pl.DataFrame, name: str, look: Look) -> str:
    """What an axis says of a measure, with the score's own name."""
    return look.named(str(table.filter(table["measure"] == name)["metric"][0])).words
