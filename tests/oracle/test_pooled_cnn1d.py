"""The pooling benchmark's network against torch's own pooling, and its published sizes."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from expzoo.config.registry import build
from expzoo.spec.layout import Layout, construct

POOLS = {
    "none": lambda h: h,
    "max": lambda h: functional.max_pool1d(h, 2),
    "average": lambda h: functional.avg_pool1d(h, 2),
    "l2": lambda h: functional.lp_pool1d(h, 2.0, 2),
}


def network(pooling: str, inputs: tuple[int, ...] = (40,), channels: int = 20) -> torch.nn.Module:
    return construct(lambda: build("model", "pooled_cnn1d", inputs, 10, pooling=pooling, channels=channels), 0)


@pytest.mark.parametrize("pooling", POOLS)
def test_it_is_the_notebooks_network(pooling: str) -> None:
    module, x = network(pooling), torch.randn(6, 40)
    first, second, linear = (module.get_submodule(name) for name in ("first", "second", "linear"))
    h = POOLS[pooling](first(x.unsqueeze(1)).relu())
    expected = linear(POOLS[pooling](second(h).relu()).flatten(1))
    assert torch.allclose(module(x), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("pooling", "channels", "parameters"),
    [("none", 20, 9310), ("stride", 20, 3310), ("max", 20, 3310), ("l2", 20, 3310), ("none", 8, 3442)],
)
def test_it_has_the_published_number_of_parameters(pooling: str, channels: int, parameters: int) -> None:
    assert Layout.of(network(pooling, channels=channels)).num_parameters == parameters


def test_l2_pooling_has_a_gradient_where_relu_left_nothing() -> None:
    module = network("l2")
    with torch.no_grad():
        module.get_submodule("first").bias.fill_(-100.0)
    module(torch.randn(3, 40)).sum().backward()
    assert all(value.grad is not None and value.grad.isfinite().all() for value in module.parameters())


@pytest.mark.parametrize("pooling", ["none", "stride", "max"])
@pytest.mark.parametrize("length", [4, 5, 7, 13])
def test_odd_lengths_fit(pooling: str, length: int) -> None:
    assert network(pooling, (2, length))(torch.randn(2, 2, length)).shape == (2, 10)


def test_what_is_no_sequence_is_refused() -> None:
    with pytest.raises(Exception, match="reads sequences"):
        network("max", (1, 8, 8))
