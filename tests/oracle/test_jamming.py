"""The jamming transition where it is known: Cover's count for linear networks, and how parameters are counted."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch
from scipy.optimize import linprog
from scipy.stats import binomtest, kstest

from expzoo.analysis.studies import jamming
from expzoo.config.registry import build
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec

DIMENSIONS = 4  # with a bias, five parameters


def separable(x: np.ndarray, y: np.ndarray) -> bool:
    """Whether a hyperplane with every margin at least 1 exists, by linear programming."""
    signed = (2.0 * y[:, None] - 1) * np.column_stack([x, np.ones(len(x))])
    found = linprog(np.zeros(signed.shape[1]), A_ub=-signed, b_ub=-np.ones(len(x)), bounds=(None, None))
    return found.status == 0


@pytest.mark.parametrize("points", [3, 5, 6])
def test_covers_count_is_that_of_all_labels(points: int) -> None:
    x = np.random.default_rng(points).standard_normal((points, 2))
    labels = list(itertools.product((0, 1), repeat=points))
    share = np.mean([separable(x, np.array(label)) for label in labels])
    assert jamming.separable(points, 3) == pytest.approx(share)


def test_half_of_all_labels_can_be_separated_at_twice_the_parameters() -> None:
    assert [jamming.separable(2 * p, p) for p in (1, 5, 11)] == pytest.approx([0.5] * 3)
    assert jamming.separable(5, 5) == 1
    assert jamming.separable(44, 11) < 1e-3


def test_the_inputs_are_normal_and_the_labels_fair_and_independent() -> None:
    data = build("dataset", "gaussian", dimensions=3, train_size=4000, draw="member").split("train", 1)
    assert data.x.shape == (4000, 3)
    assert kstest(data.x.reshape(-1), "norm").pvalue > 1e-3
    assert binomtest(int(data.y.sum()), 4000).pvalue > 1e-3
    assert abs(np.corrcoef(data.x[:, 0], data.y)[0, 1]) < 4 / np.sqrt(4000)


def test_training_satisfies_what_can_be_satisfied(base: Spec, open_lab: Callable[..., Any]) -> None:
    """Linear networks at twice their parameters: half can be, and the lab finds those and no others."""
    data = {"dimensions": DIMENSIONS, "draw": "member", "train_size": 10, "test_size": 1, "order": "full"}
    spec = base.replace(
        dataset=Component.of("dataset", "gaussian", batch_size=10, **data),
        model=Component.of("model", "logistic"),
        loss=Component.of("loss", "squared_hinge"),
        optimizer=Component.of("optimizer", "adam", lr=1.0),
        stop=Component.of("stop", "fitted", loss=1e-20, every=100, at_most=10_000),
        dtype="float64",
    )
    seeds = range(24)
    networks = open_lab().train(
        Request(tuple(spec.replace(seed=seed) for seed in seeds), (Measure("violations", "train"),))
    )
    dataset = spec.dataset.build()
    expected = [separable(split.x, split.y) for split in (dataset.split("train", seed) for seed in seeds)]
    assert 4 <= sum(expected) <= 20
    assert [network.network.status == "finished" for network in networks] == expected
    assert all(network.value("violations", "train") > 0 for network in networks if network.network.status != "finished")


def test_degrees_of_freedom_leave_out_biases_and_scales() -> None:
    """Where the outputs do not change to first order, by the rank of their Jacobian."""
    torch.manual_seed(0)
    model = build("model", "mlp", (3,), 1, width=4, depth=2, residual=False).double()
    for layer in (model.first, *model.hidden, model.last):
        layer.bias.data.zero_()
    x = torch.randn(400, 3, dtype=torch.float64)
    weights = {name: p for name, p in model.named_parameters() if "bias" not in name}
    rows = []
    for example in x:
        model.zero_grad()
        model(example[None]).backward()
        rows.append(torch.cat([p.grad.reshape(-1) for p in weights.values()]))
    rank = int(torch.linalg.matrix_rank(torch.stack(rows), rtol=1e-9))
    shapes = {name: tuple(p.shape) for name, p in model.named_parameters()}
    assert jamming.degrees_of_freedom(shapes) == rank == 3 * 4 + 4 * 4 + 4 - 8


def test_violations_are_margins_below_one() -> None:
    violations = build("metric", "violations")
    outputs = torch.tensor([[1.5], [0.5], [-2.0], [-0.5]], dtype=torch.float64)
    labels = torch.tensor([1, 1, 0, 1])
    assert violations(outputs, labels) == 50.0
    loss = build("loss", "squared_hinge")
    met = torch.tensor([[1.0], [-3.0]])
    assert (violations(met, torch.tensor([1, 0])), loss(met, torch.tensor([1, 0])).item()) == (0.0, 0.0)
    assert violations(met, torch.tensor([1, 1])) == 50.0
