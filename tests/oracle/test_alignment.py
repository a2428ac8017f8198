"""Permutations of hidden units: which there are, and how near they bring two networks, against brute force."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from expzoo.config.registry import build
from expzoo.science.numerics.alignment import match_weights, permuted
from expzoo.science.numerics.symmetry import hidden_units


class Streams(nn.Module):
    """Two branches multiplied, added to a stream, one of its layers used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.enter, self.gate, self.value = nn.Linear(6, 8), nn.Linear(8, 5), nn.Linear(8, 5, bias=False)
        self.back, self.leave, self.scale = nn.Linear(5, 8), nn.Linear(8, 3), nn.Parameter(torch.tensor(0.5))

    def forward(self, x: Tensor) -> Tensor:
        h = self.enter(x.reshape(x.shape[0], -1) * 2)
        for _ in range(2):
            h = h + self.scale * self.back(torch.sigmoid(self.gate(h)) * self.value(h))
        return self.leave(nn.functional.gelu(h))


class OnInput(nn.Module):
    """A layer whose units are added to the input's own: they are not free."""

    def __init__(self) -> None:
        super().__init__()
        self.inner, self.free, self.last = nn.Linear(6, 6), nn.Linear(6, 4), nn.Linear(4, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = x.flatten(1)
        return self.last(self.free(self.inner(x).relu() + x).relu())


def sequential() -> nn.Module:
    return nn.Sequential(
        nn.Flatten(), nn.Linear(6, 7), nn.LeakyReLU(), nn.Dropout(0.5), nn.Linear(7, 9), nn.GELU(), nn.Linear(9, 3)
    )


MODULES: dict[str, tuple[Any, list[int]]] = {
    "sequential": (sequential, [7, 9]),
    "mlp": (lambda: build("model", "mlp", (6,), 3, width=8, depth=3, residual=False), [8, 8, 8]),
    "residual mlp": (lambda: build("model", "mlp", (6,), 3, width=8, depth=3), [8]),
    "streams": (Streams, [8, 5]),
    "on input": (OnInput, [4]),
    "linear": (lambda: nn.Sequential(nn.Linear(6, 3)), []),
}


def parameters_of(name: str, seed: int) -> tuple[nn.Module, dict[str, Tensor]]:
    torch.manual_seed(seed)
    module = MODULES[name][0]().double().eval()
    return module, {key: value.detach().clone() for key, value in module.named_parameters()}


@pytest.mark.parametrize("name", MODULES)
def test_hidden_units_are_those_whose_permutation_changes_nothing(name: str) -> None:
    module, parameters = parameters_of(name, 0)
    units = hidden_units(module)
    assert [group.width for group in units] == MODULES[name][1]
    x = torch.randn(5, 6, dtype=torch.float64)
    for index in range(len(units)):
        orders = [
            torch.randperm(group.width) if g == index else torch.arange(group.width) for g, group in enumerate(units)
        ]
        other = permuted(parameters, units, orders)
        assert any(not torch.equal(other[key], value) for key, value in parameters.items())
        torch.testing.assert_close(functional_call(module, other, (x,)), module(x), rtol=1e-13, atol=1e-14)


@pytest.mark.parametrize("name", [name for name in MODULES if name != "linear"])
@pytest.mark.parametrize("seed", range(5))
def test_a_permuted_copy_is_aligned_exactly(name: str, seed: int) -> None:
    module, parameters = parameters_of(name, seed)
    units = hidden_units(module)
    copy = permuted(parameters, units, [torch.randperm(group.width) for group in units])
    back = permuted(copy, units, match_weights(units, parameters, copy))
    assert all(torch.equal(back[key], value) for key, value in parameters.items())


@pytest.mark.parametrize("seed", range(5))
def test_a_permuted_copy_is_found_where_later_weights_outweigh_earlier_ones(seed: int) -> None:
    """ReLU lets factors move between layers: the match has to start where nothing is permuted."""
    module, parameters = parameters_of("mlp", seed)
    for name, factor in (("first.weight", 0.1), ("first.bias", 0.1), ("hidden.0.weight", 10)):
        parameters[name] *= factor
    units = hidden_units(module)
    copy = permuted(parameters, units, [torch.randperm(group.width) for group in units])
    back = permuted(copy, units, match_weights(units, parameters, copy))
    assert all(torch.equal(back[key], value) for key, value in parameters.items())


def similarity(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return sum(float((value * b[key]).sum()) for key, value in a.items())


def share_of_the_best(make: Any, width: int, seed: int) -> float:
    """The similarity reached for two networks with one group of units, relative to the best of all permutations."""
    torch.manual_seed(seed)
    modules = make(), make()
    a, b = ({key: value.detach() for key, value in module.named_parameters()} for module in modules)
    units = hidden_units(modules[0])
    orders = ([torch.tensor(order)] for order in itertools.permutations(range(width)))
    best = max(similarity(a, permuted(b, units, order)) for order in orders)
    return similarity(a, permuted(b, units, match_weights(units, a, b))) / best


def test_one_hidden_layer_is_matched_as_well_as_by_brute_force() -> None:
    make = lambda: nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)).double()  # noqa: E731
    assert [share_of_the_best(make, 5, seed) for seed in range(5)] == pytest.approx([1.0] * 5, abs=1e-9)


def test_a_residual_stream_is_matched_nearly_as_well_as_by_brute_force() -> None:
    make = lambda: build("model", "mlp", (6,), 3, width=5, depth=3).double()  # noqa: E731
    shares = [share_of_the_best(make, 5, seed) for seed in range(10)]
    assert max(shares) <= 1 + 1e-9
    assert sum(shares) / 10 > 0.95
    assert min(shares) > 0.75


@pytest.mark.parametrize("name", ["mlp", "residual mlp", "streams"])
@pytest.mark.parametrize("seed", range(4))
def test_strangers_come_closer_and_no_exchange_of_two_units_helps(name: str, seed: int) -> None:
    module, a = parameters_of(name, seed)
    _, b = parameters_of(name, seed + 100)
    units = hidden_units(module)
    orders = match_weights(units, a, b)
    reached = similarity(a, permuted(b, units, orders))
    assert reached > similarity(a, b)
    if name == "residual mlp":
        return  # its steps are approximate, so an exchange may help
    for group, order in enumerate(orders):
        for i, j in itertools.combinations(range(len(order)), 2):
            exchanged = order.clone()
            exchanged[[i, j]] = order[[j, i]]
            trial = [*orders[:group], exchanged, *orders[group + 1 :]]
            assert similarity(a, permuted(b, units, trial)) <= reached + 1e-9


class Branching(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) if x.sum() > 0 else self.layer(-x)


class OwnWeights(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.scale = nn.Linear(6, 3), nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        return self.layer(x) * self.scale


def tied() -> nn.Module:
    module = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
    module[2].weight = module[0].weight
    return module


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (nn.Sequential(nn.Conv1d(1, 2, 3), nn.Flatten(), nn.Linear(8, 3)), "cannot be permuted: it has 0, a Conv1d"),
        (nn.Sequential(nn.Linear(6, 4), nn.LayerNorm(4), nn.Linear(4, 3)), "it has 1, a LayerNorm"),
        (nn.Sequential(nn.Linear(6, 4), nn.Softmax(-1), nn.Linear(4, 3)), "it has softmax on hidden units"),
        (OwnWeights(), r"it has scale of shape \(3,\) outside a layer"),
        (tied(), "it has 2.weight, which is another parameter too"),
        (Branching(), "the forward pass of Branching cannot be read"),
    ],
)
def test_other_modules_are_refused_by_name(module: nn.Module, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        hidden_units(module)
