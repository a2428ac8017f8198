"""The pooling benchmark's network for images against torch's own pooling."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from expzoo.config.registry import build
from expzoo.spec.layout import construct

POOLS = {
    "none": lambda h: h,
    "max": lambda h: functional.max_pool2d(h, 2),
    "average": lambda h: functional.avg_pool2d(h, 2),
    "l2": lambda h: functional.lp_pool2d(h, 2.0, 2),
}


def network(pooling: str, inputs: tuple[int, ...] = (3, 8, 8)) -> torch.nn.Module:
    return construct(lambda: build("model", "pooled_cnn2d", inputs, 10, pooling=pooling, channels=4), 0)


@pytest.mark.parametrize("pooling", POOLS)
def test_it_pools_after_each_convolution(pooling: str) -> None:
    module, x = network(pooling), torch.randn(6, 3, 8, 8)
    first, second, linear = (module.get_submodule(name) for name in ("first", "second", "linear"))
    h = POOLS[pooling](first(x).relu())
    expected = linear(POOLS[pooling](second(h).relu()).flatten(1))
    assert torch.allclose(module(x), expected, atol=1e-6)


def test_l2_pooling_has_a_gradient_where_relu_left_nothing() -> None:
    module = network("l2")
    with torch.no_grad():
        module.get_submodule("first").bias.fill_(-100.0)
    module(torch.randn(3, 3, 8, 8)).sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in module.parameters())


@pytest.mark.parametrize("pooling", ["none", "stride", "max"])
@pytest.mark.parametrize("side", [4, 5, 7])
def test_odd_sides_fit(pooling: str, side: int) -> None:
    assert network(pooling, (1, side, side))(torch.randn(2, 1, side, side)).shape == (2, 10)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match="pooled_cnn2d"):
        network("max", (40,))
