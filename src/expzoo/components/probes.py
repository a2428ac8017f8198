"""What a probe sees: one network at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from jaxtyping import Float, Shaped
    from torch import Tensor

    from expzoo.science.numerics.empirical import EmpiricalLoss
    from expzoo.spec.layout import Layout


class Probe(Protocol):
    """Maps the weights of ONE network to a number. `on_split` says whether it looks at data, too."""

    on_split: bool

    def __call__(self, point: Point) -> float: ...


@dataclass(frozen=True)
class Point:
    """One network at one moment, all in float64. A row has the padding of `layout`, whose entries are zero."""

    row: Float[Tensor, " size"]
    layout: Layout
    loss: EmpiricalLoss
    _data: Callable[[], tuple[Tensor, Tensor]] = field(repr=False)
    _first: Callable[[], Tensor] = field(repr=False)
    _mask: Callable[[], Tensor | None] = field(repr=False)

    @cached_property
    def first(self) -> Float[Tensor, " size"]:
        """The row it was initialised at."""
        return self._first()

    @cached_property
    def mask(self) -> Float[Tensor, " size"] | None:
        """1 where a weight can be other than zero, else 0; None if all can."""
        return self._mask()

    def data(self, examples: int | None = None) -> tuple[Shaped[Tensor, "n ..."], Shaped[Tensor, "n ..."]]:
        """The first `examples` x and y of the split, all if None; ValueError if it has fewer."""
        x, y = self._data()
        if examples is not None and examples > len(x):
            raise ValueError(f"{examples} examples are more than the {len(x)} of the split")
        return x[:examples], y[:examples]

    def grad(self, examples: int | None = None) -> Float[Tensor, " size"]:
        """The gradient of the training loss on the split, of what the mask leaves."""
        return self._masked(self.loss.grad(self.row.unsqueeze(0), *self.data(examples))[0])

    def hessian(self, examples: int | None = None) -> Callable[[Float[Tensor, " size"]], Float[Tensor, " size"]]:
        """Products with the Hessian of the training loss on the split, of what the mask leaves."""
        x, y = self.data(examples)
        row = self.row.unsqueeze(0)
        return lambda vector: self._masked(self.loss.hvp(row, self._masked(vector).unsqueeze(0), x, y)[0])

    def _masked(self, vector: Tensor) -> Tensor:
        return vector if self.mask is None else vector * self.mask
