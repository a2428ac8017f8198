"""A locally connected network: the windows of a convolution, without its shared weights."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from expzoo.plugin import Activation, Count, register
from expzoo.plugin import activation as activation_function


class LocallyConnected(nn.Module):
    """Each output position sees its own window of the input with weights of its own.

    Initialised like `nn.Conv1d`: uniform within 1 / sqrt(inputs of a window).
    """

    def __init__(self, channels: int, length: int, filters: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.kernel, self.stride, self.padding = kernel, stride, padding
        self.positions = (length + 2 * padding - kernel) // stride + 1
        bound = 1 / math.sqrt(channels * kernel)
        weights = torch.empty(self.positions, channels * kernel, filters).uniform_(-bound, bound)
        self.weight = nn.Parameter(weights)
        self.bias = nn.Parameter(torch.empty(self.positions, filters).uniform_(-bound, bound))

    def forward(self, x: Tensor) -> Tensor:
        """Features (batch, filters, positions) of x (batch, channels, length)."""
        x, span = nn.functional.pad(x, (self.padding, self.padding)), self.stride * (self.positions - 1) + 1
        windows = torch.stack([x[:, :, i : i + span : self.stride] for i in range(self.kernel)], 3)
        windows = windows.permute(2, 0, 1, 3).flatten(2)  # (positions, batch, channels * kernel)
        return (windows @ self.weight + self.bias.unsqueeze(1)).permute(1, 2, 0)


@register
class Local1d(nn.Module):
    """Three locally connected layers and a linear one, with the windows of cnn1d: local, but not alike everywhere.

    It tells what weight sharing is worth from what locality is worth (d'Ascoli, Sagun, Biroli &
    Bruna 2019, "Finding the needle in the haystack with convolutions", section 2, compare the two).

    Args:
        channels: filters at each position of each layer.
        activation: what follows each layer but the last.
    """

    SIZE, READS = "channels", ("sequence",)
    CACHE_VERSION = 1

    def __init__(
        self, inputs: tuple[int, ...], outputs: int, *, channels: Count = 8, activation: Activation = "relu"
    ) -> None:
        super().__init__()
        if len(inputs) > 2:
            raise ValueError(f"local1d reads sequences, (length,) or (channels, length), not inputs of shape {inputs}")
        self.planes, length = (1, *inputs)[-2:]
        layers: list[nn.Module] = []
        before = self.planes
        for kernel in (5, 3, 3):
            if length + 2 < kernel:
                raise ValueError(f"local1d has windows of 5, 3 and 3 and cannot read sequences of length {inputs[-1]}")
            layer = LocallyConnected(before, length, channels, kernel, stride=2, padding=1)
            layers += [layer, activation_function(activation)]
            before, length = channels, layer.positions
        self.layers = nn.Sequential(*layers)
        self.last = nn.Linear(channels * length, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, outputs) of sequences (batch, length) or (batch, channels, length)."""
        return self.last(self.layers(x.reshape(len(x), self.planes, -1)).flatten(1))
