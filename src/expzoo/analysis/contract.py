"""What an analysis is, what it is given and what it gives: it asks, measures, judges and draws."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol, Unpack

from expzoo.analysis import needs
from expzoo.spec.score import Nature, Score, nature
from expzoo.system.errors import Unfit

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from expzoo.lab.request import Request
    from expzoo.lab.trained import Trained
    from expzoo.report.figures.figure import Figure
    from expzoo.science.verdicts import Verdict
    from expzoo.spec.spec import Changes, Spec
    from expzoo.store.records import Row


@dataclass(frozen=True)
class Setting:
    """What an analysis is given: the base spec that the config describes, and one seed for each replicate.

    Where robustness asks again, the base is changed already; `rate` is by how much learning rates
    that are not the base's own are to be changed as well, `fixed` names what is not tuned then. What
    is asked again is judged, not drawn.
    """

    base: Spec
    seeds: tuple[int, ...]
    budget: str
    rate: float = 1.0
    fixed: tuple[str, ...] = ()

    @property
    def asked_again(self) -> bool:
        """Whether this is a setting of robustness, of which verdicts alone are shown."""
        return self.rate != 1 or bool(self.fixed)

    def specs(self, **changes: Unpack[Changes]) -> list[Spec]:
        """The base spec with these changes, once for each seed."""
        return [self.base.replace(seed=seed, **changes) for seed in self.seeds]

    @cached_property
    def nature(self) -> Nature:
        """What the base dataset is: its sorts of inputs and targets."""
        return nature(self.base.dataset)

    @cached_property
    def scores(self) -> tuple[Score, ...]:
        """The scores of the base dataset, the one that decides first."""
        return tuple(map(Score.of, self.nature.scores))

    @property
    def score(self) -> Score:
        """What a person would read of a network on these data, such as its accuracy."""
        return self.scores[0]

    def meets(self, home: Sequence[str]) -> bool:
        """Whether this is where an analysis's published values belong: its HOME, see `analysis.needs`."""
        return not needs.away(home, {"dataset": self.base.dataset.name, "model": self.base.model.name})

    def choices(self, option: str) -> tuple[object, ...]:
        """What an option of the base's dataset can be, such as its views; empty if it has none of this name."""
        return needs.choices(self.base.dataset, option)

    def subset(self, size: int) -> Spec:
        """The base spec with so many training examples, and batches that are no larger; Unfit if it cannot be."""
        options = dict(self.base.dataset.options)
        if "train_size" not in options:
            raise Unfit(
                f"it needs a dataset of which a part can be taken, and {self.base.dataset.name} has no train_size"
            )
        batch_size = min(self.base.dataset.option("batch_size", int), size)
        return self.base.replace(dataset={"train_size": size, "batch_size": batch_size})

    def chance(self, split: str = "test") -> float:
        """The score of answers that do not depend on the input, on the data of the first seed."""
        return self.score.chance(self.base.dataset.build(), self.seeds[0], split)

    def sized(self, size: int) -> Spec:
        """The base spec with a model of this size: its width, channels or filters; Unfit if it has none."""
        option = needs.size_option(self.base)
        if option is None:
            raise Unfit(f"it needs a model of which one option is the size: model={self.base.model.name} names none")
        return self.base.replace(model={option: size})

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of each parameter of the base network, in order; for questions that come before any training."""
        from expzoo.spec.component import built

        module = built(self.base.model, self.base.dataset.build(), self.base.seed)
        return {name: tuple(value.shape) for name, value in module.named_parameters()}


@dataclass
class Findings:
    """What an analysis measured: tidy rows (see `records.COLUMNS`) and named arrays for its pictures."""

    rows: list[Row] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


class Analysis(Protocol):
    """Asks for networks, measures them, judges claims and draws: three layers, so that drawing again trains nothing.

    `NEEDS` says what it needs of the experiment's other parts, see `analysis.needs`; what depends
    on its options it says by raising `Unfit` before its first question. `HOME` says where its
    published values belong: elsewhere its verdicts ask the same question and name no number.
    """

    NEEDS: tuple[str, ...]
    HOME: tuple[str, ...]

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]: ...

    def judge(self, records: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]: ...

    def draw(self, records: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterable[Figure]: ...
