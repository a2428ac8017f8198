"""Activation functions as splines: exact where they should be, close elsewhere, safe for what is not a number."""

from __future__ import annotations

import math

import pytest
import torch

from expzoo.components import splines
from expzoo.components.learned_activations import straight_pieces

KNOTS = splines.knots()
EVERYWHERE = torch.linspace(-12, 12, 2001, dtype=torch.float64)


def test_a_cubic_is_itself_between_the_outer_knots() -> None:
    table = splines.cubic(KNOTS**3 - 2 * KNOTS, 3 * KNOTS**2 - 2)
    inside = EVERYWHERE[EVERYWHERE.abs() <= 8]
    assert torch.allclose(splines.evaluate(table, inside), inside**3 - 2 * inside, atol=1e-10)


def test_beyond_the_outer_knots_it_goes_on_straight() -> None:
    table = splines.cubic(KNOTS**2, 2 * KNOTS)
    found = splines.evaluate(table, torch.tensor([-10.0, 11.0], dtype=torch.float64))
    assert found.tolist() == pytest.approx([64 + 2 * 16, 64 + 3 * 16])


def test_a_smooth_function_is_met_within_one_part_in_ten_thousand_with_its_slope() -> None:
    table = splines.cubic(KNOTS.tanh(), 1 - KNOTS.tanh().square())
    x = EVERYWHERE[EVERYWHERE.abs() <= 8].clone().requires_grad_()
    value = splines.evaluate(table, x)
    [slope] = torch.autograd.grad(value.sum(), x)
    assert (value - x.tanh()).abs().max() < 1e-4
    assert (slope - (1 - x.tanh().square())).abs().max() < 2e-3


def test_relu_is_straight_pieces_without_any_error() -> None:
    table = splines.linear(KNOTS.relu())
    assert torch.allclose(splines.evaluate(table, EVERYWHERE), EVERYWHERE.relu(), rtol=1e-14, atol=1e-14)


def test_what_is_not_a_number_stays_so_and_does_not_stop_the_rest() -> None:
    table = splines.cubic(KNOTS, torch.ones_like(KNOTS))
    found = splines.evaluate(table, torch.tensor([math.nan, math.inf, -math.inf, 1e30, 2.0], dtype=torch.float64))
    assert not found[:3].isfinite().any()
    assert found[3:].tolist() == [1e30, 2.0]


def test_the_table_has_a_gradient() -> None:
    values, slopes = KNOTS.sin().requires_grad_(), KNOTS.cos().requires_grad_()

    def at(values: torch.Tensor, slopes: torch.Tensor) -> torch.Tensor:
        return splines.evaluate(splines.cubic(values, slopes), torch.tensor([-9.0, 0.3, 7.9], dtype=torch.float64))

    assert torch.autograd.gradcheck(at, (values, slopes))


def test_straight_pieces_fit_best_in_least_squares() -> None:
    values = KNOTS.tanh().numpy()
    fitted = straight_pieces(values)
    assert straight_pieces(fitted) == pytest.approx(fitted, abs=1e-12)
    through = values[::4].repeat(4)[: len(values)]
    assert ((fitted - values) ** 2).sum() < ((through - values) ** 2).sum()
    assert abs(fitted - values).max() < 0.2
