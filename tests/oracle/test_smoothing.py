"""Descent of a smoothed loss, on a function of one variable whose smoothed form and lowest minimum are known."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from expzoo.config.registry import build

STEPS, STARTS, RATE, WIDTH = 1500, (4, 64), 0.02, 1.0
STEEP, DEEP, WAVE = 0.1, 1.0, 3.0  # a bowl with waves: a x^2 / 2 - d cos(k (x - 1)), whose lowest minimum is near 1


def slope(x: Tensor, width: float = 0.0) -> Tensor:
    """The derivative; smoothed by a Gaussian, waves are lower by exp(-k^2 s^2 / 2) and the bowl stays as it is."""
    return STEEP * x + DEEP * WAVE * math.exp(-((WAVE * width) ** 2) / 2) * torch.sin(WAVE * (x - 1))


def ended(name: str, starts: Tensor, **options: float) -> Tensor:
    """Where so many descents end."""
    optimizer = build("optimizer", name, lr=RATE, **options)
    theta = starts.clone()
    state = {part: torch.zeros_like(theta) for part in optimizer.state}
    generator = torch.Generator().manual_seed(0)
    for step in range(1, STEPS + 1):
        state["noise"] = torch.randn(theta.shape, dtype=theta.dtype, generator=generator)
        optimizer.step(theta, slope(theta), state, RATE, torch.tensor(float(step)))
    return theta


def lowest() -> float:
    x = torch.linspace(-12, 12, 240_001, dtype=torch.float64)
    return float(x[(STEEP * x.square() / 2 - DEEP * torch.cos(WAVE * (x - 1))).argmin()])


def test_following_the_smoothed_minimum_finds_the_lowest_where_descent_does_not() -> None:
    starts = torch.linspace(-10, 10, 256, dtype=torch.float64).view(STARTS)
    alone = ended("sgd", starts, momentum=0.0)
    smoothed = ended("smoothed_sgd", starts, width=2 * WIDTH, steps=3 * STEPS // 4)
    found = [float(((ends - lowest()).abs() < 1e-3).double().mean()) for ends in (alone, smoothed)]
    assert found[0] < 0.25
    assert found[1] > 2 * found[0]
    assert slope(alone).abs().max() < 1e-3  # both end in minima
    assert slope(smoothed).abs().max() < 1e-3


def test_the_mean_step_is_that_of_the_smoothed_loss() -> None:
    theta = torch.full((200, 1024), 0.7, dtype=torch.float64)
    optimizer = build("optimizer", "smoothed_sgd", lr=1.0, width=WIDTH, steps=10**9)
    noise = torch.randn(theta.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    state = {"shift": WIDTH * noise, "noise": torch.zeros_like(noise)}
    places = theta + state["shift"]
    optimizer.step(places, slope(places), state, 1.0, torch.tensor(1.0))
    moved = (theta - places).flatten()
    error = float(moved.std() / math.sqrt(moved.numel()))
    assert abs(float(moved.mean()) - float(slope(theta[:1, :1], WIDTH))) < 4 * error


def test_of_no_width_it_is_plain_descent() -> None:
    starts = torch.linspace(-10, 10, 64, dtype=torch.float64).view(1, 64)
    torch.testing.assert_close(
        ended("smoothed_sgd", starts, width=0.0), ended("sgd", starts, momentum=0.0), rtol=0, atol=1e-12
    )
