"""A plain convolutional network of images, after VGG."""

from __future__ import annotations

from torch import Tensor, nn

from expzoo.plugin import Activation, Count, convolution, initialise, register, require_images
from expzoo.plugin import activation as activation_function


@register
class Cnn2d(nn.Module):
    """Stages of 3 x 3 convolutions, each stage with twice the channels at half the resolution, then a linear layer.

    Simonyan & Zisserman 2015 as it is used for CIFAR: batch normalisation, one linear layer.
    stages=[2,2,3,3,3] and width 64 is VGG16; Nakkiran et al. 2019 have stages=[1,1,1,1]. Channels
    grow up to 8 times the width.

    Args:
        width: channels of the first stage; 64 is VGG's.
        stages: convolutions of each stage.
        batch_norm: whether each convolution is followed by batch normalisation; without, it has a bias.
        activation: what follows each convolution.
    """

    SIZE, READS = "width", ("image", "board")
    CACHE_VERSION = 2
    ADDED = ("activation",)

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        width: Count = 64,
        stages: tuple[Count, ...] = (1, 1, 1, 1),
        batch_norm: bool = True,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        if not stages:
            raise ValueError("cnn2d needs at least one stage")
        before = require_images("cnn2d", inputs, 2 ** (len(stages) - 1))
        layers: list[nn.Module] = []
        for stage, count in enumerate(stages):
            after = width * min(2**stage, 8)
            layers += [nn.MaxPool2d(2)] if stage else []
            for _ in range(count):
                layers.append(convolution(before, after, bias=not batch_norm))
                layers += [nn.BatchNorm2d(after)] if batch_norm else []
                layers.append(activation_function(activation))
                before = after
        self.features = nn.Sequential(*layers)
        self.linear = nn.Linear(before, outputs)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, outputs) of images (batch, channels, height, width)."""
        return self.linear(self.features(x).mean((2, 3)))
