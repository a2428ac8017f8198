"""The network for the Game of Life: its known weights, its parts as the author wrote them, its loss and its scores."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from expzoo.config.registry import build
from expzoo.engine.assembly import Assembler
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.layout import own_generator
from expzoo.spec.measure import Measure, component
from expzoo.spec.spec import Known, Rewind, SignFlip, Spec
from expzoo.store.network import Network
from expzoo.system.arithmetic import exact_arithmetic
from expzoo.system.errors import BadInput


def life_spec(dataset=None, model=None, **more):
    part = Component.of
    return Spec(
        dataset=part("dataset", "life", batch_size=8, **dataset or {}),
        model=part("model", "life_net", **model or {}),
        optimizer=part("optimizer", "adam", lr=0.001),
        schedule=part("schedule", "constant"),
        loss=part("loss", "bce_of_probabilities"),
        stop=part("stop", "steps", steps=4),
        seed=0,
        **more,
    )


def network(spec):
    """An ordinary module with the first row of the spec, and the spec's data."""
    assembler = Assembler()
    row = torch.from_numpy(assembler.recipes.initial_row(spec, {}))
    return assembler.blueprints.layout(spec).load(
        assembler.blueprints.module(spec), row
    ).eval(), assembler.blueprints.dataset(spec.dataset)


@pytest.mark.parametrize("form", ["firner", "springer"])
@pytest.mark.parametrize("edge", ["dead", "torus"])
@pytest.mark.parametrize("neighbourhood", ["von_neumann", "moore"])
def test_the_known_weights_compute_the_rule_exactly(form, edge, neighbourhood):
    for steps, m in ((1, 1), (1, 3), (3, 2)):
        spec = life_spec(
            {"neighbourhood": neighbourhood, "edge": edge, "steps": steps},
            {"form": form, "edge": edge, "steps": steps, "m_factor": m},
            init=Known("life"),
        )
        module, dataset = network(spec)
        for split in ("train", "test", "all")[: 3 if steps == 1 else 2]:
            data = dataset.split(split, 0)
            with torch.no_grad():
                assert np.array_equal(module(torch.from_numpy(data.x)).numpy(), data.y)


def test_the_known_weights_compute_two_von_neumann_steps_on_every_diamond():
    module, dataset = network(life_spec({"steps": 2}, {"steps": 2}, init=Known("life")))
    data = dataset.split("all", 0)
    with torch.no_grad():
        assert np.array_equal(module(torch.from_numpy(data.x)).numpy(), data.y)
    assert len(data) == 8192


def test_a_wrong_weight_is_found_by_the_enumeration():
    module, dataset = network(life_spec(init=Known("life")))
    data = dataset.split("all", 0)
    with torch.no_grad():
        module.convolutions()[0].weight[0, 0, 0, 0] = 1.0  # a corner counts
        assert not np.array_equal(module(torch.from_numpy(data.x)).numpy(), data.y)


@pytest.mark.parametrize("steps", [1, 2, 5])
def test_the_smallest_networks_have_as_many_parameters_as_published(steps):
    for form, count in (("firner", 25 * steps), ("springer", 23 * steps + 2)):
        module = build("model", "life_net", (1, 10, 10), 100, steps=steps, form=form)
        assert sum(value.numel() for value in module.parameters()) == count


def test_layers_can_be_presolved_one_by_one():
    spec = life_spec({"steps": 3}, {"steps": 3})
    fresh, _ = network(spec)
    known, _ = network(spec.replace(init=Known("life")))
    part, _ = network(spec.replace(init=Known("life", (1,))))
    for block, source in enumerate((fresh, known, fresh)):
        for name, value in part.blocks[block].named_parameters():
            assert torch.equal(value, source.blocks[block].get_parameter(name))


def authors_network(steps, m, activation, sigmoid, seed):
    """As the script has it: three convolutions a step, each with an activation, but a sigmoid instead of the last."""
    with own_generator(seed):
        layers = []
        for step in range(steps):
            last = step + 1 == steps
            layers += [nn.Conv2d(1, 2 * m, 3, padding=1), activation(), nn.Conv2d(2 * m, m, 1), activation()]
            layers += [nn.Conv2d(m, 1, 1), *[activation()] * (not (last and sigmoid))]
        return nn.Sequential(*layers, *[nn.Sigmoid()] * sigmoid)


@pytest.mark.parametrize("steps", [1, 3])
def test_it_is_the_authors_network_from_the_authors_start(steps):
    for name, activation, output in (("relu", nn.ReLU, "clamp"), ("leaky_relu", nn.LeakyReLU, "sigmoid")):
        theirs = authors_network(steps, 3, activation, output == "sigmoid", 5)
        with own_generator(5):
            options = {"steps": steps, "m_factor": 3, "activation": name, "output": output}
            ours = build("model", "life_net", (1, 10, 10), 100, **options)
        boards = torch.from_numpy(build("dataset", "life").split("train", 0).x)
        assert torch.equal(ours(boards).view(-1, 1, 10, 10), theirs(boards).clamp(0, 1))


def test_depth_is_rounded_down_and_normalize_is_what_the_script_does():
    blocks = {d: len(build("model", "life_net", (1, 9, 9), 81, d_factor=d).blocks) for d in (1.0, 1.5, 2.0)}
    assert blocks == {1.0: 1, 1.5: 1, 2.0: 2}
    for steps in (1, 3):
        options = {"steps": steps, "m_factor": 60, "output": "sigmoid", "normalize": True}
        module = build("model", "life_net", (1, 9, 9), 81, **options)
        dropouts = [[isinstance(layer, nn.Dropout2d) for layer in block].count(True) for block in module.blocks]
        assert dropouts == [1] * (steps - 1) + [0]
        weights = torch.cat([layer.weight.flatten() for layer in module.convolutions()])
        biases = torch.cat([layer.bias for layer in module.convolutions()])
        assert abs(weights.std() - 0.02) < 0.001
        assert biases.abs().max() < 1
        assert biases.abs().max() > 0.9


def test_signs_of_as_many_weights_are_flipped_and_of_no_bias():
    spec, assembler = life_spec(model={"m_factor": 2}), Assembler()
    first = assembler.recipes.initial_row(spec, {})
    kept = {spec.key: Network(spec.key, "finished", 4, {0: first, 4: first}, first[:0])}
    layout = assembler.blueprints.layout(spec)
    chosen = set()
    for k, seed in ((0, 0), (1, 0), (1, 1), (6, 0)):
        row = assembler.recipes.initial_row(spec.replace(seed=9, init=SignFlip(spec, k, seed)), kept)
        assert np.array_equal(np.abs(row), np.abs(first))
        changed = np.flatnonzero(row != first)
        assert len(changed) == k
        assert all(
            any(start.start <= index < start.stop for _, start in layout.weights(biases=False)) for index in changed
        )
        chosen.add(tuple(changed.tolist()))
    assert len(chosen) == 4
    assert SignFlip(spec, 0).canonical() != Rewind(spec).canonical()
    with pytest.raises(BadInput, match="1000 signs cannot be flipped: there are 46 weights"):
        assembler.recipes.initial_row(spec.replace(init=SignFlip(spec, 1000)), kept)


def test_the_loss_is_torchs_where_outputs_are_extreme_too():
    loss = build("loss", "bce_of_probabilities")
    outputs = torch.tensor([[0.0, 1.0, 0.0, 1.0, 0.3, 1e-20, 1 - 1e-7, 1.4, -0.2]], dtype=torch.float64)
    truth = torch.tensor([[0.0, 1.0, 1.0, 0.0, 1.0, 1.0, 0.0, 1.0, 1.0]], dtype=torch.float64)
    ours, theirs = outputs.clone().requires_grad_(), outputs.clone().requires_grad_()
    own, expected = loss(ours, truth), nn.BCELoss()(theirs.clamp(0, 1), truth)
    own.backward()
    expected.backward()
    assert torch.equal(own, expected)
    assert torch.equal(ours.grad, theirs.grad)
    assert own > 100 * 2 / 9


def test_a_population_trains_as_the_authors_loop(open_lab):
    for model in ({}, {"activation": "leaky_relu", "output": "sigmoid", "m_factor": 3}):
        spec = life_spec({"steps": 1}, model, dtype="float64").replace(stop={"steps": 25})
        [trained] = open_lab().train(Request((spec,), (Measure("cell_accuracy", "test"),), steps=(0,)))
        module, (x, y) = trained.module(0).double(), spec.dataset.build().batches([spec.seed], 0, 25)
        optimizer = torch.optim.Adam(module.parameters(), lr=0.001)
        for boards, truth in zip(x[:, 0], y[:, 0], strict=True):
            optimizer.zero_grad()
            outputs = module(torch.tensor(boards, dtype=torch.float64)).clamp(0, 1)
            nn.functional.binary_cross_entropy(outputs, torch.tensor(truth, dtype=torch.float64)).backward()
            optimizer.step()
        for name, value in trained.parameters().items():
            np.testing.assert_allclose(value, module.get_parameter(name).detach().numpy(), rtol=1e-9, atol=1e-12)


def test_training_goes_on_from_any_step_with_the_same_bits():
    spec = life_spec(model={"output": "sigmoid", "activation": "leaky_relu"}).replace(stop={"steps": 20})
    trainees = [Assembler().trainee(spec.replace(seed=seed), {}) for seed in (1, 2, 3)]
    with exact_arithmetic():
        whole = Assembler().program(trainees)
        whole.advance(0, 13)
        kept = [whole.row(index) for index in range(3)]
        whole.advance(13, 20)
        part = Assembler().program(trainees[1:], kept[1:])
        part.advance(13, 20)
    assert torch.equal(part.theta, whole.theta[1:])


def test_scores_count_cells_and_boards():
    outputs = torch.tensor([[0.2, 0.9, 0.6], [0.1, 0.2, 0.3], [0.8, 0.4, 0.5]])
    truth = torch.tensor([[0.0, 1.0, 1.0], [0.0, 0.0, 1.0], [1.0, 0.0, 0.0]])

    def score(name, at=truth):
        return component(name).build()(outputs, at)

    assert score("cell_accuracy") == pytest.approx(100 * 8 / 9)
    assert score("board_accuracy") == pytest.approx(100 * 2 / 3)
    assert score("board_success") == 0
    assert score("board_success", outputs.round()) == 100
    assert score("living_cells") == pytest.approx(100 * 3 / 9)
