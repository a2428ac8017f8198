"""Meta-gradients against finite differences, and against one autograd graph of the whole inner loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import torch

from expzoo.analysis.studies.metalearning.activation import LearnActivation
from expzoo.analysis.studies.metalearning.learning_rate import unrolled
from expzoo.components.learned_activations import small_network
from expzoo.engine.assembly import Assembler
from expzoo.spec.component import Component
from expzoo.spec.spec import Spec
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.randomness import member_seed, stable_hash

STEPS = 12


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    with exact_arithmetic():
        yield


def inner(seed: int = 0, model: str = "mlp", **changes: object) -> Spec:
    part = Component.of
    options = {"mlp": {"width": 6, "depth": 1, "activation": "tanh"}, "cnn1d": {"channels": 2, "activation": "tanh"}}
    spec = Spec(
        dataset=part("dataset", "mnist1d", num_samples=200, batch_size=15, order="fixed"),
        model=part("model", model, **options[model]),
        optimizer=part("optimizer", "sgd", lr=0.5, momentum=0.0),
        schedule=part("schedule", "constant"),
        loss=part("loss", "cross_entropy"),
        stop=part("stop", "steps", steps=STEPS),
        seed=member_seed(0, seed),
        dtype="float64",
    )
    return spec.replace(**changes)


def weights() -> torch.Tensor:
    return torch.linspace(0.0, 1.0, STEPS, dtype=torch.float64)


@pytest.mark.parametrize("model", ["mlp", "cnn1d"])
def test_the_gradient_of_a_learning_rate_is_that_of_finite_differences(model: str) -> None:
    loops = unrolled([inner(0, model), inner(1, model)])
    rates = torch.tensor([0.4, 1.1], dtype=torch.float64)

    def cost(shift: float) -> torch.Tensor:
        loops.meta[:, 0] = rates + shift
        return loops.losses(STEPS) @ weights()

    numeric = (cost(1e-5) - cost(-1e-5)) / 2e-5
    loops.meta[:, 0] = rates
    _, gradient = loops.gradient(weights())
    assert torch.allclose(gradient[:, 0], numeric, rtol=1e-7, atol=1e-9)


def test_it_is_that_of_one_graph_of_the_whole_loop() -> None:
    specs = [inner(0), inner(1)]
    loops = unrolled(specs)
    loops.meta[:, 0] = torch.tensor([0.4, 1.1], dtype=torch.float64)
    losses, gradient = loops.gradient(weights())
    assembler = Assembler()
    for index, spec in enumerate(specs):
        rate = loops.meta[index, 0].clone().requires_grad_()
        module, data = assembler.blueprints.module(spec), assembler.blueprints.dataset(spec.dataset)
        split, order = data.split("train", spec.seed), data.indices(spec.seed, 0, STEPS)
        row = assembler.blueprints.layout(spec).view(torch.from_numpy(assembler.recipes.initial_row(spec, {})))
        parameters = {name: value.clone().requires_grad_() for name, value in row.items()}
        seen = []
        for chosen in order:
            x, y = torch.from_numpy(split.x[chosen]).double(), torch.from_numpy(split.y[chosen])
            outputs = torch.func.functional_call(module, parameters, (x,))
            loss = torch.nn.functional.cross_entropy(outputs, y)
            gradients = torch.autograd.grad(loss, [*parameters.values()], create_graph=True)
            parameters = {
                name: value - rate * own for (name, value), own in zip(parameters.items(), gradients, strict=True)
            }
            seen.append(loss)
        whole = torch.stack(seen)
        assert torch.allclose(losses[index], whole.detach(), rtol=1e-12)
        [expected] = torch.autograd.grad(whole @ weights(), rate)
        assert gradient[index, 0].item() == pytest.approx(expected.item(), rel=1e-10)


def test_what_is_kept_changes_no_bit_and_bounds_the_memory() -> None:
    loops = unrolled([inner(0), inner(1)])
    loops.meta[:, 0] = 0.7
    found = [loops.gradient(weights(), every) for every in (None, 1, 5, STEPS, 100)]
    for losses, gradient in found[1:]:
        assert torch.equal(losses, found[0][0])
        assert torch.equal(gradient, found[0][1])
    kept: list[int] = []
    states = loops._states
    loops._states = lambda *given: kept.append(len(made := states(*given))) or made  # type: ignore[method-assign]
    loops.gradient(weights(), 5)
    assert kept == [2, 5, 5]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_an_inner_loop_does_not_depend_on_its_company(dtype: str) -> None:
    small, large = [0], [3, 4, 0, 5, 6]
    found = []
    for company in (small, large):
        loops = unrolled([replace(inner(seed), dtype=dtype) for seed in company])
        loops.meta[:, 0] = 0.6
        losses, gradient = loops.gradient(weights())
        index = company.index(0)
        found.append((losses[index], gradient[index]))
    assert torch.equal(found[0][0], found[1][0])
    assert torch.equal(found[0][1], found[1][1])


def lesson(**changes: object) -> LearnActivation:
    spec = inner(0, optimizer=Component.of("optimizer", "rmsprop", alpha=0.4))
    own = {"outer_steps": 2, "inner_networks": 2, "hidden": 5, "last_losses": 7} | changes
    return LearnActivation(inner=spec, **own)  # type: ignore[arg-type]


def test_the_gradient_of_an_activation_is_that_of_finite_differences() -> None:
    learned = lesson()
    loop = learned.loop([learned])
    loop.begin([None])
    row = loop.rows[0].clone()
    [cost], [gradient] = loop.look(1)
    assert cost.isfinite()
    for index in (0, 4, 7, 12, 15):
        costs = []
        for shift in (1e-5, -1e-5):
            loop.rows = [row.clone()]
            loop.rows[0][index] += shift
            costs.append(float(loop.look(1)[0][0]))
        assert gradient[index].item() == pytest.approx((costs[0] - costs[1]) / 2e-5, rel=1e-5, abs=1e-8)


def test_a_spline_stands_for_the_small_network_itself() -> None:
    """The same lesson with the network evaluated at every unit, in one graph: the notebook's way."""
    learned = lesson(noise=0.0)
    loop = learned.loop([learned])
    loop.begin([None])
    [cost], [gradient] = loop.look(0)
    row = loop.rows[0].clone().requires_grad_()
    spec, assembler = learned.inner.replace(model={"activation": "identity"}), Assembler()
    data = assembler.blueprints.dataset(spec.dataset)
    split = data.split("train", learned.seed)
    costs = []
    for j in range(learned.inner_networks):
        seed = stable_hash(learned.seed, "inner", 0, j)
        module = assembler.blueprints.module(spec, stable_hash(seed, "init", 0))
        first, last = module.get_submodule("first"), module.get_submodule("last")
        values = [value.detach().requires_grad_() for own in (first, last) for value in own.parameters()]
        squares = [torch.ones_like(value) for value in values]
        seen = []
        for chosen in data.indices(seed, 0, STEPS):
            x, y = torch.from_numpy(split.x[chosen]).double(), torch.from_numpy(split.y[chosen])
            inside = x @ values[0].t() + values[1]
            hidden = small_network(row, inside.flatten())[0].view(inside.shape)
            loss = torch.nn.functional.cross_entropy(hidden @ values[2].t() + values[3], y)
            gradients = torch.autograd.grad(loss, values, create_graph=True)
            squares = [0.4 * s + 0.6 * g.square() for s, g in zip(squares, gradients, strict=True)]
            steps = [0.01 * g / (s.sqrt() + 1e-8) for s, g in zip(squares, gradients, strict=True)]
            values = [value - step for value, step in zip(values, steps, strict=True)]
            seen.append(loss)
        costs.append(torch.stack(seen[-learned.last_losses :]).mean())
    expected = torch.stack(costs).mean()
    [of_row] = torch.autograd.grad(expected, row)
    assert cost.item() == pytest.approx(expected.item(), rel=1e-5)
    assert torch.nn.functional.cosine_similarity(gradient, of_row, 0) > 0.9999
    assert torch.allclose(gradient, of_row, atol=1e-3 * float(of_row.abs().max()))
