"""A cohort against plain loops over ordinary modules, dense Hessians and finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from expzoo.analysis.cohort import Cohort
from expzoo.config.registry import build
from expzoo.system.arithmetic import exact_arithmetic

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec

WIDE = torch.float64


@pytest.fixture(scope="module")
def own_data(train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec]) -> list[Trained]:
    """Networks of which each sees its own draw of the data."""
    return train_small(*(small_spec(seed, draw="member") for seed in range(3)))


def examples(network: Trained, split: str, dtype: torch.dtype) -> tuple[Tensor, Tensor]:
    found = network.spec.dataset.build().split(split, network.spec.seed)
    return torch.tensor(found.x).to(dtype), torch.tensor(found.y)


def module_at(network: Trained, row: Tensor, cohort: Cohort) -> nn.Module:
    """An ordinary module with this row; what follows uses nothing else of the engine."""
    return cohort.layout.load(network.module().to(row.dtype), row)


def slow_loss(
    network: Trained, row: Tensor, cohort: Cohort, split: str, rows: Any = slice(None)
) -> tuple[nn.Module, Tensor]:
    module = module_at(network, row, cohort)
    x, y = examples(network, split, row.dtype)
    return module, nn.functional.cross_entropy(module(x[rows]), y[rows])


def slow_grad(network: Trained, row: Tensor, cohort: Cohort, split: str, rows: Any = slice(None)) -> Tensor:
    module, loss = slow_loss(network, row, cohort, split, rows)
    loss.backward()
    return as_row(cohort, {name: value.grad for name, value in module.named_parameters()})


def as_row(cohort: Cohort, parameters: dict[str, Any]) -> Tensor:
    row = torch.zeros(cohort.layout.size, dtype=cohort.dtype)
    for name, view in cohort.layout.view(row).items():
        view.copy_(parameters[name].detach())
    return row


def dense_hessian(network: Trained, row: Tensor, cohort: Cohort, split: str) -> Tensor:
    """One backward pass for each entry of the gradient, in the places of a row."""
    module, loss = slow_loss(network, row, cohort, split)
    names, values = zip(*module.named_parameters(), strict=True)
    first = torch.autograd.grad(loss, values, create_graph=True)
    indices = as_row(cohort, {n: torch.ones_like(v) for n, v in zip(names, values, strict=True)}).nonzero().squeeze(1)
    hessian = torch.zeros(len(row), len(row), dtype=row.dtype)
    entries = torch.cat([value.flatten() for value in first])
    for index, entry in zip(indices, entries, strict=True):
        second = torch.autograd.grad(entry, values, retain_graph=True)
        hessian[index] = as_row(cohort, dict(zip(names, second, strict=True)))
    return hessian


# Evaluation.


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_predict_is_the_ordinary_forward_pass_bit_for_bit(networks: list[Trained], dtype: Any) -> None:
    cohort = Cohort(networks, dtype=dtype)
    for split in ("test", "train"):
        outputs = cohort.predict(split)
        assert outputs.shape == (3, 100, 10)
        for network, row, found in zip(networks, cohort.rows, outputs, strict=True):
            with exact_arithmetic(), torch.no_grad():
                assert torch.equal(found, module_at(network, row, cohort)(examples(network, split, cohort.dtype)[0]))
        assert cohort.predict(split) is outputs


def test_losses_and_metrics_are_those_of_training_bit_for_bit(networks: list[Trained]) -> None:
    cohort = Cohort(networks)
    assert cohort.loss().tolist() == [network.value("loss") for network in networks]
    assert cohort.loss(split="train").tolist() == [network.value("loss", "train") for network in networks]
    assert cohort.accuracy().tolist() == [network.value() for network in networks]
    assert cohort.loss(cohort.rows).tolist() == cohort.loss().tolist()


def test_a_member_does_not_depend_on_its_company(networks: list[Trained]) -> None:
    alone, together = Cohort(networks[1:2]), Cohort(networks)
    assert torch.equal(alone.predict()[0], together.predict()[1])
    assert alone.loss()[0] == together.loss()[1]


@pytest.mark.parametrize("loss", ["mse", "squared_hinge", "bce"])
def test_the_loss_is_that_of_training(
    train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec], loss: str
) -> None:
    networks = train_small(*(small_spec(seed, loss=loss) for seed in range(2)))
    cohort = Cohort(networks, dtype="float64")
    of = build("loss", loss)
    for network, row, found, gradient in zip(
        networks, cohort.rows, cohort.loss(), cohort.grad(split="test"), strict=True
    ):
        module = module_at(network, row, cohort)
        x, y = examples(network, "test", WIDE)
        value = of(module(x), y)
        assert found.item() == pytest.approx(value.item(), rel=1e-12)
        value.backward()
        slow = as_row(cohort, {name: p.grad for name, p in module.named_parameters()})
        torch.testing.assert_close(gradient, slow, rtol=1e-10, atol=1e-13)


def test_rows_between_two_networks(networks: list[Trained]) -> None:
    cohort = Cohort(networks)
    path = torch.stack([torch.lerp(cohort.rows[0], cohort.rows[1], weight) for weight in torch.linspace(0, 1, 5)])
    losses, accuracies = cohort.loss(path), cohort.accuracy(path, "train")
    assert losses[[0, 4]].tolist() == cohort.loss()[:2].tolist()
    for row, loss, accuracy in zip(path, losses, accuracies, strict=True):
        _, slow = slow_loss(networks[0], row, cohort, "test")
        assert loss.item() == pytest.approx(slow.item(), rel=1e-6)
        x, y = examples(networks[0], "train", cohort.dtype)
        right = module_at(networks[0], row, cohort)(x).argmax(1) == y
        assert accuracy.item() == pytest.approx(100 * right.double().mean().item())


def test_an_earlier_step(networks: list[Trained]) -> None:
    cohort = Cohort(networks, step=20)
    for network, row in zip(networks, cohort.rows, strict=True):
        assert np.array_equal(row.numpy(), network.network.rows[20])
    assert cohort.loss().tolist() != Cohort(networks).loss().tolist()


# Derivatives.


@pytest.mark.parametrize(("dtype", "rtol", "atol"), [("float32", 1e-4, 1e-7), ("float64", 1e-10, 1e-14)])
def test_grad_is_a_backward_pass(networks: list[Trained], dtype: Any, rtol: float, atol: float) -> None:
    cohort = Cohort(networks, dtype=dtype)
    slow = [slow_grad(n, row, cohort, "train") for n, row in zip(networks, cohort.rows, strict=True)]
    torch.testing.assert_close(cohort.grad(), torch.stack(slow), rtol=rtol, atol=atol)
    extra = cohort.rows[[0, 2, 1, 0]] * 0.5
    slow = [slow_grad(networks[0], row, cohort, "test") for row in extra]
    torch.testing.assert_close(cohort.grad(extra, "test"), torch.stack(slow), rtol=rtol, atol=atol)


def test_hvp_and_eigenvalues_are_those_of_the_dense_hessian(networks: list[Trained]) -> None:
    cohort = Cohort(networks, dtype="float64")
    vectors = torch.randn(3, cohort.layout.size, dtype=WIDE, generator=torch.Generator().manual_seed(0))
    hessians = [dense_hessian(n, row, cohort, "train") for n, row in zip(networks, cohort.rows, strict=True)]
    slow = torch.stack([hessian @ vector for hessian, vector in zip(hessians, vectors, strict=True)])
    torch.testing.assert_close(cohort.hvp(None, vectors), slow, rtol=1e-9, atol=1e-12)
    eigenvalues = torch.stack([torch.linalg.eigvalsh(hessian).flip(0)[:2] for hessian in hessians])
    torch.testing.assert_close(cohort.top_eigenvalues(2, tolerance=1e-8), eigenvalues, rtol=1e-6, atol=1e-9)


def test_finite_differences(networks: list[Trained]) -> None:
    cohort = Cohort(networks, dtype="float64")
    step, rows = 1e-6, cohort.rows
    vectors = torch.nn.functional.normalize(cohort.grad())
    ahead, behind = rows + step * vectors, rows - step * vectors
    slope = (cohort.loss(ahead, "train") - cohort.loss(behind, "train")) / (2 * step)
    torch.testing.assert_close((cohort.grad() * vectors).sum(1), slope, rtol=1e-6, atol=1e-8)
    change = (cohort.grad(ahead) - cohort.grad(behind)) / (2 * step)
    torch.testing.assert_close(cohort.hvp(None, vectors), change, rtol=1e-5, atol=1e-7)


def test_per_example_gradients(networks: list[Trained]) -> None:
    cohort = Cohort(networks, dtype="float64")
    chosen = [7, 3, 99]
    gradients = cohort.per_example_grad(examples=chosen)
    assert gradients.shape == (3, 3, cohort.layout.size)
    for network, row, found in zip(networks, cohort.rows, gradients, strict=True):
        slow = [slow_grad(network, row, cohort, "train", slice(index, index + 1)) for index in chosen]
        torch.testing.assert_close(found, torch.stack(slow), rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(cohort.per_example_grad().mean(1), cohort.grad(), rtol=1e-10, atol=1e-14)
    torch.testing.assert_close(gradients.mean(1), cohort.grad(examples=chosen), rtol=1e-10, atol=1e-14)


def test_members_with_their_own_data(own_data: list[Trained]) -> None:
    cohort = Cohort(own_data, dtype="float64")
    pairs = list(zip(own_data, cohort.rows, strict=True))
    slow = torch.stack([slow_grad(network, row, cohort, "train") for network, row in pairs])
    torch.testing.assert_close(cohort.grad(), slow, rtol=1e-10, atol=1e-14)
    products = torch.stack(
        [dense_hessian(n, row, cohort, "train") @ v for (n, row), v in zip(pairs, slow, strict=True)]
    )
    torch.testing.assert_close(cohort.hvp(None, slow), products, rtol=1e-9, atol=1e-12)
    one = torch.stack([slow_grad(network, row, cohort, "train", [5]) for network, row in pairs])
    torch.testing.assert_close(cohort.per_example_grad(examples=[5])[:, 0], one, rtol=1e-10, atol=1e-14)
    assert cohort.loss().tolist() == pytest.approx([network.value("loss") for network in own_data], rel=1e-5)
    for of in (cohort.loss, cohort.grad, cohort.per_example_grad):
        with pytest.raises(ValueError, match="2 rows: every member has its own test split, so there must be 3"):
            of(cohort.rows[:2], "test")
    assert cohort[[2, 0]].loss(cohort.rows[[2, 0]]).tolist() == cohort.loss()[[2, 0]].tolist()
