"""The Hessians of a mean loss at rows of weights that stay where they are: many products with each, or all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.func import vmap

from expzoo.science.numerics.hessian import hvp
from expzoo.science.numerics.linearised import Linearised

if TYPE_CHECKING:
    from jaxtyping import Float, Int

    from expzoo.science.numerics.empirical import EmpiricalLoss

PART_BYTES = 2**23  # intermediate results of one graph: about what stays in the caches of a core
KEPT_BYTES = 2**30  # what the passes of the loss may leave for the next product; beyond it they are made again
SAVED_TWICE = 3  # what they leave, over what a forward pass saves for one backward pass
COLUMNS = 16  # of a dense Hessian, to be asked for at once


@dataclass(frozen=True)
class _Piece:
    """Some rows on some examples: how many rows count, from which on, and the share of all examples."""

    first: int
    rows: int
    share: float
    linearised: Linearised
    fixed: tuple[Tensor, ...]


class Hessians:
    """The Hessian of a loss at each of k rows, as a function of one vector for each row, or of several.

    The product with vectors v (k, size) is (k, size), and with v (k, columns, size) has that shape;
    `columns` is said beforehand. The first call for a new shape of data costs a trace, half a second
    or so; every product after it is about half the work of `EmpiricalLoss.hvp` and little Python.
    Rows are batched, so the last bits of a product may depend on how many there are.
    """

    def __init__(
        self,
        loss: EmpiricalLoss,
        rows: Float[Tensor, "k size"],
        x: Tensor,
        y: Tensor,
        *,
        shared: bool = True,
        columns: int = 1,
    ) -> None:
        """Over the examples x (n, ...) and y (n, ...), or with `shared=False` x (k, n, ...) and y (k, n, ...)."""
        self.rows, self.columns, self._loss = rows, columns, loss
        self._pieces = list(self._cut(x, y, shared=shared))
        kept = loss.saved_by(rows, x, y, shared=shared) * SAVED_TWICE * len(rows)
        self._ready: list[Callable[[Tensor], Tensor]] | None = None
        if kept * x.shape[0 if shared else 1] <= KEPT_BYTES:
            self._ready = [piece.linearised.at(*piece.fixed) for piece in self._pieces]

    def __call__(self, vectors: Float[Tensor, "k *columns size"]) -> Float[Tensor, "k *columns size"]:
        """The Hessian at each row times the vectors of that row."""
        total = torch.zeros_like(vectors)
        for index, piece in enumerate(self._pieces):
            product = self._ready[index] if self._ready else piece.linearised.at(*piece.fixed)
            part = product(_filled(vectors, piece.first, len(piece.fixed[0])))[: piece.rows]
            total[piece.first : piece.first + piece.rows].add_(part, alpha=piece.share)
        return total

    def of_one(self, vector: Float[Tensor, " size"]) -> Float[Tensor, " size"]:
        """The Hessian at the only row times one vector."""
        return self(vector.unsqueeze(0))[0]

    def dense(self, places: Int[Tensor, " parameters"]) -> Float[Tensor, "k parameters parameters"]:
        """All of each Hessian over these places of a row, made symmetric, which it is but for rounding.

        It takes parameters / columns calls: ask for several columns.
        """
        parts = []
        for chosen in places.split(self.columns):
            units = self.rows.new_zeros(self.columns, self.rows.shape[1])
            units[range(len(chosen)), chosen] = 1
            vectors = units.squeeze(0) if self.columns == 1 else units
            found = self(vectors.expand(len(self.rows), *vectors.shape).contiguous())
            parts.append(found.view(len(self.rows), self.columns, -1)[:, : len(chosen), places])
        matrices = torch.cat(parts, 1)
        return (matrices + matrices.mT) / 2

    def _cut(self, x: Tensor, y: Tensor, *, shared: bool) -> Iterator[_Piece]:
        """Rows and examples in pieces of at most two shapes."""
        length, rows = x.shape[0 if shared else 1], self.rows
        cost = self._loss.saved_by(rows, x, y, shared=shared) * SAVED_TWICE * self.columns
        size = min(max(PART_BYTES // cost, 1), length)
        together = min(max(PART_BYTES // (size * cost), 1), len(rows))
        held = self._loss.held(rows)
        for first in range(0, len(rows), together):
            of_rows = tuple(_filled(value, first, together) for value in (rows, *held))
            data = (x, y) if shared else tuple(_filled(value, first, together) for value in (x, y))
            for part in zip(*(value.split(size, 0 if shared else 1) for value in data), strict=True):
                fixed, share = (*of_rows, *part), part[0].shape[0 if shared else 1] / length
                linearised = self._linearised(fixed, shared=shared)
                yield _Piece(first, min(together, len(rows) - first), share, linearised, fixed)

    def _linearised(self, fixed: tuple[Tensor, ...], *, shared: bool) -> Linearised:
        """The graphs for arguments of these shapes, which the loss keeps."""
        shapes = tuple((value.shape, value.dtype) for value in fixed)
        if (key := (*shapes, self.columns, shared)) not in self._loss.traced:
            of, data = self._loss.function, None if shared else 0

            def product(row: Tensor, *rest: Tensor) -> Tensor:
                *seen, vector = rest
                return hvp(lambda at: of(at, *seen), row, vector)

            several = product if self.columns == 1 else vmap(product, (*(None for _ in fixed), 0))
            batched = vmap(several, (*(0 for _ in fixed[:-2]), data, data, 0))
            vectors = fixed[0] if self.columns == 1 else fixed[0].unsqueeze(1).expand(-1, self.columns, -1)
            self._loss.traced[key] = Linearised(batched, *fixed, vectors.clone())
        return self._loss.traced[key]


def _filled(values: Tensor, first: int, count: int) -> Tensor:
    """`count` of the values from `first` on; where there are fewer, the last one again and again."""
    chosen = values[first : first + count]
    missing = count - len(chosen)
    return torch.cat([chosen, chosen[-1:].expand(missing, *chosen.shape[1:])]) if missing else chosen
