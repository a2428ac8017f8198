"""A learned rate and decay: gradients against finite differences, and inner losses against ordinary training."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from expzoo.analysis.studies.metalearning.weight_decay import LearnRateAndDecay, held_out, unrolled
from expzoo.engine.assembly import Assembler
from expzoo.spec.component import Component
from expzoo.spec.spec import Spec
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput
from expzoo.system.randomness import member_seed

STEPS, HELD_OUT = 12, 45  # three batches
LOGS = torch.tensor([[-0.9, -3.0], [0.1, -2.0]], dtype=torch.float64)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with exact_arithmetic():
        yield


def inner(seed: int = 0, **data: int) -> Spec:
    part = Component.of
    sizes = {"num_samples": 300, "batch_size": 15, "validation_size": HELD_OUT} | data
    return Spec(
        dataset=part("dataset", "mnist1d", order="fixed", **sizes),
        model=part("model", "mlp", width=6, depth=1, activation="tanh"),
        optimizer=part("optimizer", "sgd", lr=0.5, momentum=0.0),
        schedule=part("schedule", "constant"),
        loss=part("loss", "cross_entropy"),
        stop=part("stop", "steps", steps=STEPS),
        seed=member_seed(0, seed),
        dtype="float64",
    )


def lesson(**changes: object) -> LearnRateAndDecay:
    options = {"inner": inner(), "outer_steps": 4, "outer_lr": 2.0, "clamp": 0.1, "rate": 0.4, "decay": 0.01}
    return LearnRateAndDecay(**(options | changes))  # type: ignore[arg-type]


def weights(last: int) -> torch.Tensor:
    return torch.cat([torch.zeros(STEPS), torch.full((last,), 1.0 / last)]).double()


@pytest.mark.parametrize("index", [0, 1])
def test_the_gradient_is_that_of_finite_differences(index: int) -> None:
    loops, last = unrolled([inner(0), inner(1)])
    assert last == HELD_OUT // 15

    def cost(shift: float) -> torch.Tensor:
        loops.meta[:, :2] = LOGS
        loops.meta[:, index] += shift
        return loops.losses(STEPS + last) @ weights(last)

    numeric = (cost(1e-5) - cost(-1e-5)) / 2e-5
    loops.meta[:, :2] = LOGS
    _, gradient = loops.gradient(weights(last))
    assert torch.allclose(gradient[:, index], numeric, rtol=1e-6, atol=1e-9)
    assert (gradient[:, index].abs() > 1e-4).all()


def test_the_cost_is_the_validation_loss_after_torch_has_trained() -> None:
    spec = inner()
    loops, last = unrolled([spec])
    loops.meta[:, :2] = LOGS[:1]
    losses = loops.losses(STEPS + last)[0]
    assembler = Assembler()
    module, data = assembler.blueprints.module(spec), assembler.blueprints.dataset(spec.dataset)
    row = assembler.blueprints.layout(spec).view(torch.from_numpy(assembler.recipes.initial_row(spec, {})))
    parameters = {name: value.clone().requires_grad_() for name, value in row.items()}
    rate, decay = LOGS[0].exp().tolist()
    optimizer = torch.optim.SGD([*parameters.values()], lr=rate, weight_decay=decay)

    def loss(split: str, chosen: np.ndarray) -> torch.Tensor:
        own = data.split(split, spec.seed)
        x, y = torch.from_numpy(own.x[chosen]).double(), torch.from_numpy(own.y[chosen])
        return torch.nn.functional.cross_entropy(torch.func.functional_call(module, parameters, (x,)), y)

    for step, chosen in enumerate(data.indices(spec.seed, 0, STEPS)):
        optimizer.zero_grad()
        found = loss("train", chosen)
        assert losses[step].item() == pytest.approx(found.item(), rel=1e-10)
        found.backward()
        optimizer.step()
    assert losses[STEPS:].mean().item() == pytest.approx(loss("validation", np.arange(HELD_OUT)).item(), rel=1e-10)


def test_a_rate_that_is_learned_alone_keeps_no_decay() -> None:
    for decay, moved in ((0.01, True), (None, False)):
        loop = lesson(decay=decay).loop([lesson(decay=decay)])
        loop.begin([None])
        _, gradients = loop.look(0)
        before = loop.rows[0]
        after = loop.updated(loop.lessons[0], before, gradients[0])
        assert after[0] != before[0]
        assert bool(after[1] != before[1]) is moved
        assert (after - before).abs().max() <= 2.0 * 0.1 + 1e-12
        assert before[1].exp() < 1e-20 or moved


def test_what_cannot_be_learned_is_refused() -> None:
    momentum = Component.of("optimizer", "sgd", lr=0.1, momentum=0.9)
    with pytest.raises(BadInput, match="plain sgd, not for sgd"):
        lesson(inner=inner().replace(optimizer=momentum))
    with pytest.raises(BadInput, match="must be above 0"):
        lesson(decay=-0.1)


def test_held_out_examples_come_in_whole_batches() -> None:
    assert held_out(45, 15).tolist() == np.arange(45).reshape(3, 15).tolist()
    assert held_out(47, 15).shape == (3, 15)
    assert held_out(5, 10).tolist() == [[0, 1, 2, 3, 4] * 2]
