"""Curvature of trained networks against curvlinops, and spectral densities against all eigenvalues."""

from __future__ import annotations

import doctest
import warnings
from collections.abc import Callable
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from expzoo.analysis.cohort import Cohort
from expzoo.analysis.curvature import Curvature
from expzoo.science.numerics import kinks
from expzoo.science.numerics.spectral_density import lanczos, quadrature
from expzoo.spec.component import Component
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained
    from expzoo.spec.spec import Spec

WIDE = torch.float64
# None with layer normalisation: of its weight torch's forward-mode derivative, which curvlinops takes, is not what
# differences of gradients show (2.13); `test_cohort_layers.py` has those layers against plain autograd.
MODELS = {
    "mlp": {"width": 6, "activation": "tanh"},
    "cnn1d": {"channels": 3},
    "logistic": {},
    "pooled_cnn1d": {"channels": 2},
    "local1d": {"channels": 2},
}


def random(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=WIDE, generator=torch.Generator().manual_seed(seed))


def curvlinops(not_run: Callable[[str], NoReturn]) -> Any:
    """The library, whose import warns."""
    if not find_spec("curvlinops"):
        not_run("needs curvlinops 3, of the extra bench")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return import_module("curvlinops")


@pytest.fixture(scope="module")
def smooth(train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec]) -> list[Trained]:
    """Two networks on the same data, of tanh."""
    model = Component.of("model", "mlp", width=4, activation="tanh")
    return train_small(*(small_spec(seed).replace(model=model) for seed in range(2)))


@pytest.mark.parametrize("model", MODELS)
def test_products_gradients_and_eigenvalues_are_those_of_curvlinops(
    train_small: Callable[..., list[Trained]],
    small_spec: Callable[..., Spec],
    not_run: Callable[[str], NoReturn],
    model: str,
) -> None:
    library = curvlinops(not_run)
    part = Component.of("model", model, **MODELS[model])
    networks = train_small(*(small_spec(seed).replace(model=part) for seed in range(2)))
    cohort = Cohort(networks, dtype="float64")
    curvature, places = Curvature(cohort), cohort.layout.places()
    vectors = torch.zeros_like(cohort.rows)
    vectors[:, places] = random(2, len(places))
    products, dense, each = curvature.products(vectors), curvature.dense(), cohort.per_example_grad(examples=[3, 5])
    for member, network in enumerate(networks):
        module = cohort.layout.load(network.module().double(), cohort.rows[member])
        data = network.spec.dataset.build().split("train", network.spec.seed)
        x, y = torch.tensor(data.x).double(), torch.tensor(data.y)
        parameters = [dict(module.named_parameters())[name] for name in cohort.layout.names]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            operator = library.HessianLinearOperator(module, nn.CrossEntropyLoss(), parameters, [(x, y)])
            slow = operator @ vectors[member, places]
            matrix = operator @ torch.eye(len(places), dtype=WIDE)
            moment = library.EFLinearOperator(module, nn.CrossEntropyLoss(), parameters, [(x[[3, 5]], y[[3, 5]])])
            second = moment @ torch.eye(len(places), dtype=WIDE)
        torch.testing.assert_close(products[member, places], slow, rtol=1e-6, atol=1e-9)
        torch.testing.assert_close(dense[member], matrix, rtol=1e-6, atol=1e-9)
        gradients = each[member][:, places]
        torch.testing.assert_close(gradients.T @ gradients / 2, second, rtol=1e-6, atol=1e-9)


def test_the_top_of_the_spectrum_is_that_of_the_dense_hessian(smooth: list[Trained]) -> None:
    curvature = Curvature(Cohort(smooth, dtype="float64"))
    values, vectors = curvature.top(3, tolerance=1e-10)
    torch.testing.assert_close(values, curvature.eigenvalues()[:, :3], rtol=1e-8, atol=1e-12)
    for place in range(3):
        own = vectors[:, place].contiguous()
        torch.testing.assert_close(curvature.products(own), values[:, place, None] * own, rtol=1e-6, atol=1e-8)


def test_the_density_has_the_moments_and_outliers_of_all_eigenvalues(smooth: list[Trained]) -> None:
    curvature = Curvature(Cohort(smooth, dtype="float64"))
    eigenvalues = curvature.eigenvalues().numpy()
    found = curvature.density(steps=40, samples=10)
    np.testing.assert_allclose(found.weights.sum(1), 1, rtol=1e-12)
    np.testing.assert_allclose(found.nodes.max(1), eigenvalues[:, 0], rtol=1e-9)
    for member, values in enumerate(eigenvalues):
        mean = (found.weights * found.nodes)[member].sum()
        noise = np.sqrt(2 * (values**2).mean() / len(values) / 10)  # of a mean over 10 normal vectors
        assert abs(mean - values.mean()) < 4 * noise
        share = ((values > -0.01) & (values < 0.01)).mean()
        assert found.share(-0.01, 0.01)[member] == pytest.approx(share, abs=0.1)


# Lanczos.


def test_lanczos_finds_every_eigenvalue_of_several_matrices_at_once() -> None:
    matrices = random(3, 12, 12)
    matrices = matrices + matrices.mT
    on, off = lanczos(lambda v: torch.einsum("kij,kj->ki", matrices, v), random(3, 12, seed=1), 12)
    found = torch.linalg.eigvalsh(on.diag_embed() + off.diag_embed(1) + off.diag_embed(-1))
    torch.testing.assert_close(found, torch.linalg.eigvalsh(matrices), rtol=1e-10, atol=1e-10)


def test_a_matrix_of_few_directions_ends_early_and_invents_nothing() -> None:
    direction = torch.nn.functional.normalize(random(1, 30))
    found = quadrature(lambda v: 5 * (v * direction).sum(1, keepdim=True) * direction, 1, 30, steps=10, samples=200)
    counted = found.nodes[found.weights > 1e-9]
    assert np.all((np.abs(counted) < 1e-8) | (np.abs(counted - 5) < 1e-8))
    assert found.share(4, 6)[0] == pytest.approx(1 / 30, abs=0.01)


def test_quadrature_is_exact_for_polynomials_of_its_degree() -> None:
    values = torch.linspace(-1, 3, 40, dtype=WIDE)
    found = quadrature(lambda v: values * v, 1, 40, steps=5)
    truth = quadrature(lambda v: values * v, 1, 40, steps=40)
    for degree in range(10):
        exact = (truth.weights * truth.nodes**degree).sum()
        assert (found.weights * found.nodes**degree).sum() == pytest.approx(exact, rel=1e-9)


def test_padding_is_no_part_of_the_density() -> None:
    values = torch.linspace(1, 2, 50, dtype=WIDE)
    values[20:] = 0
    found = quadrature(lambda v: values * v, 1, 50, torch.arange(20), steps=10)
    assert found.share(0.9, 2.1)[0] == pytest.approx(1)
    grid = np.linspace(0, 3, 3001)
    assert found.density(grid, 0.05)[0].sum() * 0.001 == pytest.approx(1, abs=1e-3)


def test_the_example_in_the_docs() -> None:
    assert doctest.testmod(import_module("expzoo.science.numerics.spectral_density")).failed == 0


# What is refused.


@pytest.mark.parametrize(("at", "kinked"), [(0.0, True), (1e-3, False)])
def test_a_kink_is_found_where_it_is(at: float, kinked: bool) -> None:
    def grad(rows: Tensor) -> Tensor:
        return (rows > 0) * 0.01 + rows

    rows = torch.tensor([[at, 1.0], [0.5, 1.0]], dtype=WIDE)
    assert kinks.has_kink(grad, lambda v: v, rows, torch.arange(2)).tolist() == [kinked, False]


def test_curvature_at_a_kink_is_refused_in_one_line(
    train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec]
) -> None:
    [network] = train_small(small_spec().replace(model=Component.of("model", "mlp", width=4)))
    cohort = Cohort([network], dtype="float64")
    Curvature(cohort)
    cohort.rows[0].zero_()
    with pytest.raises(BadInput, match=rf"^network {network.key[:12]}: the loss has a kink at these weights.*tanh.*$"):
        Curvature(cohort)


def test_float32_and_what_is_too_large_are_refused_in_one_line(
    smooth: list[Trained], monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(BadInput, match=r"^curvature in float32 .*dtype='float64'$"):
        Curvature(Cohort(smooth))
    curvature = Curvature(Cohort(smooth, dtype="float64"))
    monkeypatch.setattr("expzoo.analysis.curvature.MOST_DENSE", 10)
    with pytest.raises(BadInput, match=r"^a dense Hessian of 122 parameters: at most 10; .*$"):
        curvature.dense()
