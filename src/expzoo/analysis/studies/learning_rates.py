"""Small, large, and large then annealed learning rates: the arms of two analyses, and their picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from expzoo.analysis import late
from expzoo.report import figures
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import Fresh
from expzoo.spec.when import at, every
from expzoo.store import records

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes

    from expzoo.analysis.contract import Setting
    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec

ARMS = ("small", "large", "annealed")
AGAIN = "small_again"  # the control whose right answer is no difference


@dataclass(frozen=True)
class Rates:
    """Learning rates, when the large one is annealed as fractions of all steps, by which factor each time."""

    small: float
    large: float
    anneal_at: tuple[float, ...]
    anneal_by: float

    def __post_init__(self) -> None:
        if not self.small < self.large:
            raise ValueError(f"small {self.small} is not less than large {self.large}")
        increasing = list(self.anneal_at) == sorted(set(self.anneal_at))
        if not self.anneal_at or not increasing or not 0 < self.anneal_at[0] <= self.anneal_at[-1] < 1:
            raise ValueError(f"anneal_at {list(self.anneal_at)} must be fractions between 0 and 1 that increase")

    def milestones(self, base: Spec) -> tuple[int, ...]:
        """The steps at which the rate drops."""
        total = base.stop.shared.at_most
        return tuple(sorted({max(1, round(total * fraction)) for fraction in self.anneal_at}))

    def plan(self, setting: Setting) -> list[tuple[str, Spec]]:
        """Arm and spec of every network; all arms of a seed share data, initialisation and order."""
        steps = self.milestones(setting.base)
        drops = Component.of("schedule", "step", milestones=steps, gamma=self.anneal_by)
        constant = Component.of("schedule", "constant")
        arms: dict[str, dict[str, Any]] = {
            "small": {"optimizer": {"lr": setting.rate * self.small}, "schedule": constant},
            "large": {"optimizer": {"lr": setting.rate * self.large}, "schedule": constant},
            "annealed": {"optimizer": {"lr": setting.rate * self.large}, "schedule": drops},
        }
        arms[AGAIN] = arms["small"] | {"init": Fresh(draw=1)}
        return [(arm, spec) for arm, changes in arms.items() for spec in setting.specs(**changes)]

    def measures(self, base: Spec, splits: Sequence[str], period: int) -> tuple[Measure, ...]:
        """Accuracy every so many steps, just before the first drop, and over the last tenth of training."""
        looks = every(period), at(self.milestones(base)[0]), late.when(base.stop.build().at_most)
        return tuple(Measure("accuracy", split, when) for split in splits for when in looks)


def rows(
    plan: Sequence[tuple[str, Spec]], networks: Sequence[Trained], splits: Sequence[str], before: int
) -> list[Any]:
    """Tidy rows of every curve, by step and epoch; `before` is true at the step just before the first drop.

    There a network that diverged earlier knows nothing, as at its end.
    """
    found = []
    steps = _steps_of_an_epoch(plan[0][1])
    for (arm, _), network in zip(plan, networks, strict=True):
        for split in splits:
            own: list[dict[str, Any]] = late.rows(network, ("accuracy", split), arm=arm, curve=True)
            if not any(row["step"] == before for row in own):
                own.append(own[-1] | {"step": before, "end": False})
            found += [row | {"epoch": row["step"] / steps, "before": row["step"] == before} for row in own]
    return found


def _steps_of_an_epoch(spec: Spec) -> float:
    """1 for data without end, where every step sees new examples."""
    dataset = spec.dataset.build()
    return len(dataset.split("train", spec.seed)) / dataset.batch_size if hasattr(dataset, "indices") else 1.0


def before(table: pl.DataFrame, arm: str, split: str = "test") -> dict[int, float]:
    """Accuracy by seed just before the first drop."""
    return records.by_seed(table, arm=arm, split=split, before=True)


def end(table: pl.DataFrame, arm: str, split: str = "test") -> dict[int, float]:
    """Accuracy by seed over the last tenth of training."""
    return records.by_seed(table, arm=arm, split=split, end=True)


def draw_curves(axes: Axes, table: pl.DataFrame, split: str, unit: str) -> None:
    """Accuracy on a split against the epoch, with the time of the first drop marked."""
    chosen = records.select(table, arm=list(ARMS), split=split)
    for arm in ARMS:
        epochs, values = records.pivot(chosen, "epoch", arm=arm)
        figures.curve(axes, epochs, values, arm, markers=8)
    drop = records.select(chosen, before=True)["epoch"][0]
    axes.axvline(drop, color="0.6", linewidth=0.8, linestyle=":")
    axes.set(xlabel="epoch", ylabel=unit, ylim=(max(axes.get_ylim()[0], 0), min(axes.get_ylim()[1], 101)))
    beside = {"xytext": (4, 3), "textcoords": "offset points", "fontsize": 8.5, "color": "0.4"}
    axes.annotate("annealed", (drop, 0), xycoords=("data", "axes fraction"), **beside)


def pairs(table: pl.DataFrame, gains: Mapping[str, tuple[dict[int, float], dict[int, float]]]) -> tuple[Any, Any]:
    """For `decide_all`: an estimator of each gain, in pairs, and how many seeds each had to leave out."""
    from functools import partial

    from expzoo.science.statistics import pair_on_seed, paired_t

    paired = {name: pair_on_seed(more, less) for name, (more, less) in gains.items()}
    measures = {name: partial(paired_t, first, second) for name, (first, second, _) in paired.items()}
    return measures, {name: dropped for name, (_, _, dropped) in paired.items()}
