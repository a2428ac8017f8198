"""Logistic regression."""

from __future__ import annotations

import math

from torch import Tensor, nn

from expzoo.plugin import register


@register
class Logistic(nn.Module):
    """One linear layer on the flattened input: multinomial logistic regression, the linear baseline of MNIST-1D.

    As `LinearBase` of github.com/greydanus/mnist1d; 410 parameters for its 40 inputs and 10
    classes. Initialisation is `nn.Linear`'s own.
    """

    CACHE_VERSION = 1

    def __init__(self, inputs: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(math.prod(inputs), outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch, outputs) for a batch of any input shape."""
        return self.linear(x.flatten(1))
