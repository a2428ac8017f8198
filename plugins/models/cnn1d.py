"""The convolutional network of MNIST-1D."""

from __future__ import annotations

from torch import Tensor, nn

from expzoo.plugin import Activation, Count, register
from expzoo.plugin import activation as activation_function


@register
class Cnn1d(nn.Module):
    """Three convolutions of stride 2 and a linear layer, as `ConvBase` of github.com/greydanus/mnist1d.

    Kernels of 5, 3 and 3, padding 1. With 25 channels it has 5210 parameters for MNIST-1D's 40
    inputs and 10 classes. Initialisation is `nn.Conv1d`'s and `nn.Linear`'s own.

    Args:
        channels: filters of each convolution.
        activation: what follows each convolution.
    """

    SIZE, READS = "channels", ("sequence",)
    CACHE_VERSION = 1

    def __init__(
        self,
        inputs: tuple[int, ...],
        outputs: int,
        *,
        channels: Count = 25,
        activation: Activation = "relu",
    ) -> None:
        super().__init__()
        if len(inputs) > 2:
            raise ValueError(f"cnn1d reads sequences, (length,) or (channels, length), not inputs of shape {inputs}")
        self.planes, length = (1, *inputs)[-2:]
        layers: list[nn.Module] = []
        before = self.planes
        for kernel in (5, 3, 3):
            length = (length + 2 - kernel) // 2 + 1
            layers += [nn.Conv1d(before, channels, kernel, stride=2, padding=1), activation_function(activation)]
            before = channels
        if length < 1:
            raise ValueError(f"cnn1d needs sequences of 3 elements or more, not {inputs[-1]}")
        self.convolutions = nn.Sequential(*layers)
        self.linear = nn.Linear(channels * length, outputs)

    def forward(self, x: Tensor) -> Tensor:
        """Logits of shape (batch, outputs) for sequences (batch, length) or (batch, channels, length)."""
        return self.linear(self.convolutions(x.view(len(x), self.planes, -1)).flatten(1))
