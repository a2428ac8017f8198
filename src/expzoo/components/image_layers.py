"""What image models share: the check of their inputs, a convolution with its normalisation, and He's initialisation."""

from __future__ import annotations

from torch import nn


def require_images(model: str, inputs: tuple[int, ...], least: int) -> int:
    """The number of channels; ValueError if the inputs are no images (channels, height, width) of `least` pixels."""
    if len(inputs) != 3 or min(inputs[1:]) < least:
        raise ValueError(
            f"{model} sees images (channels, height, width) of {least} x {least} pixels or more, not inputs {inputs}"
        )
    return inputs[0]


def convolution(before: int, after: int, *, kernel: int = 3, stride: int = 1, bias: bool = False) -> nn.Conv2d:
    """A convolution that keeps the size of the image, or halves it with stride 2."""
    return nn.Conv2d(before, after, kernel, stride=stride, padding=kernel // 2, bias=bias)


def initialise(module: nn.Module) -> None:
    """Normal weights of variance 2 / fan-out for convolutions (He et al. 2015, "Delving deep", section 2.2)."""
    for part in module.modules():
        if isinstance(part, nn.Conv2d):
            nn.init.kaiming_normal_(part.weight, mode="fan_out", nonlinearity="relu")
