"""Curves between networks: trained as a plain loop trains them, ends that are equal, paths against their formulas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call

from expzoo.analysis.cohort import Cohort
from expzoo.analysis.studies import connectivity, paths
from expzoo.spec.component import Component
from expzoo.spec.layout import Layout
from expzoo.spec.spec import Reordered, Rewind, Spec
from expzoo.system.errors import BadInput, Unfit
from expzoo.system.randomness import uniforms

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained

STEPS, RATE = 12, 0.1
WIDE = torch.float64


def chain(a: Tensor, z: Tensor, b: Tensor, t: float) -> Tensor:
    return a + 2 * t * (z - a) if t <= 0.5 else z + (2 * t - 1) * (b - z)


def bezier(a: Tensor, z: Tensor, b: Tensor, t: float) -> Tensor:
    return (1 - t) ** 2 * a + 2 * t * (1 - t) * z + t**2 * b


KINDS = {"curve": bezier, "polygon": chain}


@pytest.fixture(scope="module")
def bent(
    train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec]
) -> dict[str, tuple[Trained, Trained, Trained]]:
    """Two networks and a curve between them, of each kind, in float64."""
    sgd = Component.of("optimizer", "sgd", lr=RATE, momentum=0.0)
    first, second, third = (small_spec(seed).replace(dtype="float64", optimizer=sgd) for seed in range(3))
    bends = [connectivity.bend(third, (Rewind(first, "final"), Rewind(second, "final")), STEPS, kind) for kind in KINDS]
    one, other, *curves = train_small(first, second, *bends)
    return {kind: (one, other, curve) for kind, curve in zip(KINDS, curves, strict=True)}


@pytest.mark.parametrize("kind", KINDS)
def test_a_curve_is_trained_as_a_plain_loop_trains_it(
    bent: dict[str, tuple[Trained, Trained, Trained]], kind: str
) -> None:
    first, second, curve = bent[kind]
    spec = curve.spec
    data, loss = spec.dataset.build(), nn.CrossEntropyLoss()
    split = data.split("train", spec.seed)
    x, y = torch.tensor(split.x).double(), torch.tensor(split.y)
    a, b = ({n: torch.tensor(v) for n, v in end.parameters().items()} for end in (first, second))
    z = {name: ((a[name] + b[name]) / 2).requires_grad_() for name in a}
    module = spec.model.build((12,), 10).double()
    optimizer = torch.optim.SGD(z.values(), lr=RATE)
    for step, batch in enumerate(torch.from_numpy(data.indices(spec.seed, 0, STEPS))):
        t = float(uniforms(spec.seed, "place", step, 1)[0])
        optimizer.zero_grad()
        weights = {name: KINDS[kind](a[name], z[name], b[name], t) for name in z}
        loss(functional_call(module, weights, (x[batch],)), y[batch]).backward()
        optimizer.step()
    for name, value in curve.parameters().items():
        np.testing.assert_allclose(value, z[name].detach().numpy(), rtol=0, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("kind", KINDS)
def test_a_trained_path_leads_from_one_network_to_the_other_by_its_formula(
    bent: dict[str, tuple[Trained, Trained, Trained]], kind: str
) -> None:
    first, second, curve = bent[kind]
    rows = paths.curve(curve, [first, second], 9, WIDE)
    a, z, b = (torch.tensor(network.row()) for network in (first, curve, second))
    assert torch.equal(rows[0], a)
    assert torch.equal(rows[-1], b)
    for index, t in enumerate(np.linspace(0, 1, 9)):
        torch.testing.assert_close(rows[index], KINDS[kind](a, z, b, float(t)), rtol=0, atol=1e-15)


def test_a_reordered_network_is_the_same_function_of_other_weights(
    train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec]
) -> None:
    spec = small_spec(width=9)
    copy = spec.replace(init=Reordered(spec, 3), stop=Component.of("stop", "steps", steps=1))
    network, moved = train_small(spec, copy)
    row = torch.tensor(moved.row(0))
    assert torch.equal(paths.reordered(network, 3), row)
    cohort = Cohort([network], dtype="float64")
    losses = cohort.loss(torch.stack([torch.tensor(network.row()), row]), "train")
    assert abs(losses[0] - losses[1]) < 1e-13
    for name, value in network.parameters().items():
        other = moved.parameters(0)[name]
        assert np.array_equal(np.sort(value.ravel()), np.sort(other.ravel()))
        assert name == "last.bias" or not np.array_equal(value, other)


def test_hidden_units_that_cannot_be_reordered_are_refused(
    train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec]
) -> None:
    spec = small_spec().replace(model=Component.of("model", "cnn1d", channels=2))
    with pytest.raises(Unfit, match=r"can be put in another order, .*, and model=cnn1d is another"):
        paths.require_permutable(spec)
    with pytest.raises(BadInput, match="the forward pass of Cnn1d cannot be read"):
        train_small(spec.replace(init=Reordered(spec)))


def test_ends_of_different_shapes_are_refused_in_one_line_before_anything_is_trained(
    small_spec: Callable[..., Spec], train_small: Callable[..., list[Trained]]
) -> None:
    first, second = small_spec(0, width=4), small_spec(1, width=5)
    curve = connectivity.bend(small_spec(2, width=4), (Rewind(first, "final"), Rewind(second, "final")), STEPS)
    with pytest.raises(
        BadInput, match=r"weights of another shape cannot be taken over, \d+ parameters and \d+ of model=mlp"
    ) as refused:
        train_small(curve)
    assert "\n" not in str(refused.value)


def test_rises_are_those_of_known_walks() -> None:
    walk = np.array([1.0, 4.0, 2.0])
    assert paths.barrier(walk) == 2.0
    assert paths.instability(walk) == 2.5
    assert paths.barrier(np.array([3.0, 1.0, 2.0])) == 0.0


def test_averages_over_batches_are_made_again_along_a_path(
    train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec]
) -> None:
    image = Component.of("dataset", "digits", train_size=60, batch_size=20)
    spec = small_spec().replace(dataset=image, model=Component.of("model", "convnet_si", channels=2, depth=2))
    ends = train_small(spec, spec.replace(seed=1))
    middle = paths.line(*Cohort(ends).rows, 3)[1]
    [loss] = Cohort(ends).loss(middle.unsqueeze(0), "train").tolist()
    made_again = _loss(spec, spec.model.build((1, 8, 8), 10).train(), middle)
    assert loss == pytest.approx(made_again, rel=1e-3)  # a batch's variance is biased
    assert _loss(spec, ends[0].module(), middle) != pytest.approx(made_again, rel=0.05)


def _loss(spec: Spec, module: nn.Module, row: Tensor) -> float:
    """The training loss of a module with this row, by statistics of the one batch or those that it has."""
    data = spec.dataset.build()
    split = data.split("train", spec.seed)
    Layout.of(module).load(module, row)
    with torch.no_grad():
        return float(nn.functional.cross_entropy(module(torch.tensor(split.x)), torch.tensor(split.y)))
