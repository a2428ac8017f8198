"""Spirals, the swiss roll and the teacher against their published formulas; poison is of no split that is scored."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import kstest
from sklearn.datasets import make_swiss_roll
from torch import nn

from expzoo.config.registry import build

ARMS = ("two_spirals", "swiss_roll")


def published_spirals(points: int) -> tuple[np.ndarray, np.ndarray]:
    """As `generate_spiral_data` of github.com/wronnyhuang/gen-viz writes them down, by numbers alone."""
    step = 1.5 * 2 * math.pi / points
    red = [[5 * math.sqrt(t * step) * f(t * step) for f in (math.cos, math.sin)] for t in range(points)]
    return np.array(red), -np.array(red)


def published_roll(points: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """As `twospirals` of the same program writes it down, without noise."""
    n = np.sqrt(rng.random(points)) * 600 * (2 * np.pi) / 360
    first = np.stack([-1.5 * np.cos(n) * n, 1.5 * np.sin(n) * n], 1)
    return first, -first


def radius(x: np.ndarray) -> np.ndarray:
    return np.hypot(*x.T)


def nearest(x: np.ndarray, curve: np.ndarray) -> np.ndarray:
    """How far points (n, 2) lie from those of a curve (m, 2)."""
    return np.hypot(*(x[:, None] - curve[None]).transpose(2, 0, 1)).min(1)


def test_spirals_are_the_published_ones() -> None:
    data = build("dataset", "two_spirals", train_size=1000).split("train", 0)
    blue, red = published_spirals(4000)[::-1]
    for label, curve in enumerate((blue, red)):
        points = data.x[data.y == label]
        assert len(points) == 500
        assert nearest(points, curve).max() < 0.25  # half the distance of the curve's first two points
        assert nearest(points[radius(points) > 2], -curve).min() > 1
        assert kstest(radius(points) ** 2 / radius(curve).max() ** 2, "uniform").pvalue > 1e-3


def test_the_roll_is_the_published_one() -> None:
    data = build("dataset", "swiss_roll", noise=0.0, train_size=2000).split("train", 0)
    rng = np.random.default_rng(0)
    for label, points in enumerate(published_roll(1000, rng)):
        own = data.x[data.y == label]
        for axis in (0, 1):
            assert kstest(own[:, axis], points[:, axis]).pvalue > 1e-3
        angle = radius(own) / 1.5
        sign = 1.5 * (1 - 2 * label)
        expected = sign * angle[:, None] * np.stack([-np.cos(angle), np.sin(angle)], 1)
        np.testing.assert_allclose(own, expected, atol=1e-4)


def test_the_curve_is_that_of_scikit_learn() -> None:
    """Of both the radius grows by as much for each circle, but for the factor of 1.5."""
    x, angle = make_swiss_roll(500, random_state=0)
    np.testing.assert_allclose(np.hypot(x[:, 0], x[:, 2]), angle)
    ours = build("dataset", "swiss_roll", noise=0.0, turns=2.25, train_size=2000).split("train", 0).x
    roll = 1.5 * np.stack([-x[:, 0], x[:, 2]], 1)  # (-cos, sin) where scikit-learn has (cos, sin)
    assert nearest(roll, np.concatenate([ours, -ours])).max() < 0.5


@pytest.mark.parametrize("name", ARMS)
def test_noise_has_its_deviation(name: str) -> None:
    apart = [build("dataset", name, noise=noise, train_size=4000).split("train", 0).x for noise in (0.0, 0.7)]
    assert kstest((apart[1] - apart[0]).ravel() / 0.7, "norm").pvalue > 1e-3


@pytest.mark.parametrize("name", ARMS)
def test_poison_has_wrong_labels_and_is_in_no_split(name: str) -> None:
    options: dict[str, Any] = {
        "draw": "member",
        "train_size": 60,
        "validation_size": 50,
        "noise": 0.0,
        "batch_size": 20,
    }
    clean, poisoned = build("dataset", name, **options), build("dataset", name, **options, poison=40)
    for seed in (0, 1):
        before, after = clean.split("train", seed), poisoned.split("train", seed)
        np.testing.assert_array_equal(after.x[:60], before.x)
        np.testing.assert_array_equal(after.y[:60], before.y)
        poison = after.x[60:]
        for split in ("train", "validation", "test", "fresh"):
            apart = np.abs(poison[:, None] - clean.split(split, seed).x[None]).max(2)
            assert apart.min() > 0, split
            if split != "train":
                np.testing.assert_array_equal(clean.split(split, seed).x, poisoned.split(split, seed).x)
        # A point and its mirror image lie on different arms: the nearest clean point tells the true one.
        many = build("dataset", name, train_size=20000, noise=0.0).split("train", 0)
        far = radius(poison) > 3
        true = many.y[np.hypot(*(poison[:, None] - many.x[None]).transpose(2, 0, 1)).argmin(1)]
        assert far.sum() > 20
        assert (after.y[60:][far] != true[far]).all()
    assert set(poisoned.indices(0, 0, 20).ravel()) == set(range(100))


def test_draws_of_members_and_of_splits_differ() -> None:
    for name in (*ARMS, "teacher"):
        dataset = build("dataset", name, draw="member", train_size=100, test_size=100, validation_size=100)
        splits = ("train", "validation", "test", "fresh")
        seen = [dataset.split(split, seed).x.tobytes() for split in splits for seed in (0, 1)]
        assert len(set(seen)) == 8
        with pytest.raises(ValueError, match=f"{name} has no validation split"):
            build("dataset", name).split("validation", 0)


@pytest.mark.parametrize("classes", [2, 5])
def test_the_teacher_is_a_network_that_says_its_labels(classes: int) -> None:
    dataset = build("dataset", "teacher", dimensions=12, width=3, classes=classes, train_size=2000)
    module = nn.Sequential(nn.Linear(12, 3, bias=False), nn.Tanh(), nn.Linear(3, classes, bias=False)).double()
    hidden, last = dataset.weights(dataset.identity(0))
    module[0].weight.data, module[2].weight.data = torch.tensor(hidden / math.sqrt(12)), torch.tensor(last)
    data = dataset.split("train", 0)
    said = module(torch.tensor(data.x).double())
    margin = said.topk(2).values.diff().abs()[:, 0]
    clear = (margin > 1e-4).numpy()  # inputs were rounded to single precision after they had been labelled
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(said.argmax(1).numpy()[clear], data.y[clear])
    assert kstest(data.x.ravel(), "norm").pvalue > 1e-3


def test_two_classes_of_a_teacher_are_as_frequent() -> None:
    for seed in range(4):
        labels = build("dataset", "teacher", seed=seed, train_size=20000).split("train", 0).y
        assert abs(labels.mean() - 0.5) < 4 * 0.5 / math.sqrt(20000)
