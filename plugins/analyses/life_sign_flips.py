"""How many wrong signs does a lucky start survive?"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated

import numpy as np
import polars as pl

from expzoo.analysis.studies.life import claims, reach
from expzoo.analysis.studies.life import networks as life
from expzoo.analysis.studies.life.networks import Cell
from expzoo.analysis.studies.life.settings import check, refuse_lists
from expzoo.study import (
    BadInput,
    Control,
    Figure,
    Findings,
    Natural,
    Range,
    Request,
    SelfTest,
    SignFlip,
    cluster_bootstrap,
    decide,
    figures,
    member_seed,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from expzoo.study import Setting, Trained, Verdict

DECIDED_AT = 6  # flips: the upper end of what Springer & Kenyon say
SET_BY = dict.fromkeys(
    ("dataset.steps", "model.steps", "model.m_factor", "model.d_factor"), "its claim, about the smallest network"
)
REPEATED = "again"  # the control: the same start and the same order of the data


@register
class LifeSignFlips:
    """Looks for starts that lead to success, flips signs of their weights at random and trains again.

    Each trial has its own choice of signs and its own order of the data; with no flip the order
    alone is new. Success rates are means over starts, with whole starts resampled. The smallest
    smooth network is used, for one step.

    Args:
        searched: how many starts are tried to find lucky ones.
        lucky: how many of those that succeed are used at most, the first ones.
        flips: trials for each start and number of flips.
        ks: how many signs are flipped.
    """

    NEEDS = ("dataset=life", "model=life_net")
    CACHE_VERSION = 1

    def __init__(
        self,
        *,
        searched: Annotated[int, Range(1, 10_000)] = 120,
        lucky: Annotated[int, Range(1, 10_000)] = 10,
        flips: Annotated[int, Range(1, 1000)] = 6,
        ks: tuple[Natural, ...] = (0, 1, 2, 4, 6),
    ) -> None:
        refuse_lists(ks=ks)
        self.searched = searched
        self.lucky = lucky
        self.flips = flips
        self.ks = tuple(ks)

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """First the search, then the trials of those that it found."""
        check(setting.base, SET_BY)
        base = Cell("smooth").spec(setting.base)
        self._check_signs(setting.shapes())
        seeds = [member_seed(setting.seeds[0], index) for index in range(self.searched)]
        candidates = tuple(base.replace(seed=seed) for seed in seeds)
        networks = yield Request(candidates, life.MEASURES, steps=(0,))
        findings = Findings([row for network in networks for row in network.rows(*life.WANTED, arm="searched")])
        found = [network for network in networks if network.value(life.SUCCESS) == 100][: self.lucky]
        plan = [
            (of, k, trial, of.spec.replace(seed=member_seed(of.spec.seed, trial), init=SignFlip(of.spec, k, trial)))
            for of in found
            for k in self.ks
            for trial in range(self.flips)
        ]
        if not plan:
            return findings
        same = tuple(of.spec.replace(init=SignFlip(of.spec, 0)) for of in found)
        trials = yield Request(tuple(spec for *_, spec in plan), life.MEASURES) + Request(same, life.MEASURES)
        for (of, k, trial, _), network in zip(plan, trials, strict=False):
            columns = {"arm": "flipped", "k": k, "trial": trial, "of": of.key}
            findings.rows += network.rows((life.SUCCESS, "test"), **columns)
        for of, network in zip(found, trials[len(plan) :], strict=True):
            findings.rows += network.rows((life.SUCCESS, "test"), arm=REPEATED, k=0, trial=0, of=of.key)
        return findings

    def _check_signs(self, shapes: Mapping[str, tuple[int, ...]]) -> None:
        """BadInput if more signs are to be flipped than there are weights."""
        weights = sum(math.prod(shape) for name, shape in shapes.items() if name.endswith("weight"))
        if too_many := [k for k in self.ks if k > weights]:
            raise BadInput(f"analysis.life_sign_flips.ks {too_many}: the network has {weights} weights")

    def out_of_reach(self, seeds: int) -> list[str]:
        """The claim, if even a perfect result of so few lucky starts would not support it."""
        return reach.out_of_reach({claims.SIGNS: min(self.lucky, self.searched)})

    def judge(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]:
        """The success rate with six flips, whole starts resampled."""
        lucky = "of" in table.columns
        if not lucky or DECIDED_AT not in self.ks:
            empty = cluster_bootstrap([], lambda values: float(values.mean()))
            untried = f"decided at {DECIDED_AT} flips, which ks={list(self.ks)} does not have"
            note = untried if lucky else f"none of {self.searched} starts was lucky"
            return [replace(decide(claims.SIGNS, empty), n=self.searched, n_needed=None, note=note)]
        again = records.select(table, arm=REPEATED)["value"].to_list()
        repeated = f"{sum(value == 100 for value in again)} of {len(again)}"
        same = SelfTest("the same start and data succeed again", min(again) == 100, repeated)
        estimate = cluster_bootstrap(_clusters(table, DECIDED_AT), lambda values: float(values.mean()))
        verdict = decide(claims.SIGNS, estimate, control=[*self._unflipped(table), same])
        rates = ", ".join(f"{float(np.concatenate(_clusters(table, k)).mean()):.0f} % at {k}" for k in self.ks)
        note = f"{verdict.note}; by number of flips: {rates}".lstrip("; ")
        if verdict.n_needed:  # a start is no seed of the run's, so another population would not settle it
            note += f"; analysis.life_sign_flips.lucky={verdict.n_needed} would settle it"
        return [replace(verdict, n_needed=None, note=note)]

    def _unflipped(self, table: pl.DataFrame) -> Iterator[Control]:
        """That the orders of the data alone, with no sign flipped, do not break the starts; if that was tried."""
        if 0 in self.ks:
            plain = cluster_bootstrap(_clusters(table, 0), lambda values: float(values.mean()))
            seen = f"{plain.effect:.0f} % [{plain.low:.0f}, {plain.high:.0f}] of the runs"
            name = "with no sign flipped more than half of the runs succeed"
            all_succeed = plain.effect == 100  # which gives few starts no interval
            yield Control(name, all_succeed or plain.low > claims.SIGNS.reference, seen)

    def draw(self, table: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterator[Figure]:
        """Success against the number of flips, each start a line."""
        if "of" not in table.columns:
            return
        picture, (axes,) = figures.canvas()
        rows = []
        for k in self.ks:
            clusters = _clusters(table, k)
            estimate = cluster_bootstrap(clusters, lambda values: float(values.mean()), draws=1999)
            rows.append((k, estimate.effect, estimate.low, estimate.high, len(clusters)))
        data = pl.DataFrame(rows, ["flips", "percent", "low", "high", "starts"], orient="row")
        x, effect, low, high = (data[name].to_numpy() for name in ("flips", "percent", "low", "high"))
        each = np.array([[float(values.mean()) for values in _clusters(table, k)] for k in self.ks]).T
        for line in each:
            axes.plot(x, line, color="0.6", linewidth=0.8, alpha=0.6, zorder=1)
        figures.curve(axes, x, effect, "smallest network", low=low, high=high)
        axes.set(xlabel="signs flipped", ylabel="runs that succeed (%)", ylim=(-4, 104), xticks=x)
        caption = "Mean over lucky starts, each a thin line, with the 95 % interval of resampling whole starts."
        yield Figure("sign_flips", "Flipped signs of lucky starts", caption, picture, data)


def _clusters(table: pl.DataFrame, k: int) -> list[np.ndarray]:
    """The trials of each start in percent; a network that diverged did not succeed."""
    rows = records.select(table, arm="flipped", k=k).sort("of", "trial")
    return [np.nan_to_num(group["value"].to_numpy()) for _, group in rows.group_by("of", maintain_order=True)]
