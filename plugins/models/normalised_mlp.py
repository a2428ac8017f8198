"""A multi-layer perceptron with batch normalisation, over whole or over ghost batches."""

from __future__ import annotations

import math
from functools import partial

from torch import Tensor, nn

from expzoo.plugin import Activation, Count, GhostBatchNorm1d, register
from expzoo.plugin import activation as activation_function


@register
class NormalisedMlp(nn.Module):
    """Hidden layers of equal width, each f(norm(W h)), where norm is over the batch (Ioffe & Szegedy 2015).

    With `ghost_size` it is over each part of the batch of so many examples by itself (Hoffer, Hubara
    & Soudry 2017, "Train longer, generalize better").

    Args:
        width: units in each hidden layer.
        depth: number of hidden layers.
        activation: what follows the normalisation, f above.
        ghost_size: examples that are normalised together; null for the whole batch.
    """

    SIZE = "width"
    CACHE_VERSION = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        width: Count = 100,
        depth: Count = 2,
        activation: Activation = "relu",
        ghost_size: Count | None = None,
    ) -> None:
        super().__init__()
        norm = nn.BatchNorm1d if ghost_size is None else partial(GhostBatchNorm1d, size=ghost_size)
        sizes = [math.prod(inputs), *[width] * (depth - 1)]
        self.hidden = nn.ModuleList(nn.Linear(size, width, bias=False) for size in sizes)
        self.norms = nn.ModuleList(norm(width) for _ in sizes)
        self.activation, self.last = activation_function(activation), nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch, outputs) for a batch of any input shape."""
        h = x.flatten(1)
        for layer, norm in zip(self.hidden, self.norms, strict=True):
            h = self.activation(norm(layer(h)))
        return self.last(h)
