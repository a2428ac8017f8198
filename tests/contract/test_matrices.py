"""Modules that factorise or solve, and computed weights: plain autograd's gradient, and bits of their own."""

from __future__ import annotations

import pytest
import torch
from tests.contract.test_adoption import (
    CLASSES,
    HIDDEN,
    INPUTS,
    Between,
    assert_gradient_of_plain_autograd,
    assert_own_bits,
    between,
    program,
)
from torch import nn
from torch.nn.utils import parametrizations, parametrize

from expzoo.system.arithmetic import exact_arithmetic


class Spectral(nn.Module):
    """A parametrisation: a matrix over its largest singular value."""

    def forward(self, weight):
        return weight / torch.linalg.matrix_norm(weight, 2)


def parametrised(change):
    """A linear layer whose weight is computed from parameters by torch.nn.utils, changed in place."""

    def made():
        layer = nn.Linear(INPUTS, HIDDEN)
        change(layer)
        return nn.Sequential(layer, nn.Tanh(), nn.Linear(HIDDEN, CLASSES))

    return made


PARAMETRISED = {
    "orthogonal": parametrised(lambda layer: parametrizations.orthogonal(layer, use_trivialization=False)),
    "spectral": parametrised(lambda layer: parametrize.register_parametrization(layer, "weight", Spectral())),
    "weight_norm": parametrised(parametrizations.weight_norm),
}


def square(hidden):
    """(batch, 5, 5) far from singular."""
    return hidden.unflatten(1, (5, 5)) + 5 * torch.eye(5, dtype=hidden.dtype)


MATRICES = {
    "cholesky": between(lambda parts, h: torch.linalg.cholesky(square(h) @ square(h).mT).flatten(1)),
    "eigh": between(lambda parts, h: torch.linalg.eigh(square(h) + square(h).mT)[0].repeat(1, 5)),
    "inverse": between(lambda parts, h: square(h).inverse().flatten(1)),
    "pinv": between(lambda parts, h: torch.linalg.pinv(square(h)).flatten(1)),
    "slogdet": between(lambda parts, h: h * square(h).slogdet()[1].unsqueeze(1)),
    "solve": between(lambda parts, h: torch.linalg.solve(square(h), square(h.tanh())).flatten(1)),
}


@pytest.mark.parametrize("name", MATRICES | PARAMETRISED)
def test_a_module_with_matrices_has_the_gradient_of_plain_autograd(name):
    assert_gradient_of_plain_autograd((MATRICES | PARAMETRISED)[name])


@pytest.mark.parametrize("name", MATRICES | PARAMETRISED)
def test_a_module_with_matrices_has_the_same_bits_in_any_crowd(name):
    assert_own_bits((MATRICES | PARAMETRISED)[name])


class Singular(Between):
    """Operates on a matrix that is zero in the member whose only weight is, and the identity in others."""

    def __init__(self, function):
        super().__init__(lambda parts, h: h * function(parts.scale * torch.eye(2, dtype=h.dtype)).sum())
        self.scale = nn.Parameter(torch.ones(()))


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(
    "function",
    [
        torch.inverse,
        lambda matrix: torch.linalg.solve(matrix, torch.ones(2, dtype=matrix.dtype)),
        lambda matrix: torch.linalg.cholesky(matrix - 0.5 * torch.eye(2, dtype=matrix.dtype)),
        lambda matrix: torch.linalg.eigvalsh(matrix / matrix[0, 0]),
        lambda matrix: torch.linalg.pinv(matrix / matrix[0, 0]),
    ],
    ids=["inverse", "solve", "cholesky", "eigvalsh", "pinv"],
)
def test_a_matrix_that_torch_refuses_is_the_end_of_its_member_alone(function, alone):
    def losses(seeds, broken=None):
        with exact_arithmetic():
            population = program(lambda: Singular(function), seeds, alone=alone)
            if broken is not None:
                population.layout.views(population.theta)["scale"][broken] = 0
            return population.advance(0, 3)

    whole, found = losses([4, 5, 6]), losses([4, 5, 6], broken=1)
    assert whole.isfinite().all()
    assert found[1].isnan().all()
    assert torch.equal(found[[0, 2]], whole[[0, 2]])
