"""A small transformer that reads sequences."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.init import normal_

from expzoo.plugin import Count, register


@register
class Attention1d(nn.Module):
    """Patches of a sequence as tokens, encoder layers of self-attention, and a linear layer on the mean token.

    Dosovitskiy et al. 2021, "An image is worth 16 x 16 words", section 3.1, in one dimension: any
    two positions may meet, and only the learned embedding of a patch's place says which are near.
    Layers are `nn.TransformerEncoderLayer` with the normalisation first and without dropout.

    Args:
        width: of a token; a multiple of `heads`.
        depth: encoder layers.
        heads: of each attention.
        patch: positions in a token; the last one is padded with zeros.
    """

    SIZE, READS = "width", ("sequence",)
    CACHE_VERSION = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        width: Count = 24,
        depth: Count = 2,
        heads: Count = 4,
        patch: Count = 4,
    ) -> None:
        super().__init__()
        if len(inputs) > 2:
            raise ValueError(f"attention1d reads sequences, (length,) or (channels, length), not inputs of {inputs}")
        if width % heads:
            raise ValueError(f"width {width} must be a multiple of the {heads} heads")
        self.planes, length = (1, *inputs)[-2:]
        self.patch, self.tokens = patch, -(-length // patch)
        self.padding = self.tokens * patch - length
        self.embedding = nn.Linear(self.planes * patch, width)
        self.place = nn.Parameter(normal_(torch.empty(self.tokens, width), std=0.02))
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(width, heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True)
            for _ in range(depth)
        )
        self.norm = nn.LayerNorm(width)
        self.last = nn.Linear(width, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (batch, outputs) of sequences (batch, length) or (batch, channels, length)."""
        x = nn.functional.pad(x.reshape(len(x), self.planes, -1), (0, self.padding))
        patches = x.unflatten(2, (self.tokens, self.patch)).transpose(1, 2).flatten(2)
        tokens = self.embedding(patches) + self.place
        for layer in self.layers:
            tokens = layer(tokens)
        return self.last(self.norm(tokens).mean(1))
