"""The fully connected LeNet-300-100."""

from __future__ import annotations

import itertools
import math

from torch import Tensor, nn

from expzoo.plugin import Activation, Count, register
from expzoo.plugin import activation as activation_function


@register
class Lenet300100(nn.Module):
    """Hidden layers of 300 and 100 units for inputs of any shape, without residual connections.

    LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document recognition",
    section III.C.4, as Frankle & Carbin 2019, "The lottery ticket hypothesis", section 2, have it:
    ReLU, weights drawn from the normal distribution of Glorot & Bengio 2010, biases that start at 0.

    Args:
        width: how many times as many units in both hidden layers.
        activation: what follows each hidden layer.
    """

    SIZE = "width"
    CACHE_VERSION = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        width: Count = 1,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        sizes = [math.prod(inputs), 300 * width, 100 * width]
        layers: list[nn.Module] = [nn.Flatten()]
        for before, after in itertools.pairwise(sizes):
            layers += [nn.Linear(before, after), activation_function(activation)]
        self.layers = nn.Sequential(*layers, nn.Linear(sizes[-1], outputs))
        for layer in self.layers:
            if isinstance(layer, nn.Linear):
                nn.init.xavier_normal_(layer.weight)
                nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch, outputs) for a batch of any input shape."""
        return self.layers(x)
