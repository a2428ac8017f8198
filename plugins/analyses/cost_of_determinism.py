"""How much longer does training take that ends with the same bits?"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from expzoo.analysis.studies.reproducibility import children
from expzoo.study import (
    INK,
    Claim,
    Count,
    Figure,
    Findings,
    Request,
    closed_form,
    figures,
    no_difference,
    paired,
    records,
    register,
)

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    import polars as pl

    from expzoo.study import Setting, Trained, Verdict

SOURCE = "Warden (2022), whose numbers are Mall's, Realizing reproducible machine learning with TensorFlow (2019)"
PUBLISHED = "28 minutes became 105, 3.75 times; all of them by one thread instead of all"
WALL, PROCESSOR = "wall", "processor"
LEAST = float(np.log2(1.05))
NAMES = (
    "default",
    "flags",
    "one thread",
    "one thread and flags",
    "default again",
    "lightning",
    "lightning, one thread and flags",
    "expzoo",
    "expzoo, side by side",
)


def _claim(name: str, statement: str, direction: str, published: str = "") -> Claim:
    return Claim(
        name=name,
        statement=statement,
        source=SOURCE,
        published=published or "no number",
        unit="powers of two of the time",
        smallest_effect=LEAST,
        direction=direction,  # type: ignore[arg-type]
        rule="TOST" if direction == "equivalent" else "paired t",
        note="of this machine in this run",
    )


COSTS = _claim(
    "repro.determinism_costs_time",
    "One thread and deterministic algorithms take more than 1.05 times as long as all threads and any algorithm.",
    "greater",
    PUBLISHED,
)
FLAGS = _claim(
    "repro.deterministic_algorithms_cost_nothing",
    "By one thread, deterministic algorithms alone take as long as any, within 5 %.",
    "equivalent",
)
OWN = _claim(
    "expzoo.same_bits_for_less",
    "A network that expzoo trains among others, with the same bits in any company, takes less time than one of an "
    "ordinary loop that promises nothing.",
    "less",
)
PAIRS = {
    COSTS: ("one thread and flags", "default"),
    FLAGS: ("one thread and flags", "one thread"),
    OWN: ("expzoo, side by side", "default"),
}


@register
class CostOfDeterminism:
    """Times the same training on all threads or one, with deterministic algorithms or without, and by expzoo.

    In one process of its own, in alternating order, after a round that is not counted. A unit is a
    round, one for each seed of the population: its times are of the machine as it was then. expzoo
    trains one network, and many side by side, of which the time for each is taken.

    Args:
        steps: of each training.
        threads: how many all threads are.
        together: networks of the population.
    """

    NEEDS = ("targets classes", "finite", "split test")
    CACHE_VERSION = 1
    RULES_VERSION = 1

    def __init__(self, *, steps: Count = 4, threads: Count = 2, together: Count = 4) -> None:
        self.steps, self.threads, self.together = steps, threads, together

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]:
        """As many rounds as there are seeds."""
        yield Request(())
        spec, findings = setting.base.replace(seed=setting.seeds[0]), Findings()
        rounds = children.timed(
            spec, threads=self.threads, steps=self.steps, rounds=len(setting.seeds), together=self.together
        )
        for row in rounds:
            key = closed_form.key_of(analysis="cost_of_determinism", spec=spec.key, way=row["way"], steps=self.steps)
            seed = setting.seeds[row["round"]]
            values = {("log2_seconds", records.THIS_RUN): float(np.log2(row["seconds"]))}
            findings.rows += closed_form.rows(key, seed, values, arm=row["way"], clock=row["clock"])
        return findings

    def judge(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Sequence[Verdict]:
        """Differences of the logarithm of wall time, round by round; what the processor says is told."""

        def seen(arm: str, clock: str = WALL) -> dict[int, float]:
            return records.by_seed(table, arm=arm, clock=clock, metric="log2_seconds")

        same = no_difference("the ordinary loop timed twice", seen("default again"), seen("default"))
        found = []
        for claim, (treatment, baseline) in PAIRS.items():
            verdict = paired(claim, seen(treatment), seen(baseline), control=same)
            spent = [_median(seen(treatment, clock)) - _median(seen(baseline, clock)) for clock in (WALL, PROCESSOR)]
            told = f"{2 ** spent[0]:.2f} times the wall time, {2 ** spent[1]:.2f} times the processor time"
            found.append(replace(verdict, note="; ".join(filter(None, [verdict.note, told]))))
        return found

    def draw(self, table: pl.DataFrame, arrays: Mapping[str, np.ndarray]) -> Iterator[Figure]:
        """Times beside that of the ordinary loop, by both clocks; the document's beside them."""
        picture, [axes] = figures.canvas(1, 1, height=4.2, width=9.5)
        for number, clock in enumerate((WALL, PROCESSOR)):
            seen = {arm: records.by_seed(table, arm=arm, clock=clock, metric="log2_seconds") for arm in NAMES}
            ratios = [[seen[arm][seed] - seen["default"][seed] for arm in NAMES[1:]] for seed in seen["default"]]
            names = [name.replace(", ", ",\n").replace(" and ", "\nand ") for name in NAMES[1:]]
            figures.bars(axes, names, np.array(ratios), f"{clock} time", position=(number, 2))
        published = float(np.log2(105 / 28))
        axes.axhline(published, color=INK, linewidth=1, linestyle=":")
        axes.text(len(NAMES) - 1.5, published, "28 to 105 minutes (2019)", ha="right", va="bottom")
        axes.set(ylabel="log2 of the time beside the default's")
        axes.tick_params(axis="x", labelsize=7)
        figures.legend(axes)
        caption = (
            "The same number of steps of the same network, in alternating rounds; default is a loop of PyTorch on all "
            f"threads ({self.threads} here). expzoo's is for each network: alone, and of {self.together} side by side. "
            "Times are of this machine in this run. Means over rounds with 95 % Student intervals."
        )
        yield Figure("times", "The price of the same bits", caption, picture, table)


def _median(values: Mapping[int, float]) -> float:
    return float(np.median([*values.values()]))
