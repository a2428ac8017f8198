"""The gradient noise scale against what it must be: exact of all examples, without bias of some; and the box metric."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from expzoo.plugins.analyses import noise_scale as scales
from torch import Tensor

from expzoo.config.registry import build
from expzoo.plugin import Layout, Point
from expzoo.science.numerics.empirical import EmpiricalLoss
from expzoo.science.numerics.noise_scale import fit_hyperbola, gradient_noise
from expzoo.store import records

if TYPE_CHECKING:
    from expzoo.plugin import Probe

SIZE = 7
DRAWS = 4000


def population(count: int = 200) -> np.ndarray:
    rng = np.random.default_rng(3)
    return 0.3 + rng.standard_normal((count, SIZE)) * np.arange(1, SIZE + 1)


def truth(gradients: np.ndarray) -> tuple[float, float]:
    return float(gradients.var(0, ddof=1).sum()), float(np.square(gradients.mean(0)).sum())


def noise_of(gradients: np.ndarray, size: int | None = None) -> tuple[float, float]:
    return gradient_noise(gradients.sum(0), float(np.square(gradients).sum()), len(gradients), size)


def test_of_all_examples_it_is_exact() -> None:
    gradients = population()
    np.testing.assert_allclose(noise_of(gradients, len(gradients)), truth(gradients), rtol=1e-12)


@pytest.mark.parametrize("endless", [False, True])
def test_of_some_examples_trace_and_square_have_no_bias(endless: bool) -> None:
    gradients, rng = population(), np.random.default_rng(0)
    size = None if endless else len(gradients)
    found = [noise_of(gradients[rng.choice(len(gradients), 12, replace=endless)], size) for _ in range(DRAWS)]
    trace, square = truth(gradients)
    wanted = (trace * (len(gradients) - 1) / len(gradients) if endless else trace, square)
    means, errors = np.mean(found, 0), np.std(found, 0) / DRAWS**0.5
    np.testing.assert_array_less(np.abs(means - wanted), 4 * errors)
    plain = np.mean([np.square(gradients[rng.choice(len(gradients), 12)].mean(0)).sum() for _ in range(DRAWS)])
    assert plain > 2 * square  # what is not corrected is mostly noise


def test_two_batch_sizes_say_the_same() -> None:
    """Appendix A.1 of McCandlish et al., whose averages of squared norms are taken first."""
    gradients, rng, (few, many) = population(), np.random.default_rng(1), (4, 40)

    def mean_square(size: int) -> float:
        drawn = (gradients[rng.choice(len(gradients), size)].mean(0) for _ in range(20 * DRAWS // size))
        return float(np.mean([np.square(mean).sum() for mean in drawn]))

    small, large = mean_square(few), mean_square(many)
    trace, square = (small - large) / (1 / few - 1 / many), (many * large - few * small) / (many - few)
    wanted = noise_of(gradients, len(gradients))
    assert trace == pytest.approx(wanted[0], rel=0.1)
    assert square == pytest.approx(wanted[1], rel=0.4)


def test_a_hyperbola_is_found_again() -> None:
    batches = np.array([4.0, 16, 64, 256, 1024])
    steps = 50 + 3000 / batches
    np.testing.assert_allclose(fit_hyperbola(batches, steps), (50, 3000), rtol=1e-6)
    noisy = steps * np.exp(0.05 * np.random.default_rng(0).standard_normal(5))
    np.testing.assert_allclose(fit_hyperbola(batches, noisy), (50, 3000), rtol=0.2)


Loss = Callable[[Tensor, Tensor, Tensor], Tensor]


def point(row: Tensor, function: Loss, count: int = 300) -> Point:
    """A network with these weights and this loss."""
    x, layout = torch.from_numpy(population(count)), Layout.of(torch.nn.Linear(SIZE, 1, bias=False))
    whole = torch.zeros(layout.size, dtype=torch.float64)
    whole[:SIZE] = row
    return Point(whole, layout, EmpiricalLoss(function), lambda: (x, x[:, 0]), lambda: whole, lambda: None)


def bowl(curvatures: Tensor) -> Loss:
    """Around each example: (w - x)^2 times its curvature, over 2."""
    return lambda at, x, y: ((at[:SIZE] - x).square() * curvatures).sum(1).mean() / 2


def test_the_probe_sees_the_noise_of_its_examples() -> None:
    row, curvatures = torch.full((SIZE,), 2.0, dtype=torch.float64), torch.linspace(0.5, 2, SIZE, dtype=torch.float64)
    network = point(row, bowl(curvatures))
    gradients = (curvatures * (row - network.data()[0])).numpy()
    trace, square = truth(gradients)
    assert build("probe", "noise_scale")(network) == pytest.approx(trace / square, rel=1e-10)
    few = noise_of(gradients[:50], len(gradients))
    assert build("probe", "noise_scale", examples=50)(network) == pytest.approx(few[0] / few[1], rel=1e-10)


# The box.


def box(relative: bool, iterations: int = 10) -> Probe:
    return build("probe", "box_sharpness", epsilon=0.01, relative=relative, iterations=iterations)


@pytest.mark.parametrize("relative", [False, True])
def test_of_a_bowl_the_largest_loss_is_at_a_corner(relative: bool) -> None:
    curvatures = torch.linspace(0.5, 2, SIZE, dtype=torch.float64)
    row = torch.tensor([3, -4, 5, 3, -2, 6, 7.0], dtype=torch.float64)
    network = point(row, bowl(curvatures))
    x = network.data()[0]

    def loss(at: Tensor) -> float:
        return float(((at - x).square() * curvatures).sum(1).mean() / 2)

    width = 0.01 * (row.abs() + (not relative))
    corner = row + width * (row - x.mean(0)).sign()
    wanted = 100 * (loss(corner) - loss(row)) / (1 + loss(row))
    assert box(relative)(network) == pytest.approx(wanted, rel=1e-6)


def test_rescaled_weights_of_the_same_function_change_the_published_box_alone() -> None:
    def product(row: Tensor, x: Tensor, y: Tensor) -> Tensor:
        return (row[0] * row[1] * x[:, 0] - 1).square().mean()

    values = {}
    for scale in (1.0, 50.0):
        row = torch.tensor([0.5 * scale, 0.5 / scale, *[0.0] * (SIZE - 2)], dtype=torch.float64)
        values[scale] = box(relative=False)(point(row, product)), box(relative=True)(point(row, product))
    assert values[50.0][1] == pytest.approx(values[1.0][1], rel=1e-6)
    assert values[50.0][0] > 3 * values[1.0][0]


def test_at_a_minimum_the_search_does_not_stop_for_small_gradients() -> None:
    curvatures = torch.full((SIZE,), 1e-4, dtype=torch.float64)
    row = torch.from_numpy(population(300).mean(0)) + 1e-4
    assert box(relative=False)(point(row, bowl(curvatures))) > 0


@pytest.mark.parametrize(("rate", "withheld"), [(0.1, False), (0.8, True), (0.05, True)])
def test_a_rate_at_the_edge_of_the_grid_settles_nothing_about_batch_sizes(rate: float, withheld: bool) -> None:
    """The updates may stop falling because the rates do; the noise is that of the middle size."""
    analysis = build("analysis", "noise_scale")
    rows: list[dict[str, Any]] = []
    for seed in range(8):
        where = {"key": f"{seed:064x}", "seed": seed, "step": 1, "split": "train"}
        for arm in (scales.TUNED, scales.FIXED, scales.AGAIN):
            for batch in analysis.batches[: 1 if arm == scales.AGAIN else None]:
                own = {"arm": arm, "metric": scales.STEPS, "batch": batch}
                last = batch == analysis.batches[-1]
                value = 80 * (1 + 60 / batch) * (1 + 0.001 * ((seed * 7 + len(arm)) % 5))
                rows.append(where | own | {"rate": rate if last else 0.1, "value": value})
        for step, value in enumerate((20.0, 60.0, 200.0 + seed)):
            rows.append(where | {"arm": scales.NOISE, "metric": "noise_scale", "step": step, "value": value})
    found = {v.claim: v.verdict for v in analysis.judge(records.frame(rows), {})}
    assert (found[scales.LARGE.name] == "withheld") == withheld
    assert (found[scales.PREDICTS.name] == "withheld") == withheld
    assert found[scales.GROWS.name] == "supported"
