"""A convolutional network whose function does not change when its weights are scaled."""

from __future__ import annotations

from torch import Tensor, nn

from expzoo.plugin import Activation, Count, Positive, convolution, register, require_images
from expzoo.plugin import activation as activation_function


@register
class ConvnetSi(nn.Module):
    """Convolutions without bias, each followed by normalisation without parameters, and a last layer of given norm.

    ConvNetSI of Lobacheva et al. 2021, "On the periodic behavior of neural network training with
    batch normalization and weight decay", and of Kodryan et al. 2022. Every weight before the last
    layer is scale-invariant: f(c w) = f(w) up to the epsilon of batch normalisation. The last layer
    is to stay as it is: parametrisation=frozen with parametrisation.parameters=[last.*]. Channels
    double from layer to layer.

    Args:
        channels: of the first convolution; 32 is the papers'.
        depth: convolutions; 3 is the papers'.
        norm: of the last layer's weights; 10 is the papers'.
        activation: what follows each normalisation; relu is the papers'.
    """

    SIZE, READS = "channels", ("image", "board")
    CACHE_VERSION = 2
    ADDED = ("activation",)

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        channels: Count = 32,
        depth: Count = 3,
        norm: Positive = 10.0,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        before = require_images("convnet_si", inputs, 2**depth)
        layers: list[nn.Module] = []
        for layer in range(depth):
            after = channels * 2**layer
            layers += [convolution(before, after), nn.BatchNorm2d(after, affine=False)]
            layers += [activation_function(activation), nn.MaxPool2d(2)]
            before = after
        self.features = nn.Sequential(*layers)
        self.last = nn.Linear(before, outputs, bias=False)
        self.last.weight.data.mul_(norm / self.last.weight.data.norm())

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, outputs) of images (batch, channels, height, width)."""
        return self.last(self.features(x).mean((2, 3)))
