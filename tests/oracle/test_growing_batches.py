"""Batches that grow, noisy gradients and ghost batches: what plain loops give, and the same bits in any company."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import nn

from expzoo.config.registry import build
from expzoo.engine.assembly import Assembler
from expzoo.plugin import GhostBatchNorm1d
from expzoo.runs.contract.networks import check_adoption, check_crowd
from expzoo.spec.component import Component
from expzoo.spec.layout import Layout
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput
from expzoo.system.randomness import normals

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from expzoo.spec.spec import Spec

part = Component.of
STEPS, BATCH, MILESTONES = 12, 20, (3, 7)
COUNTS = [1] * 3 + [3] * 4 + [6] * 6  # batches of each step and of the look after the last: 9 are more than `most`


@pytest.fixture
def growing(base: Spec) -> Spec:
    schedule = part("schedule", "batch_growth", milestones=MILESTONES, factor=3, most=6)
    return base.replace(
        dataset={"batch_size": BATCH},
        optimizer=part("optimizer", "sgd", lr=0.1),
        schedule=schedule,
        stop={"steps": STEPS},
    )


def rows(specs: list[Spec], assembler: Assembler | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Weights after all steps, and the losses of every step, of networks that are trained together."""
    assembler = assembler or Assembler()
    with exact_arithmetic():
        program = assembler.program([assembler.trainee(spec, {}) for spec in specs])
        losses = program.advance(0, 5), program.advance(5, STEPS), program.look(STEPS)[:, None]
        return program.theta[: len(specs)].numpy().copy(), torch.cat(losses, 1).numpy()


def plain(spec: Spec, noise: Callable[[int, int], np.ndarray] | None = None) -> tuple[np.ndarray, np.ndarray]:
    """As an ordinary loop trains it, on whole batches of the size of each step; `noise(step, size)` of gradients."""
    assembler = Assembler()
    data, module = spec.dataset.build(), assembler.blueprints.module(spec, spec.seed)
    layout = Layout.of(module)
    layout.load(module, torch.from_numpy(assembler.recipes.initial_row(spec, {})))
    split, order = data.split("train", spec.seed), data.indices(spec.seed, 0, sum(COUNTS)).ravel()
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1, momentum=0.9)
    losses, seen = [], 0
    for step, count in enumerate(COUNTS):
        chosen = order[seen : seen + count * BATCH]
        seen += count * BATCH
        x, y = torch.tensor(split.x[chosen]), torch.tensor(split.y[chosen])
        optimizer.param_groups[0]["lr"] = 0.1 * (6 / 9 if step >= MILESTONES[1] else 1)
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(module(x.to(next(module.parameters()).dtype)), y)
        losses.append(loss.item())
        if step == STEPS:
            break
        loss.backward()
        if noise:
            _add(module, layout, noise(step, len(layout.places())))
        optimizer.step()
    return layout.row(module).numpy(), np.array(losses)


def _add(module: nn.Module, layout: Layout, drawn: np.ndarray) -> None:
    row = torch.zeros(layout.size, dtype=torch.float64)
    row[layout.places()] = torch.from_numpy(drawn).double()
    for name, view in layout.view(row).items():
        gradient = module.get_parameter(name).grad
        assert gradient is not None
        gradient += view


def test_a_step_of_several_batches_is_that_of_one_large_batch(growing: Spec) -> None:
    spec = growing.replace(dtype="float64")
    (row,), (losses,) = rows([spec])
    wanted, wanted_losses = plain(spec)
    np.testing.assert_allclose(row, wanted, rtol=0, atol=1e-12)
    np.testing.assert_allclose(losses, wanted_losses, rtol=0, atol=1e-12)
    (other,), _ = rows([spec.replace(schedule=part("schedule", "constant"))])
    assert np.abs(other - wanted).max() > 1e-3


def test_growing_batches_give_the_same_bits_in_any_company(growing: Spec) -> None:
    check_crowd(growing)
    together, _ = rows([growing.replace(seed=seed) for seed in range(5)])
    (alone,), _ = rows([growing.replace(seed=3)])
    np.testing.assert_array_equal(alone, together[3])


def test_networks_whose_batches_grow_otherwise_are_no_company(growing: Spec) -> None:
    assembler = Assembler()
    constant, cosine = (growing.replace(schedule=part("schedule", name)) for name in ("constant", "cosine"))
    later = growing.replace(schedule={"milestones": (4, 7)})
    assert assembler.signature(constant) == assembler.signature(cosine)
    assert len({assembler.signature(spec) for spec in (constant, growing, later)}) == 3


def test_a_program_that_is_used_again_forgets_how_batches_grew(growing: Spec) -> None:
    assembler = Assembler()
    first, _ = rows([growing], assembler)
    rows([growing.replace(schedule={"milestones": (1, 2)})], assembler)
    again, _ = rows([growing], assembler)
    np.testing.assert_array_equal(first, again)


def test_growth_by_milestones_and_by_fractions() -> None:
    schedule = build("schedule", "batch_growth", fractions=(0.5, 0.75), factor=5, start=2)
    assert [schedule.batches(step, 100) for step in (0, 49, 50, 74, 75, 100)] == [2, 2, 10, 10, 50, 50]
    assert {schedule.factor(step, 100) for step in range(100)} == {1.0}
    bounded = build("schedule", "batch_growth", milestones=(10, 20), factor=4, most=4)
    assert [(bounded.batches(s, 99), bounded.factor(s, 99)) for s in (9, 10, 20)] == [(1, 1.0), (4, 1.0), (4, 0.25)]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"milestones": (5, 5)}, r"milestones \[5, 5\] must increase"),
        ({"start": 4, "most": 2}, "most 2 must be at least start, which is 4"),
    ],
)
def test_a_growth_that_cannot_be_is_refused(options: dict[str, object], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        build("schedule", "batch_growth", **options)


# Noise.


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw", "rmsprop"])
def test_noise_goes_to_the_gradient_of_any_optimizer(name: str) -> None:
    noisy = build("optimizer", "noisy_gradients", of=name, lr=0.1, eta=0.3, gamma=0.55)
    inner = build("optimizer", name, lr=0.1)
    theta = torch.linspace(-1, 1, 128, dtype=torch.float64).view(2, 64)
    other = theta.clone()
    state, own = ({key: torch.zeros_like(theta) for key in inner.state} for _ in range(2))
    for step in range(1, 5):
        grad, noise = (torch.from_numpy(normals(step, what, 0, 128)).double().view(2, 64) for what in "gn")
        noisy.step(theta, grad, {**state, "noise": noise}, 0.1, torch.tensor(float(step)))
        inner.step(other, grad + math.sqrt(0.3 / step**0.55) * noise, own, 0.1, torch.tensor(float(step)))
    torch.testing.assert_close(theta, other, rtol=0, atol=1e-12)


def test_a_network_with_noisy_gradients_is_that_of_a_plain_loop(growing: Spec) -> None:
    spec = growing.replace(dtype="float64", optimizer=part("optimizer", "noisy_gradients", lr=0.1, eta=0.01))
    spec = spec.replace(optimizer={"options": {"momentum": 0.9}})
    (row,), _ = rows([spec])
    wanted, _ = plain(
        spec, lambda step, size: math.sqrt(0.01 / (step + 1) ** 0.55) * normals(spec.seed, "noise", step, size)
    )
    np.testing.assert_allclose(row, wanted, rtol=0, atol=1e-6)  # scales are float32, as the count of steps is


@pytest.mark.parametrize(
    ("options", "why"),
    [
        ({"of": "sgld"}, "of sgld: draws noise of its own"),
        ({"options": {"lr": 0.1}}, "the learning rate is optimizer.lr"),
    ],
)
def test_noise_that_cannot_be_is_refused(options: dict[str, object], why: str) -> None:
    with pytest.raises(BadInput, match=why):
        build("optimizer", "noisy_gradients", **options)


# Ghost batches.


def normalised(x: Tensor) -> Tensor:
    return (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt()


@pytest.mark.parametrize(("batch", "parts"), [(8, [8]), (20, [10, 10]), (25, [9, 8, 8]), (3, [3])])
def test_each_ghost_batch_is_normalised_by_itself(batch: int, parts: list[int]) -> None:
    layer, x = GhostBatchNorm1d(5, 8), torch.from_numpy(normals(0, "ghost", 0, batch * 5)).float().view(batch, 5)
    wanted = torch.cat([normalised(ghost) for ghost in x.split(parts)])
    torch.testing.assert_close(layer(x), wanted)
    means = torch.stack([ghost.mean(0) for ghost in x.split(parts)])
    if len(parts) == 1:
        torch.testing.assert_close(layer.running_mean, 0.1 * means[0])


@pytest.mark.parametrize("ghost_size", [None, 7])
def test_a_normalised_mlp_trains_as_a_plain_loop(base: Spec, ghost_size: int | None) -> None:
    spec = base.replace(model=part("model", "normalised_mlp", width=9, ghost_size=ghost_size))
    spec = spec.replace(optimizer=part("optimizer", "sgd"))
    check_adoption(spec)
    check_crowd(spec)


def test_batches_that_grow_are_ghost_batches_of_the_dataset_s_size(growing: Spec) -> None:
    model = part("model", "normalised_mlp", width=9)
    parts = growing.replace(dtype="float64", model=model, schedule={"milestones": (), "start": 3})
    ghosts = parts.replace(dataset={"batch_size": 3 * BATCH}, model={"ghost_size": BATCH})
    (one,), _ = rows([parts])
    (other,), _ = rows([ghosts.replace(schedule=part("schedule", "constant"))])
    np.testing.assert_allclose(one, other, rtol=0, atol=1e-10)
