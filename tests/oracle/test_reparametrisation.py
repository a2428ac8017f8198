"""Derivatives at other weights of one function against all of the Hessian by torch."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest
import torch
from torch.func import functional_call

from expzoo.analysis.studies.reparametrisation import between_layers, slopes, times
from expzoo.spec.component import Component

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec

EXAMPLES = 40


@pytest.mark.parametrize("model", ["mlp", "convnet_si"])
def test_slopes_are_those_of_all_of_the_hessian(
    train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec], model: str
) -> None:
    options = {"width": 5, "depth": 1} if model == "mlp" else {"channels": 1, "depth": 2}
    data = Component.of("dataset", "digits", train_size=60, batch_size=20)
    [network] = train_small(small_spec().replace(dataset=data, model=Component.of("model", model, **options)))
    module = network.module().double().train()
    named = {name: value.detach() for name, value in module.named_parameters()}
    of = [name for name in named if model == "mlp" or not name.startswith("last.")]
    change = between_layers(3.0) if model == "mlp" else times(3.0, of)
    found = slopes(network, change, of, EXAMPLES)

    split = network.spec.dataset.build().split("train", network.spec.seed)
    x, y = torch.tensor(split.x[:EXAMPLES]).double(), torch.tensor(split.y[:EXAMPLES])
    by = {"first.weight": 3.0, "first.bias": 3.0, "last.weight": 1 / 3} if model == "mlp" else dict.fromkeys(of, 3.0)
    weights = {name: value * by.get(name, 1.0) for name, value in named.items()}
    start = torch.cat([weights[name].flatten() for name in of])

    def loss(row: Tensor) -> Tensor:
        parts = row.split([weights[name].numel() for name in of])
        own = {name: part.view(weights[name].shape) for name, part in zip(of, parts, strict=True)}
        buffers = {name: value.clone() for name, value in module.named_buffers()}
        return torch.nn.functional.cross_entropy(functional_call(module, weights | buffers | own, (x,)), y)

    assert found.loss == pytest.approx(loss(start).item(), rel=1e-12)
    gradient = torch.func.grad(loss)(start)
    assert found.gradient == pytest.approx(gradient.norm().item(), rel=1e-10)
    hessian = torch.autograd.functional.hessian(loss, start)
    assert found.sharpness == pytest.approx(torch.linalg.eigvalsh(hessian)[-1].item(), rel=1e-6)
    step = 1e-6 * gradient / gradient.norm()
    slope = (loss(start + step) - loss(start - step)).item() / 2e-6
    assert slope == pytest.approx(found.gradient, rel=1e-5)
