"""Weights on a sphere: what is trained stays there, what is frozen as it was; and functions that feel no scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from expzoo.config import registry
from expzoo.lab.request import Request
from expzoo.spec.component import Component

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab
    from expzoo.spec.spec import Spec


@pytest.mark.parametrize("scope", ["whole", "tensor"])
def test_frozen_weights_take_no_part(base: Spec, open_lab: Callable[..., Lab], scope: str) -> None:
    frozen = base.replace(
        model=Component.of("model", "mlp_si", width=6, depth=2),
        optimizer=Component.of("optimizer", "sgd", lr=0.1, momentum=0.0),
        parametrisation=Component.of("parametrisation", "frozen", parameters=("last.*",)),
        stop={"steps": 5},
    )
    bound = frozen.replace(constraint=Component.of("constraint", "sphere", radius=2.0, scope=scope))
    free, held = open_lab().train(Request((frozen, bound), (), steps=(0,)))
    before, start, end = free.parameters(0), held.parameters(0), held.parameters()
    np.testing.assert_array_equal(start["last.weight"], before["last.weight"])
    np.testing.assert_array_equal(end["last.weight"], before["last.weight"])
    trained = [name for name in end if name != "last.weight"]
    for weights in (start, end):
        norms = [np.linalg.norm(weights[name].astype(np.float64)) for name in trained]
        if scope == "tensor":
            np.testing.assert_allclose(norms, 2.0, rtol=1e-5)
        else:
            assert float(np.hypot(*norms)) == pytest.approx(2.0, rel=1e-5)
    assert all(not np.array_equal(start[name], end[name]) for name in trained)
    # The direction at the start is that of the free network.
    cosine = np.vdot(start[trained[0]], before[trained[0]]) / np.linalg.norm(before[trained[0]])
    assert float(cosine) == pytest.approx(float(np.linalg.norm(start[trained[0]])), rel=1e-5)


@pytest.mark.parametrize(("name", "inputs"), [("mlp_si", (40,)), ("convnet_si", (3, 16, 16))])
def test_its_function_does_not_depend_on_the_scale_of_its_weights(name: str, inputs: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    module = registry.load("model", name)(inputs, 10).double().train()
    x = torch.randn(8, *inputs, dtype=torch.float64)
    before = module(x).detach()
    assert module.last.weight.norm().item() == pytest.approx(10.0, rel=1e-6)
    with torch.no_grad():
        for parameter in module.features.parameters():
            parameter.mul_(30.0)
    torch.testing.assert_close(module(x).detach(), before, rtol=1e-3, atol=1e-3)
    assert all(not key.endswith("bias") for key, _ in module.named_parameters())
