"""From what is trained to what is evaluated: rows z to rows of weights w, and gradients back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from expzoo.system import randomness

if TYPE_CHECKING:
    from collections.abc import Sequence

    from jaxtyping import Float
    from torch import Tensor

    from expzoo.spec.contracts import Parametrisation
    from expzoo.spec.layout import Layout


class Parametrised:
    """The weights (members, size of a row) of all members, and the gradient with respect to them."""

    def __init__(self, parametrisation: Parametrisation, layout: Layout, theta: Float[Tensor, "members size"]) -> None:
        self.parametrisation, self.layout = parametrisation, layout
        self.weights = theta.new_zeros(len(theta), layout.size)
        self.grad = torch.zeros_like(self.weights)
        self._seeds: list[int] = []
        self._fixed = theta.new_zeros(len(theta), 0, layout.size)
        self._places = theta.new_zeros(len(theta))

    def load(self, seeds: Sequence[int], fixed: Sequence[Sequence[Float[Tensor, " weights"]]]) -> None:
        """Take over the seeds of the members, and the rows that each is built on."""
        self._seeds = list(seeds)
        self._fixed = torch.stack([torch.stack(list(rows)) for rows in fixed]).to(self.weights)

    def push(self, theta: Float[Tensor, "members size"], step: int) -> None:
        """Fill `weights` from rows z, at a place drawn for each member and step."""
        drawn = [randomness.uniforms(seed, "place", step, 1)[0] for seed in self._seeds]
        self._places = torch.tensor(drawn, dtype=theta.dtype, device=theta.device)
        self.weights.copy_(self.parametrisation.weights(theta, self._fixed, self._places))

    def middle(self, index: int, row: Float[Tensor, " size"]) -> Float[Tensor, " weights"]:
        """The weights of one member at the place where it is evaluated."""
        place = row.new_full((1,), self.parametrisation.middle)
        return self.parametrisation.weights(row.unsqueeze(0), self._fixed[index : index + 1], place)[0]

    def pull(self, out: Float[Tensor, "members size"]) -> None:
        """Bring the gradient with respect to the weights back to rows z."""
        out.copy_(self.parametrisation.pull_back(self.grad, self._fixed, self._places))
