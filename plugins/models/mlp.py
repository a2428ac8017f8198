"""The multi-layer perceptron of MNIST-1D."""

from __future__ import annotations

import math

from torch import Tensor, nn

from expzoo.options import Count
from expzoo.registry import register


@register
class Mlp(nn.Module):
    """Two or more hidden layers of equal width with ReLU, as in the MNIST-1D notebooks.

    With `residual` every hidden layer after the first adds its input, h + relu(W h + b), which is the notebook's form
    (github.com/greydanus/mnist1d, `models.py::MLPBase` and the lottery notebook's `SparseMLP`). Width 100 is the
    benchmark's, 500 the lottery notebook's. Initialisation is `nn.Linear`'s own.

    Args:
        width: units in each hidden layer.
        depth: number of hidden layers.
        residual: whether hidden layers after the first add their input.
    """

    CACHE_VERSION = 1

    def __init__(
        self, inputs: tuple[int, ...], outputs: int, *, width: Count = 100, depth: Count = 2, residual: bool = True
    ) -> None:
        super().__init__()
        self.residual = residual
        self.first = nn.Linear(math.prod(inputs), width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.last = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch, outputs) for a batch of any input shape."""
        h = self.first(x.flatten(1)).relu()
        for layer in self.hidden:
            h = h + layer(h).relu() if self.residual else layer(h).relu()
        return self.last(h)
