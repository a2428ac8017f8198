"""A small transformer that reads sequences."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.init import normal_

from expzoo.plugin import Activation, Count, register
from expzoo.plugin import activation as activation_function


class EncoderLayer(nn.Module):
    """Self-attention and a network of one hidden layer of twice the width, each added to its input.

    Attention is written out (Vaswani et al. 2017, eq. 1), since torch's own kernel has no rule for
    many networks at a time.
    """

    def __init__(self, width: int, heads: int, activation: str) -> None:
        super().__init__()
        self.heads, self.activation = heads, activation_function(activation)
        self.before, self.between = nn.LayerNorm(width), nn.LayerNorm(width)
        self.queries_keys_values, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.hidden, self.back = nn.Linear(width, 2 * width), nn.Linear(2 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Tokens (batch, tokens, width) of tokens like them."""
        parts = self.queries_keys_values(self.before(x)).unflatten(2, (3, self.heads, -1))
        queries, keys, values = (parts[:, :, part].transpose(1, 2) for part in range(3))
        scores = queries @ keys.transpose(2, 3) / math.sqrt(queries.shape[3])
        x = x + self.out((scores.softmax(3) @ values).transpose(1, 2).flatten(2))
        return x + self.back(self.activation(self.hidden(self.between(x))))


@register
class Attention1d(nn.Module):
    """Patches of a sequence as tokens, encoder layers of self-attention, and a linear layer on the mean token.

    Dosovitskiy et al. 2021, "An image is worth 16 x 16 words", section 3.1, in one dimension: any
    two positions may meet, and only the learned embedding of a patch's place says which are near.
    Layers are those of `nn.TransformerEncoderLayer` with the normalisation first, without dropout.

    Args:
        width: of a token; a multiple of `heads`.
        depth: encoder layers.
        heads: of each attention.
        patch: positions in a token; the last one is padded with zeros.
        activation: what follows the hidden layer of each encoder layer.
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
        activation: Activation = "relu",
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
        self.layers = nn.ModuleList(EncoderLayer(width, heads, activation) for _ in range(depth))
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
