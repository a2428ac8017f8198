"""What a probe sees: one network at one moment."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fnmatch import fnmatch
from functools import cached_property
from typing import TYPE_CHECKING, Protocol

import torch

from expzoo.science.numerics.hessians import COLUMNS, Hessians
from expzoo.science.numerics.kinks import has_kink
from expzoo.science.numerics.lanczos import top_eigenpairs

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Shaped
    from torch import Tensor

    from expzoo.science.numerics.empirical import EmpiricalLoss
    from expzoo.spec.layout import Layout


MOST_DENSE = 4000  # parameters; such a matrix takes 128 MB and its eigenvalues half a minute
KINK = (
    "the loss has a kink at these weights, where the gradient jumps and there is no curvature; take a smooth "
    "activation, such as tanh or gelu, or another step"
)


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
    _found: dict[tuple[object, ...], tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False)

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

    # What takes many products with one Hessian. ValueError where the loss has a kink at the weights.

    @cached_property
    def places(self) -> Int[Tensor, " parameters"]:
        """Where in a row the parameters are that the mask leaves."""
        places = self.layout.places()
        return places if self.mask is None else places[self.mask[places] != 0]

    def named(self, *, without: str) -> Int[Tensor, " parameters"]:
        """Where in a row the parameters are whose names do not match a shell pattern; ValueError if none is left."""
        kept = [slot for name, slot in self.layout.weights(biases=True) if not fnmatch(name, without)]
        if not kept:
            raise ValueError(f"without {without!r} none is left of {', '.join(self.layout.names)}")
        inside = torch.zeros(self.layout.size, dtype=torch.bool)
        for slot in kept:
            inside[slot] = True
        return self.places[inside[self.places]]

    def eigenvalues(self, examples: int | None = None) -> Float[Tensor, " parameters"]:
        """All eigenvalues of the Hessian, largest first; ValueError beyond MOST_DENSE parameters."""
        if (count := len(self.places)) > MOST_DENSE:
            raise ValueError(f"all eigenvalues of {count} parameters are too many: at most {MOST_DENSE}")
        x, y = self._smooth(examples)
        [matrix] = Hessians(self.loss, self.row.unsqueeze(0), x, y, columns=COLUMNS).dense(self.places)
        if not matrix.isfinite().all():
            raise ArithmeticError("the Hessian is not finite")
        return torch.linalg.eigvalsh(matrix).flip(0)

    def top(
        self, k: int, examples: int | None = None, tolerance: float = 1e-6
    ) -> tuple[Float[Tensor, " k"], Float[Tensor, "k size"]]:
        """The k largest eigenvalues of the Hessian, largest first, and their eigenvectors.

        ArithmeticError if it overflows.
        """
        if (known := (k, examples, tolerance)) not in self._found:
            hessian = Hessians(self.loss, self.row.unsqueeze(0), *self._smooth(examples))

            def product(vector: Tensor) -> Tensor:
                return self._masked(hessian.of_one(self._masked(vector)))

            self._found[known] = top_eigenpairs(product, len(self.row), k, tolerance=tolerance)
        return self._found[known]

    def _smooth(self, examples: int | None) -> tuple[Tensor, Tensor]:
        """The examples, at which the loss has no kink."""
        x, y = self.data(examples)
        rows = self.row.unsqueeze(0)
        gradient, product = self.loss.grad(rows, x, y), self.loss.hvp
        if gradient.isfinite().all() and has_kink(
            lambda at: self.loss.grad(at, x, y), lambda v: product(rows, v, x, y), rows, self.places
        ):
            raise ValueError(KINK)
        return x, y

    def _masked(self, vector: Tensor) -> Tensor:
        return vector if self.mask is None else vector * self.mask
