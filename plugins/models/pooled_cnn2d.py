"""The convolutional network of the MNIST-1D pooling benchmark, for images."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from expzoo.plugin import Activation, Count, register, require_images
from expzoo.plugin import activation as activation_function

_WINDOW = 2


@register
class PooledCnn2d(nn.Module):
    """Two convolutions with an activation, each followed by pooling over squares of 2 x 2, and a linear layer.

    `pooled_cnn1d` with one more dimension: kernels of 3 x 3, padding 1, 20 channels. Initialisation
    is `nn.Conv2d`'s and `nn.Linear`'s own.

    Args:
        channels: filters of each convolution.
        pooling: what follows each convolution; stride takes every second window each way instead,
            l2 is the root of the sum of squares, and none leaves the image as large as it is.
        activation: what follows each convolution, before the pooling.
    """

    SIZE, READS = "channels", ("image", "board")
    CACHE_VERSION = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        channels: Count = 20,
        pooling: Literal["none", "stride", "max", "average", "l2"] = "max",
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        planes = require_images("pooled_cnn2d", inputs, _WINDOW**2)
        self.pooling, self.activation = pooling, activation_function(activation)
        stride = _WINDOW if pooling == "stride" else 1
        self.first = nn.Conv2d(planes, channels, 3, stride=stride, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, stride=stride, padding=1)
        height, width = inputs[1:]
        for _ in (self.first, self.second):
            height, width = (self._after(side) for side in (height, width))
        self.linear = nn.Linear(channels * height * width, outputs)

    def _after(self, side: int) -> int:
        """How long a side is after one convolution and what follows it."""
        return {"none": side, "stride": -(-side // _WINDOW)}.get(self.pooling, side // _WINDOW)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, outputs) of images (batch, channels, height, width)."""
        for convolution in (self.first, self.second):
            x = self._pooled(self.activation(convolution(x)))
        return self.linear(x.flatten(1))

    def _pooled(self, h: Tensor) -> Tensor:
        match self.pooling:
            case "max":
                return functional.max_pool2d(h, _WINDOW)
            case "average":
                return functional.avg_pool2d(h, _WINDOW)
            case "l2":
                total = functional.avg_pool2d(h.square(), _WINDOW) * _WINDOW**2
                positive = total > 0  # the root has no derivative at 0, where relu has left nothing
                return torch.where(positive, torch.where(positive, total, torch.ones_like(total)).sqrt(), total)
            case _:
                return h
