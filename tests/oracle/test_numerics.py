"""Numerical linear algebra against dense matrices, finite differences, brute force and loops."""

from __future__ import annotations

import doctest
import itertools
import math
from importlib import import_module
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from expzoo.engine.layout import Layout
from expzoo.numerics.alignment import match_weights, permuted
from expzoo.numerics.empirical import EmpiricalLoss
from expzoo.numerics.hessian import hvp
from expzoo.numerics.lanczos import top_eigenpairs, top_eigenvalues
from expzoo.numerics.symmetry import hidden_units
from expzoo.numerics.trace import hutchinson_trace
from expzoo.registry import build

WIDE = torch.float64


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=WIDE, generator=torch.Generator().manual_seed(seed))


def symmetric(size: int, seed: int = 0) -> Tensor:
    matrix = random(size, size, seed=seed)
    return matrix + matrix.T


def tanh_network(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()


MODULE = tanh_network()
LAYOUT = Layout.of(MODULE)
X, Y = random(11, 4, seed=1), torch.arange(11) % 3


def loss_of(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(functional_call(MODULE, LAYOUT.view(row), (x,)), y)


def some_rows(count: int) -> Tensor:
    return torch.stack([LAYOUT.row(tanh_network(seed)) for seed in range(count)])


def slow_grad(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
    """By backward() on an ordinary module."""
    module = LAYOUT.load(tanh_network(), row)
    nn.functional.cross_entropy(module(x), y).backward()
    result = torch.zeros_like(row)
    for name, view in LAYOUT.view(result).items():
        view.copy_(module.get_parameter(name).grad)
    return result


def dense_hessian(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return torch.autograd.functional.hessian(lambda at: loss_of(at, x, y), row)


@pytest.mark.parametrize("name", ["hessian", "lanczos", "trace"])
def test_the_examples_in_the_docs(name: str) -> None:
    module = import_module(f"expzoo.numerics.{name}")
    result = doctest.testmod(module, extraglobs={"torch": torch})
    assert result.attempted > 0
    assert result.failed == 0


# Derivatives.


def test_hvp_is_the_dense_hessian_times_the_vector() -> None:
    row, vector = some_rows(1)[0], random(LAYOUT.size, seed=2)
    product = hvp(lambda at: loss_of(at, X, Y), row, vector)
    torch.testing.assert_close(product, dense_hessian(row, X, Y) @ vector, rtol=1e-10, atol=1e-12)


def test_grad_and_hvp_agree_with_finite_differences() -> None:
    loss, rows, vectors = EmpiricalLoss(loss_of), some_rows(2), random(2, LAYOUT.size, seed=3)
    step = 1e-5
    ahead, behind = rows + step * vectors, rows - step * vectors
    slopes = [(loss_of(a, X, Y) - loss_of(b, X, Y)) / (2 * step) for a, b in zip(ahead, behind, strict=True)]
    torch.testing.assert_close((loss.grad(rows, X, Y) * vectors).sum(1), torch.stack(slopes), rtol=1e-8, atol=1e-9)
    change = (loss.grad(ahead, X, Y) - loss.grad(behind, X, Y)) / (2 * step)
    torch.testing.assert_close(loss.hvp(rows, vectors, X, Y), change, rtol=1e-7, atol=1e-8)


@pytest.mark.parametrize("memory_bytes", [1, 4000, 20000, 2**26])
@pytest.mark.parametrize("shared", [True, False])
def test_every_way_to_cut_the_work_gives_the_loop(memory_bytes: int, shared: bool) -> None:
    loss, rows, vectors = EmpiricalLoss(loss_of, memory_bytes), some_rows(3), random(3, LAYOUT.size, seed=4)
    xs = [X] * 3 if shared else [random(11, 4, seed=seed) for seed in (5, 6, 7)]
    ys = [Y] * 3 if shared else [Y, Y.flip(0), (Y + 1) % 3]
    x, y = (X, Y) if shared else (torch.stack(xs), torch.stack(ys))
    members = list(zip(rows, xs, ys, strict=True))

    slow = torch.stack([slow_grad(*member) for member in members])
    torch.testing.assert_close(loss.grad(rows, x, y, shared=shared), slow, rtol=1e-12, atol=1e-14)
    slow = torch.stack([dense_hessian(*m) @ v for m, v in zip(members, vectors, strict=True)])
    torch.testing.assert_close(loss.hvp(rows, vectors, x, y, shared=shared), slow, rtol=1e-10, atol=1e-12)
    slow = torch.stack(
        [torch.stack([slow_grad(r, x[i : i + 1], y[i : i + 1]) for i in range(11)]) for r, x, y in members]
    )
    torch.testing.assert_close(loss.per_example_grad(rows, x, y, shared=shared), slow, rtol=1e-12, atol=1e-14)


def test_less_memory_means_smaller_parts() -> None:
    lengths = []

    def watched(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
        lengths.append(len(x))
        return loss_of(row, x, y)

    longest = []
    for memory_bytes in (1, 4000, 2**26):
        lengths.clear()
        EmpiricalLoss(watched, memory_bytes).grad(some_rows(1), X, Y)
        longest.append(max(lengths[2:]))  # the first two calls see what an example costs
    assert longest[0] == 1
    assert 1 < longest[1] < 11
    assert longest[2] == 11


def test_no_examples_are_refused() -> None:
    with pytest.raises(ValueError, match="no examples"):
        EmpiricalLoss(loss_of).grad(some_rows(1), X[:0], Y[:0])


# Eigenvalues and trace.


@pytest.mark.parametrize(("size", "k"), [(5, 1), (5, 5), (20, 3), (60, 1), (60, 4), (200, 2)])
def test_top_eigenvalues_are_those_of_the_dense_matrix(size: int, k: int) -> None:
    matrix = symmetric(size)
    values, vectors = top_eigenpairs(lambda v: matrix @ v, size, k)
    truth = torch.linalg.eigvalsh(matrix).flip(0)[:k]
    torch.testing.assert_close(values, truth, rtol=1e-6, atol=1e-9)
    torch.testing.assert_close(vectors @ matrix, values.unsqueeze(1) * vectors, rtol=0, atol=1e-4)
    torch.testing.assert_close(vectors @ vectors.T, torch.eye(k, dtype=WIDE), rtol=0, atol=1e-8)


def test_the_largest_not_the_largest_in_size() -> None:
    diagonal = -torch.arange(1.0, 101.0, dtype=WIDE)
    diagonal[:2] = torch.tensor([3.0, 2.0])
    torch.testing.assert_close(top_eigenvalues(lambda v: diagonal * v, 100, 2), torch.tensor([3.0, 2.0], dtype=WIDE))


def test_top_eigenvalues_of_a_hessian() -> None:
    row = some_rows(1)[0]
    values = top_eigenvalues(lambda v: hvp(lambda at: loss_of(at, X, Y), row, v), LAYOUT.size, 3)
    truth = torch.linalg.eigvalsh(dense_hessian(row, X, Y)).flip(0)[:3]
    torch.testing.assert_close(values, truth, rtol=1e-6, atol=1e-10)


def test_top_eigenvalues_do_not_depend_on_the_start_and_are_repeatable() -> None:
    matrix = symmetric(80)
    found = [top_eigenvalues(lambda v: matrix @ v, 80, 2, seed=seed) for seed in (0, 0, 1)]
    assert torch.equal(found[0], found[1])
    torch.testing.assert_close(found[0], found[2], rtol=1e-6, atol=0)


def test_float32_products() -> None:
    matrix = symmetric(80).float()
    values = top_eigenvalues(lambda v: matrix @ v, 80, 2, tolerance=1e-4, dtype=torch.float32)
    assert values.dtype == torch.float32
    torch.testing.assert_close(values.double(), torch.linalg.eigvalsh(matrix.double()).flip(0)[:2], rtol=1e-4, atol=0)


def test_top_eigenvalues_of_the_zero_matrix() -> None:
    assert top_eigenvalues(torch.zeros_like, 100, 2).tolist() == [0, 0]


@pytest.mark.parametrize("k", [0, 101])
def test_an_impossible_number_of_eigenvalues(k: int) -> None:
    with pytest.raises(ValueError, match=f"k {k} must be from 1 to 100"):
        top_eigenvalues(torch.zeros_like, 100, k)


def test_eigenvalues_that_cannot_be_had() -> None:
    with pytest.raises(ArithmeticError, match="not finite"):
        top_eigenvalues(lambda v: v * math.nan, 100)
    close = 1 + 1e-9 * torch.arange(3000, dtype=WIDE)
    with pytest.raises(ArithmeticError, match="0 of 2 eigenvalues converged in 2 iterations"):
        top_eigenvalues(lambda v: close * v, 3000, 2, iterations=2, tolerance=1e-14)


def test_hutchinson_converges_to_the_trace_at_the_known_rate() -> None:
    matrix = symmetric(30)
    truth, samples = matrix.trace().item(), 4000
    estimate = hutchinson_trace(lambda v: matrix @ v, 30, samples)
    off_diagonal = matrix - matrix.diag().diag()
    rate = math.sqrt(2 * off_diagonal.square().sum().item())
    assert estimate.standard_error == pytest.approx(rate / math.sqrt(samples), rel=0.1)
    assert abs(estimate.value - truth) < 4 * estimate.standard_error


def test_hutchinson_is_unbiased_and_its_error_honest() -> None:
    matrix = symmetric(10, seed=3)
    truth = matrix.trace().item()
    estimates = [hutchinson_trace(lambda v: matrix @ v, 10, 20, seed=seed) for seed in range(300)]
    deviations = torch.tensor([(e.value - truth) / e.standard_error for e in estimates])
    assert abs(deviations.mean().item()) < 4 / math.sqrt(300)
    assert 0.85 < (deviations.abs() < 2.09).double().mean().item() <= 1  # 95 % of Student's t with 19 degrees


def test_one_sample_is_refused() -> None:
    with pytest.raises(ValueError, match="1 samples"):
        hutchinson_trace(torch.clone, 4, 1)


# Permutations of hidden units.


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
        return self.last(self.free(x.flatten(1) + self.inner(x.flatten(1)).relu()).relu())


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
    x = random(5, 6)
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


def similarity(a: dict[str, Tensor], b: dict[str, Tensor]) -> float:
    return sum(float((value * b[key]).sum()) for key, value in a.items())


def test_one_hidden_layer_is_matched_as_well_as_by_brute_force() -> None:
    torch.manual_seed(0)
    for _ in range(5):
        modules = [nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2)) for _ in range(2)]
        a, b = (dict(module.named_parameters()) for module in modules)
        units = hidden_units(modules[0])
        orders = ([torch.tensor(order)] for order in itertools.permutations(range(5)))
        best = max(similarity(a, permuted(b, units, order)) for order in orders)
        assert similarity(a, permuted(b, units, match_weights(units, a, b))) == pytest.approx(best, abs=1e-5)


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
        return  # its step is linearised, so an exchange may help
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
