"""Products with Hessians that stay in place against plain products and dense Hessians of torch."""

from __future__ import annotations

import doctest
from importlib import import_module

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from expzoo.science.numerics import hessians
from expzoo.science.numerics.empirical import EmpiricalLoss
from expzoo.science.numerics.hessians import COLUMNS, Hessians
from expzoo.science.numerics.linearised import Linearised
from expzoo.spec.layout import Layout

WIDE = torch.float64


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=WIDE, generator=torch.Generator().manual_seed(seed))


MODULE = nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3)).double()
LAYOUT = Layout.of(MODULE)
X, Y = random(11, 4, seed=1), torch.arange(11) % 3


def loss_of(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
    return nn.functional.cross_entropy(functional_call(MODULE, LAYOUT.view(row), (x,)), y)


@pytest.mark.parametrize(
    ("part_bytes", "kept_bytes", "shared"),
    [(1, 2**30, True), (30_000, 0, False), (2**23, 0, True), (2**23, 2**30, False)],
)
def test_every_way_to_cut_the_work_gives_plain_products(
    monkeypatch: pytest.MonkeyPatch, part_bytes: int, kept_bytes: int, shared: bool
) -> None:
    monkeypatch.setattr(hessians, "PART_BYTES", part_bytes)
    monkeypatch.setattr(hessians, "KEPT_BYTES", kept_bytes)
    loss, rows = EmpiricalLoss(loss_of), random(5, LAYOUT.size, seed=2)
    x, y = (X, Y) if shared else (random(5, 11, 4, seed=3), torch.stack([Y.roll(k) for k in range(5)]))
    hessian = Hessians(loss, rows, x, y, shared=shared)
    for seed in (4, 5):
        vectors = random(5, LAYOUT.size, seed=seed)
        torch.testing.assert_close(
            hessian(vectors), loss.hvp(rows, vectors, x, y, shared=shared), rtol=1e-11, atol=1e-13
        )
    several = Hessians(loss, rows, x, y, shared=shared, columns=3)(vectors.unsqueeze(1) * torch.ones(3, 1, dtype=WIDE))
    torch.testing.assert_close(several, hessian(vectors).unsqueeze(1).expand(-1, 3, -1), rtol=1e-11, atol=1e-13)


def test_the_dense_hessian_is_torchs() -> None:
    row, places = random(LAYOUT.size, seed=6), LAYOUT.places()
    slow = torch.autograd.functional.hessian(lambda at: loss_of(at, X, Y), row)
    for columns in (1, COLUMNS):
        [_, found] = Hessians(EmpiricalLoss(loss_of), torch.stack([-row, row]), X, Y, columns=columns).dense(places)
        torch.testing.assert_close(found, slow[places][:, places], rtol=1e-11, atol=1e-13)
        assert torch.equal(found, found.T)


def test_it_is_traced_once_for_all_rows() -> None:
    loss = EmpiricalLoss(loss_of)
    Hessians(loss, random(2, LAYOUT.size), X, Y)
    [traced] = loss.traced.values()
    Hessians(loss, random(2, LAYOUT.size, seed=1), X, Y)
    assert list(loss.traced.values()) == [traced]


def test_what_is_done_in_place_is_not_seen_by_the_next_product() -> None:
    def in_place(w: Tensor, v: Tensor) -> Tensor:
        return (w.clone().mul_(2).unsqueeze(0) * v).sum(0).mul_(3)

    product = Linearised(in_place, torch.ones(3), torch.ones(3)).at(torch.tensor([1.0, 2.0, 3.0]))
    assert [product(torch.ones(3)).tolist() for _ in range(2)] == [[6, 12, 18]] * 2


def test_a_hessian_that_is_zero() -> None:
    loss = EmpiricalLoss(lambda row, x, y: (x @ row).mean() + 0 * y.sum())
    assert Hessians(loss, random(2, 4), X, Y)(random(2, 4)).tolist() == [[0] * 4] * 2


def test_the_example_in_the_docs() -> None:
    assert doctest.testmod(import_module("expzoo.science.numerics.linearised")).failed == 0
