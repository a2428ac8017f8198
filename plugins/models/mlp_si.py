"""A perceptron whose function does not change when its weights are scaled."""

from __future__ import annotations

import math

from torch import Tensor, nn

from expzoo.plugin import Activation, Count, Positive, register
from expzoo.plugin import activation as activation_function


@register
class MlpSi(nn.Module):
    """Hidden layers without bias, each followed by normalisation without parameters, and a last layer of given norm.

    The perceptron that is to `mlp` what ConvNetSI of Lobacheva et al. 2021 and Kodryan et al. 2022 is
    to a convolutional network. Every weight before the last layer is scale-invariant; the last layer
    is to stay as it is: parametrisation=frozen with parametrisation.parameters=[last.*].

    Args:
        width: units in each hidden layer.
        depth: number of hidden layers.
        norm: of the last layer's weights; 10 is the papers'.
        activation: what follows each normalisation.
    """

    SIZE = "width"
    CACHE_VERSION = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        width: Count = 32,
        depth: Count = 2,
        norm: Positive = 10.0,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        before = math.prod(inputs)
        for _ in range(depth):
            layers += [nn.Linear(before, width, bias=False), nn.BatchNorm1d(width, affine=False)]
            layers.append(activation_function(activation))
            before = width
        self.features = nn.Sequential(*layers)
        self.last = nn.Linear(width, outputs, bias=False)
        self.last.weight.data.mul_(norm / self.last.weight.data.norm())

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, outputs) of a batch of any input shape."""
        return self.last(self.features(x.flatten(1)))
