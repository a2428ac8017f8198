"""The recurrent network of MNIST-1D."""

from __future__ import annotations

from torch import Tensor, nn

from expzoo.plugin import Count, register


@register
class Gru(nn.Module):
    """Gated recurrent units over a sequence, and a linear layer on their states at all steps.

    As `GRUBase` of github.com/greydanus/mnist1d, which reads the sequence both ways with 6 units:
    5134 parameters for MNIST-1D's 40 inputs and 10 classes. Initialisation is `nn.GRU`'s and
    `nn.Linear`'s own.

    Args:
        hidden: units of each layer and direction.
        layers: recurrent layers, each over the states of the one before.
        bidirectional: whether to go through the sequence from both ends.
    """

    SIZE, READS = "hidden", ("sequence",)
    CACHE_VERSION = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        hidden: Count = 6,
        layers: Count = 1,
        bidirectional: bool = True,
    ) -> None:
        super().__init__()
        if len(inputs) > 2:
            raise ValueError(f"gru reads sequences, (length,) or (channels, length), not inputs of shape {inputs}")
        self.planes, length = (1, *inputs)[-2:]
        self.gru = nn.GRU(self.planes, hidden, layers, batch_first=True, bidirectional=bidirectional)
        self.linear = nn.Linear(length * hidden * (1 + bidirectional), outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch, outputs) for sequences (batch, length) or (batch, channels, length)."""
        states, _ = self.gru(x.view(len(x), self.planes, -1).mT)
        return self.linear(states.flatten(1))
