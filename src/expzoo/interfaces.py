"""What each kind of plugin must be. A plugin file need not import this: it only has to fit."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from matplotlib.figure import Figure as MatplotlibFigure
    from torch import Tensor, nn

    from expzoo.claims import Verdict
    from expzoo.spec import Spec
    from expzoo.trained import Request, Trained


@dataclass(frozen=True)
class Split:
    """A finite set of examples: `x` (n, *inputs) float32, `y` (n,) int64 or (n, *targets) float32."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


class Dataset(Protocol):
    """A finite dataset, a function of counters: nothing of order or noise is ever stored.

    `inputs` is the shape of one example, `outputs` the number of classes. Equal `identity` means shared data.
    """

    inputs: tuple[int, ...]
    outputs: int
    batch_size: int

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its data from: equal identities mean equal splits."""
        ...

    def split(self, name: str, seed: int) -> Split:
        """The split called train, validation, test or fresh, as the member with this seed sees it."""
        ...

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training examples steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        ...


class Model(Protocol):
    """An ordinary `nn.Module` class whose two positional arguments come from the dataset."""

    def __call__(self, inputs: tuple[int, ...], outputs: int, **options: Any) -> nn.Module: ...


class Optimizer(Protocol):
    """Updates rows in place. `state` names the matrices it needs, each like theta and zero at the start."""

    state: tuple[str, ...]
    lr: float

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update of `theta`, whose size is a multiple of 64; `step` counts from 1, a 0-d float tensor."""
        ...


class Schedule(Protocol):
    """The learning rate over time, as a factor of the optimizer's."""

    def factor(self, step: int, steps: int) -> float: ...


class Loss(Protocol):
    """The training loss of ONE network on one batch, a 0-d tensor."""

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor: ...


class Stop(Protocol):
    """When training ends: after `at_most` steps, or earlier if `done` says so at a multiple of `every` steps.

    `every` of 0 means never asked.
    """

    at_most: int
    every: int

    def done(self, train_loss: float, validation: dict[str, list[float]]) -> bool: ...


@dataclass(frozen=True)
class Setting:
    """What an analysis is given: the base spec that the config describes, and one seed for each replicate."""

    base: Spec
    seeds: tuple[int, ...]
    budget: str
    experiment: str = ""

    def specs(self, **changes: Any) -> list[Spec]:
        """The base spec with these changes, once for each seed."""
        return [self.base.replace(seed=seed, **changes) for seed in self.seeds]


@dataclass
class Findings:
    """What an analysis measured: tidy rows (see `records.COLUMNS`) and named arrays for its pictures."""

    rows: list[dict[str, Any]] = field(default_factory=list)
    arrays: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True)
class Figure:
    """One picture and the numbers it shows."""

    name: str
    title: str
    caption: str
    figure: MatplotlibFigure
    data: pl.DataFrame


class Analysis(Protocol):
    """Asks for networks, measures them, judges claims and draws: three layers, so that drawing again trains nothing."""

    def measure(self, setting: Setting) -> Generator[Request, list[Trained], Findings]: ...

    def judge(self, records: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Sequence[Verdict]: ...

    def draw(self, records: pl.DataFrame, arrays: dict[str, np.ndarray]) -> Iterable[Figure]: ...
