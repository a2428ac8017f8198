"""The multi-layer perceptron of MNIST-1D."""

from __future__ import annotations

import math

from torch import Tensor, nn

from expzoo.plugin import Activation, Count, register
from expzoo.plugin import activation as activation_function


@register
class Mlp(nn.Module):
    """Hidden layers of equal width, by default two with ReLU, as in the MNIST-1D notebooks.

    With `residual` every hidden layer after the first adds its input, h + f(W h + b), which is the
    notebook's form (github.com/greydanus/mnist1d, `models.py::MLPBase` and the lottery notebook's
    `SparseMLP`). Width 100 is the benchmark's, 500 the lottery notebook's. Initialisation is
    `nn.Linear`'s own.

    Args:
        width: units in each hidden layer.
        depth: number of hidden layers.
        residual: whether hidden layers after the first add their input.
        activation: what follows each hidden layer, f above.
    """

    SIZE = "width"
    CACHE_VERSION = 1
    ADDED = ("activation",)

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        width: Count = 100,
        depth: Count = 2,
        residual: bool = True,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        self.residual, self.activation = residual, activation_function(activation)
        self.first = nn.Linear(math.prod(inputs), width)
        self.hidden = nn.ModuleList(nn.Linear(width, width) for _ in range(depth - 1))
        self.last = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch, outputs) for a batch of any input shape."""
        h = self.activation(self.first(x.flatten(1)))
        for layer in self.hidden:
            h = h + self.activation(layer(h)) if self.residual else self.activation(layer(h))
        return self.last(h)
