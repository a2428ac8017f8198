"""Residual networks of images."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from expzoo.plugin import Activation, Count, convolution, initialise, register, require_images
from expzoo.plugin import activation as activation_function

BLOCKS = {20: (3, 3, 3), 18: (2, 2, 2, 2)}  # in each stage; a stage has twice the channels at half the resolution


class Block(nn.Module):
    """Two convolutions and a shortcut, which is the identity, or takes every other pixel where the size halves."""

    def __init__(self, before: int, after: int, stride: int, *, projected: bool, activation: str) -> None:
        super().__init__()
        self.first, self.first_norm = convolution(before, after, stride=stride), nn.BatchNorm2d(after)
        self.second, self.second_norm = convolution(after, after), nn.BatchNorm2d(after)
        self.stride, self.added, self.activation = stride, after - before, activation_function(activation)
        changes = stride > 1 or self.added > 0
        self.projection = (
            nn.Sequential(convolution(before, after, kernel=1, stride=stride), nn.BatchNorm2d(after))
            if changes and projected
            else None
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the block's channels and resolution."""
        h = self.activation(self.first_norm(self.first(x)))
        return self.activation(self.second_norm(self.second(h)) + self._shortcut(x))

    def _shortcut(self, x: Tensor) -> Tensor:
        if self.projection is not None:
            return self.projection(x)
        if self.stride > 1:
            x = x[:, :, :: self.stride, :: self.stride]
        return functional.pad(x, (0, 0, 0, 0, 0, self.added)) if self.added else x


@register
class Resnet(nn.Module):
    """ResNet-20 of He et al. 2015, section 4.2, with 3 stages, or ResNet-18 with 4, of any width.

    Depth 20 has shortcuts without parameters (option A: every other pixel, new channels zero) and
    is 16 wide as published; depth 18 has projections and is 64 wide, here with a first convolution
    of 3 x 3 and no pooling, as it is used for 32 x 32 images (Nakkiran et al. 2019, appendix B.1,
    whose k is this width).

    Args:
        depth: 20 for three stages of three blocks, 18 for four of two.
        width: channels of the first stage.
        activation: what follows each normalisation and each sum with a shortcut.
    """

    SIZE, READS = "width", ("image", "board")
    CACHE_VERSION = 2
    ADDED = ("activation",)

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        depth: Literal[18, 20] = 20,
        width: Count = 16,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        channels = require_images("resnet", inputs, 8)
        self.first, self.norm = convolution(channels, width), nn.BatchNorm2d(width)
        self.activation = activation_function(activation)
        blocks: list[nn.Module] = []
        before = width
        for stage, count in enumerate(BLOCKS[depth]):
            for block in range(count):
                stride = 2 if stage and not block else 1
                after = width * 2**stage
                blocks.append(Block(before, after, stride, projected=depth == 18, activation=activation))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.linear = nn.Linear(before, outputs)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, outputs) of images (batch, channels, height, width)."""
        return self.linear(self.blocks(self.activation(self.norm(self.first(x)))).mean((2, 3)))
