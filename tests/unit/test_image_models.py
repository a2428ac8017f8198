"""Image models are those of the papers: their sizes, and what they are invariant to."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from expzoo.analysis.studies.memory_splits import num_parameters
from expzoo.config.registry import build
from expzoo.spec.component import Component
from expzoo.spec.layout import construct

SIZES = {
    "ResNet-20": ("resnet", {}, 269_722),
    "ResNet-18": ("resnet", {"depth": 18, "width": 64}, 11_173_962),
    "WRN-28-10": ("wide_resnet", {"depth": 28, "width": 160}, 36_479_194),
    "VGG16": ("cnn2d", {"stages": [2, 2, 3, 3, 3]}, 14_728_266 - 4224),  # its convolutions' biases are those of BN
}


@pytest.mark.parametrize("name", SIZES)
def test_it_has_the_parameters_of_the_paper(name: str) -> None:
    model, options, size = SIZES[name]
    assert num_parameters(Component.of("model", model, **options), (3, 32, 32), 10) == size


def test_the_scale_of_the_weights_of_convnet_si_does_not_matter() -> None:
    def outputs(factor: float) -> Any:
        module = construct(lambda: build("model", "convnet_si", (3, 32, 32), 10, channels=6), 3, torch.float64)
        generator = torch.Generator().manual_seed(0)
        x = torch.randn(20, 3, 32, 32, generator=generator, dtype=torch.float64)
        for name, parameter in module.named_parameters():
            if not name.startswith("last"):
                parameter.data.mul_(factor)
        assert module.last.weight.norm().item() == pytest.approx(10)
        return module(x).detach()

    torch.testing.assert_close(outputs(1.0), outputs(3.0), rtol=1e-3, atol=1e-3)  # epsilon of batch normalisation
    torch.testing.assert_close(outputs(100.0), outputs(1000.0), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("model", ["cnn2d", "resnet", "wide_resnet", "convnet_si"])
@pytest.mark.parametrize("inputs", [(40,), (3, 4), (3, 2, 32)])
def test_what_is_no_image_is_refused(model: str, inputs: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=rf"{model} sees images .* not inputs"):
        build("model", model, inputs, 10)
