"""Wide residual networks of images."""

from __future__ import annotations

from torch import Tensor, nn

from expzoo.plugin import Activation, Count, Fraction, convolution, initialise, register, require_images
from expzoo.plugin import activation as activation_function

FIRST = 16  # channels before the first stage, whatever the width


class Block(nn.Module):
    """Normalisation, activation and convolution, twice, beside a shortcut; pre-activated."""

    def __init__(self, before: int, after: int, stride: int, dropout: float, activation: str) -> None:
        super().__init__()
        self.first_norm, self.first = nn.BatchNorm2d(before), convolution(before, after, stride=stride)
        self.second_norm, self.second = nn.BatchNorm2d(after), convolution(after, after)
        self.dropout = nn.Dropout(dropout) if dropout else None
        self.activation = activation_function(activation)
        changes = stride > 1 or before != after
        self.projection = convolution(before, after, kernel=1, stride=stride) if changes else None

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) to the block's channels and resolution."""
        active = self.activation(self.first_norm(x))
        h = self.activation(self.second_norm(self.first(active)))
        h = self.second(h if self.dropout is None else self.dropout(h))
        return h + (x if self.projection is None else self.projection(active))


@register
class WideResnet(nn.Module):
    """WRN-depth-k of Zagoruyko & Komodakis 2016, "Wide residual networks", section 2: width 16 k in the first stage.

    WRN-28-10 is depth 28 and width 160; the code of Li, Wei & Ma 2019 trains WRN-16-10, depth 16 and width 160.

    Args:
        depth: layers, 6 n + 4 for n blocks in each of the three stages.
        width: channels of the first stage; the others have twice and four times as many.
        dropout: how likely a channel's value is dropped between the two convolutions of a block.
        activation: what follows each normalisation.
    """

    SIZE, READS = "width", ("image", "board")
    CACHE_VERSION = 2
    ADDED = ("activation",)

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        depth: Count = 16,
        width: Count = 64,
        dropout: Fraction = 0.0,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        count, rest = divmod(depth - 4, 6)
        if rest or count < 1:
            raise ValueError(f"depth {depth} must be 6 n + 4 for n blocks a stage: 10, 16, 22, 28, ...")
        if dropout == 1:
            raise ValueError("dropout 1 leaves nothing")
        channels = require_images("wide_resnet", inputs, 8)
        self.first = convolution(channels, FIRST)
        blocks: list[nn.Module] = []
        before = FIRST
        for stage in range(3):
            for block in range(count):
                after = width * 2**stage
                blocks.append(Block(before, after, 2 if stage and not block else 1, dropout, activation))
                before = after
        self.blocks = nn.Sequential(*blocks)
        self.norm, self.linear = nn.BatchNorm2d(before), nn.Linear(before, outputs)
        self.activation = activation_function(activation)
        initialise(self)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, outputs) of images (batch, channels, height, width)."""
        return self.linear(self.activation(self.norm(self.blocks(self.first(x)))).mean((2, 3)))
