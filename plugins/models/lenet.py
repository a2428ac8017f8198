"""The convolutional network of LeCun et al. 1998 for images of any size."""

from __future__ import annotations

import math

from torch import Tensor, nn

from expzoo.plugin import Activation, Count, register
from expzoo.plugin import activation as activation_function


@register
class Lenet(nn.Module):
    """Two convolutions of 5 x 5, each followed by average pooling over 2 x 2, and three linear layers.

    LeNet-5 of LeCun, Bottou, Bengio & Haffner 1998, "Gradient-based learning applied to document
    recognition", figure 2, with 6 and 16 channels and 120 and 84 units; every convolution is
    padded, so that images from 4 x 4 on fit. Initialisation is `nn.Conv2d`'s and `nn.Linear`'s own.

    Args:
        maps: channels of both convolutions.
        units: of both hidden linear layers.
        width: how many times as many channels and units.
        activation: what follows each layer but the last.
    """

    SIZE, READS = "width", ("image", "board")
    CACHE_VERSION = 2
    ADDED = ("width",)

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        maps: tuple[Count, Count] = (6, 16),
        units: tuple[Count, Count] = (120, 84),
        width: Count = 1,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        if len(inputs) != 3 or min(inputs[1:]) < 4:
            raise ValueError(f"lenet sees images (channels, height, width) from 4 x 4 on, not inputs of shape {inputs}")
        before, *sides = inputs
        layers: list[nn.Module] = []
        for after in (width * count for count in maps):
            layers += [nn.Conv2d(before, after, 5, padding=2), activation_function(activation), nn.AvgPool2d(2)]
            before, sides = after, [side // 2 for side in sides]
        layers.append(nn.Flatten())
        size = before * math.prod(sides)
        for after in (width * count for count in units):
            layers += [nn.Linear(size, after), activation_function(activation)]
            size = after
        self.layers = nn.Sequential(*layers, nn.Linear(size, outputs))

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, outputs) of images (batch, channels, height, width)."""
        return self.layers(x)
