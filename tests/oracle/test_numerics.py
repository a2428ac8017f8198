"""Numerical linear algebra against dense matrices, finite differences, brute force and loops."""

from __future__ import annotations

import doctest
import math
from importlib import import_module

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from expzoo.science.numerics.empirical import EmpiricalLoss
from expzoo.science.numerics.hessian import hvp
from expzoo.science.numerics.lanczos import top_eigenpairs, top_eigenvalues
from expzoo.science.numerics.trace import hutchinson_trace
from expzoo.spec.layout import Layout

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
    module = import_module(f"expzoo.science.numerics.{name}")
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
