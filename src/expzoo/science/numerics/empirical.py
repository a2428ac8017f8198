"""The mean loss over examples as a function of rows of weights, and its derivatives, batched and in bounded memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.func import grad, vmap

from expzoo.science.numerics.hessian import hvp

if TYPE_CHECKING:
    from jaxtyping import Float

    from expzoo.science.numerics.linearised import Linearised

LossOfRow = Callable[..., Tensor]

MEMORY_BYTES = 2**26  # what intermediate results may take; the results themselves come on top
HEADROOM = 4  # a derivative needs about so much more than what the forward pass saves for it


class EmpiricalLoss:
    """L(w) = mean over examples of l(w; x, y), for many rows w at once.

    `function(row, x, y)` takes one row (size,) and a batch and returns the batch's mean loss, a 0-d
    tensor; it is plain differentiable torch. A mean is linear in its examples, so every derivative
    is the weighted mean of those of parts of the data. How the data are cut depends on
    `memory_bytes` and the function, never on how many rows there are.

    Wherever `x` and `y` stand, all rows see the same examples, x (n, ...) and y (n, ...), or with
    `shared=False` each its own, x (k, n, ...) and y (k, n, ...). Rows are batched by
    `torch.func.vmap`, so the last bits of a derivative may depend on how many rows are computed
    together.
    """

    def __init__(
        self,
        function: LossOfRow,
        memory_bytes: int = MEMORY_BYTES,
        held: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        """`held(rows)`, k of them, goes with each row and is held in place while the function is differentiated.

        The function then takes `(row, held, x, y)`.
        """
        self.function, self.memory_bytes, self._hold = function, memory_bytes, held
        self._seen: tuple[Tensor, Tensor] | None = None
        self._costs: dict[tuple[torch.Size, torch.dtype], int] = {}
        self.traced: dict[tuple[object, ...], Linearised] = {}  # what `Hessians` traced of it

    def loss(self, rows: Float[Tensor, "k size"], x: Tensor, y: Tensor, *, shared: bool = True) -> Float[Tensor, " k"]:
        """L at each row."""
        with torch.no_grad():
            parts = self._parts(self.function, (rows,), x, y, shared=shared)
            return torch.stack([part * share for part, share in parts]).sum(0)

    def grad(
        self, rows: Float[Tensor, "k size"], x: Tensor, y: Tensor, *, shared: bool = True
    ) -> Float[Tensor, "k size"]:
        """dL/dw at each row."""
        return self._mean(grad(self.function), (rows,), x, y, shared=shared)

    def hvp(
        self,
        rows: Float[Tensor, "k size"],
        vectors: Float[Tensor, "k size"],
        x: Tensor,
        y: Tensor,
        *,
        shared: bool = True,
    ) -> Float[Tensor, "k size"]:
        """The Hessian of L at each row times the vector of that row."""

        def product(row: Tensor, vector: Tensor, *rest: Tensor) -> Tensor:
            return hvp(lambda at: self.function(at, *rest), row, vector)

        return self._mean(product, (rows, vectors), x, y, shared=shared)

    def per_example_grad(
        self, rows: Float[Tensor, "k size"], x: Tensor, y: Tensor, *, shared: bool = True
    ) -> Float[Tensor, "k n size"]:
        """dl/dw at each row for each example alone. Their mean over examples is `grad`."""

        def one(row: Tensor, *rest: Tensor) -> Tensor:
            *held, x, y = rest
            return self.function(row, *held, x.unsqueeze(0), y.unsqueeze(0))

        each = vmap(grad(one), (None, *((None,) if self._hold else ()), 0, 0))
        gradients = rows.new_empty(len(rows), x.shape[0 if shared else 1], rows.shape[1])
        done = 0
        for part, _ in self._parts(each, (rows,), x, y, shared=shared, more=rows[0].nbytes):
            gradients[:, done : done + part.shape[1]] = part
            done += part.shape[1]
        return gradients

    def held(self, rows: Tensor) -> tuple[Tensor, ...]:
        """What is held in place at these rows; that of the last ones is known."""
        if self._hold is None:
            return ()
        if self._seen is None or not torch.equal(self._seen[0], rows):
            self._seen = rows.clone(), self._hold(rows)
        return (self._seen[1],)

    def _mean(
        self, of: Callable[..., Tensor], per_row: tuple[Tensor, ...], x: Tensor, y: Tensor, *, shared: bool
    ) -> Tensor:
        total = torch.zeros_like(per_row[0])
        for part, share in self._parts(of, per_row, x, y, shared=shared):
            total.add_(part, alpha=share)
        return total

    def _parts(
        self,
        of: Callable[..., Tensor],
        per_row: tuple[Tensor, ...],
        x: Tensor,
        y: Tensor,
        *,
        shared: bool,
        more: int = 0,
    ) -> Iterator[tuple[Tensor, float]]:
        """`of` at all rows on one part of the examples after the other, with each part's share of them.

        `more` is what `of` needs for an example besides what the forward pass saves, in bytes.
        """
        axis, data = (0, None) if shared else (1, 0)
        length = x.shape[axis]
        if not length:
            raise ValueError("there are no examples to take the mean of")
        cost = self.saved_by(per_row[0], x, y, shared=shared) * HEADROOM + more
        per_row = (*per_row, *self.held(per_row[0]))
        size = min(max(self.memory_bytes // cost, 1), length)
        together = max(self.memory_bytes // (size * cost), 1)
        batched = vmap(of, (*(0 for _ in per_row), data, data), chunk_size=together)
        for xs, ys in zip(x.split(size, axis), y.split(size, axis), strict=True):
            yield batched(*per_row, xs, ys), xs.shape[axis] / length

    def saved_by(self, rows: Tensor, x: Tensor, y: Tensor, *, shared: bool) -> int:
        """How many bytes the forward pass of one row saves for an example."""
        one = (x[:1], y[:1]) if shared else (x[0, :1], y[0, :1])
        return self._bytes_per_example(rows[0], *(value[0] for value in self.held(rows)), *one)

    def _bytes_per_example(self, row: Tensor, *rest: Tensor) -> int:
        """How much more the forward pass saves for two examples than for one."""
        *held, x, y = rest
        like = (x.shape, row.dtype)
        if like not in self._costs:
            two = self._saved_bytes(row, *held, x.repeat_interleave(2, 0), y.repeat_interleave(2, 0))
            self._costs[like] = max(two - self._saved_bytes(row, *rest), 1)
        return self._costs[like]

    def _saved_bytes(self, row: Tensor, *rest: Tensor) -> int:
        """What the forward pass saves for the backward pass."""
        saved = 0

        def count(tensor: Tensor) -> Tensor:
            nonlocal saved
            saved += tensor.nbytes
            return tensor

        with torch.enable_grad(), saved_tensors_hooks(count, lambda tensor: tensor):
            self.function(row.detach().clone().requires_grad_(), *rest)
        return saved
