"""What each kind of component must be. A plugin file need not import this: it only has to fit."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from torch import Tensor, nn

    from expzoo.spec.layout import Layout
    from expzoo.system.canonical import Option


@dataclass(frozen=True)
class Split:
    """A finite set of examples: `x` (n, *inputs) float32, tokens int64; `y` (n,) int64 or (n, *targets) float32."""

    x: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.x)


class Dataset(Protocol):
    """A finite dataset, a function of counters: nothing of order or noise is ever stored.

    `inputs` is the shape of one example, `outputs` the number of classes. Equal `identity` means
    shared data. The class of one that may have to fetch files says so by `DOWNLOADS = True`; then
    its constructor does, before any training.
    """

    inputs: tuple[int, ...]
    outputs: int
    batch_size: int
    redraws: bool  # false unless it says so: see `Redrawing`

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its data from: equal identities mean equal splits."""
        ...

    def split(self, name: str, seed: int) -> Split:
        """The split called train, validation, test or fresh, as the member with this seed sees it."""
        ...

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training examples steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        ...


@runtime_checkable
class Stream(Protocol):
    """Data without end: a batch is a function of (seed, step), and no example is seen twice but by chance.

    Its splits are finite; train is a sample of what members are trained on. `batch_last` says that
    the examples of a batch lie innermost in memory, as convolutions want them.
    """

    inputs: tuple[int, ...]
    outputs: int
    batch_size: int
    batch_last: bool

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its splits from: equal identities mean equal splits."""
        ...

    def split(self, name: str, seed: int) -> Split:
        """The split called train, validation, test or fresh, as the member with this seed sees it."""
        ...

    def batches(self, seeds: Sequence[int], start: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
        """What members with these seeds see in steps start..stop-1, of any numeric type.

        x (stop - start, members, batch_size, *inputs) and y (stop - start, members, batch_size, ...).
        """
        ...


class Redrawing(Dataset, Protocol):
    """A finite dataset that `redraws` its batches at each step, false unless it says so: augmented, or drawn again."""

    def source(self, seed: int) -> Split:
        """The examples as they are before: as many as in the training split, and in its order."""
        ...

    def redrawn(self, x: Tensor, indices: np.ndarray, seed: int, step: int) -> Tensor:
        """The batch x (batch, *inputs) of the source's examples `indices` (batch,), as this step sees it.

        A function of these arguments alone, on the device of x.
        """
        ...


class Model(Protocol):
    """An ordinary `nn.Module` class whose two positional arguments come from the dataset."""

    def __call__(self, inputs: tuple[int, ...], outputs: int, **options: Option) -> nn.Module: ...


class Optimizer(Protocol):
    """Updates rows in place. `state` names the matrices it needs, each like theta and zero at the start.

    One that is `noisy`, false unless it says so, finds standard normal numbers like theta in `state["noise"]`.
    """

    noisy: bool
    state: tuple[str, ...]
    lr: float

    def step(self, theta: Tensor, grad: Tensor, state: dict[str, Tensor], lr: float, step: Tensor) -> None:
        """One update of `theta`, whose size is a multiple of 64; `step` counts from 1, a 0-d float tensor."""
        ...


class Schedule(Protocol):
    """The learning rate over time, as a factor of the optimizer's, and how batches grow.

    One with a method `batches(step, steps)` takes, in that step, the mean over so many batches of
    the dataset's `batch_size`, one after the other in the dataset's order; without one it is None,
    and every step is of one batch.
    """

    batches: Callable[[int, int], int] | None

    def factor(self, step: int, steps: int) -> float: ...


class Loss(Protocol):
    """The training loss of ONE network on one batch, a 0-d tensor.

    One that has `worst(classes)` says what a network gets that knows nothing: one that diverged
    counts as that. `of_probabilities` says whether one output alone is the probability of class 1
    to it, false unless it says so: then it is the logit.
    """

    of_probabilities: bool

    def __call__(self, outputs: Tensor, targets: Tensor) -> Tensor: ...


class Constraint(Protocol):
    """Acts on rows after each step, and on the first row."""

    def project(self, theta: Tensor, layout: Layout) -> None:
        """Bring rows (members, size) back to where they must be, in place, each by itself."""
        ...


class Parametrisation(Protocol):
    """What is trained is a row z; what is evaluated is w = weights(z, fixed, place).

    `maps` says whether w differs from z; if not, `weights` and `pull_back` are never called.
    `num_fixed` is how many rows of other networks it is built on, `middle` the place at which a
    network is evaluated. What is not trainable keeps its initial values, or is zero if it `prunes`,
    false unless it says so.
    """

    maps: bool
    prunes: bool
    num_fixed: int
    middle: float

    def size(self, layout: Layout) -> int:
        """The length of a row z, a multiple of 64."""
        ...

    def trainable(self, layout: Layout) -> np.ndarray | None:
        """What of a row z is trained, (size,) of bool; None for all of it."""
        ...

    def start(self, first: Tensor, fixed: Tensor) -> Tensor:
        """The first z (size of z,) from the initial weights (size of w,) and the fixed rows (num_fixed, size of w)."""
        ...

    def weights(self, z: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """W (members, size of w) of z (members, size of z), fixed (members, num_fixed, size of w), place (members,)."""
        ...

    def pull_back(self, grad: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """The gradient with respect to z from that with respect to w."""
        ...


class Stop(Protocol):
    """When training ends: after `at_most` steps, or earlier if `done` says so at a multiple of `every` steps.

    `every` of 0 means never asked. `watches` is the (metric, split) it looks at. `must_end` says
    whether a network that gets to `at_most` is one that did not make it, with the status
    not_fitted. A rule with a method `best(history)`, the index of the best look so far, has the row
    of that look kept as the event "best"; without one it is None.
    """

    best: Callable[[list[float]], int] | None

    at_most: int
    every: int
    watches: tuple[str, str]
    must_end: bool

    def done(self, history: list[float]) -> bool:
        """Whether a network is finished for which these values were seen, one for each look, the last one now."""
        ...
