"""The convolutional network of the MNIST-1D pooling benchmark."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from expzoo.plugin import Activation, Count, register
from expzoo.plugin import activation as activation_function

_WINDOW = 2


@register
class PooledCnn1d(nn.Module):
    """Two convolutions with an activation, each followed by pooling over pairs, and a linear layer.

    As `ConvPooling` of the notebook "Benchmarking pooling methods" (github.com/greydanus/mnist1d):
    kernels of 3, padding 1, 20 channels. On MNIST-1D it has 3310 parameters, 9310 without pooling
    or stride. Initialisation is `nn.Conv1d`'s and `nn.Linear`'s own.

    Args:
        channels: filters of each convolution.
        pooling: what follows each convolution; stride takes every second window instead, l2 is the
            root of the sum of squares, and none leaves the sequence as long as it is.
        activation: what follows each convolution, before the pooling.
    """

    SIZE, READS = "channels", ("sequence",)
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
        if len(inputs) > 2:
            raise ValueError(f"pooled_cnn1d reads sequences, (length,) or (channels, length), not shape {inputs}")
        self.planes, length = (1, *inputs)[-2:]
        self.pooling, self.activation = pooling, activation_function(activation)
        stride = _WINDOW if pooling == "stride" else 1
        self.first = nn.Conv1d(self.planes, channels, 3, stride=stride, padding=1)
        self.second = nn.Conv1d(channels, channels, 3, stride=stride, padding=1)
        for _ in (self.first, self.second):
            length = {"none": length, "stride": -(-length // _WINDOW)}.get(pooling, length // _WINDOW)
        if length < 1:
            raise ValueError(f"pooled_cnn1d needs sequences of 4 elements or more, not {inputs[-1]}")
        self.linear = nn.Linear(channels * length, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch, outputs) for sequences (batch, length) or (batch, channels, length)."""
        h = x.view(len(x), self.planes, -1)
        for convolution in (self.first, self.second):
            h = self._pooled(self.activation(convolution(h)))
        return self.linear(h.flatten(1))

    def _pooled(self, h: Tensor) -> Tensor:
        match self.pooling:
            case "max":
                return functional.max_pool1d(h, _WINDOW)
            case "average":
                return functional.avg_pool1d(h, _WINDOW)
            case "l2":
                total = functional.avg_pool1d(h.square(), _WINDOW) * _WINDOW
                positive = total > 0  # the root has no derivative at 0, where relu has left nothing
                return torch.where(positive, torch.where(positive, total, torch.ones_like(total)).sqrt(), total)
            case _:
                return h
