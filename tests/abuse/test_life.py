"""Impossible settings of the Game of Life: one clear line each, before anything is trained."""

from __future__ import annotations

import numpy as np
import pytest

from expzoo.config import registry
from expzoo.engine.blueprints import Blueprints
from expzoo.engine.recipes import Recipes, flip_signs
from expzoo.spec.component import Component
from expzoo.spec.layout import Layout
from expzoo.spec.spec import Known, Spec
from expzoo.system.errors import BadInput


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"board": 2}, r"dataset: board 2 is smaller than the kernel of 3 x 3"),
        ({"test_board": 1}, r"dataset: test_board 1 is smaller than the kernel of 3 x 3"),
        ({"board": 0}, r"dataset.board must be a whole number at least 1, not 0"),
        ({"density": 1.5}, r"dataset.density must be a number from 0 to 1, not 1.5"),
        ({"density": -0.1}, r"dataset.density must be a number from 0 to 1, not -0.1"),
        ({"steps": 0}, r"dataset.steps must be a whole number at least 1, not 0"),
        ({"rule": "B3S23"}, r"rule 'B3S23' must be written like B3/S23, with numbers of neighbours from 0 to 4"),
        ({"rule": "B3S23"}, r", each once and in order: did you mean B3/S23\?$"),
        ({"rule": "b3/s23"}, r", each once and in order: did you mean B3/S23\?$"),
        ({"rule": "B33/S23"}, r", each once and in order: did you mean B3/S23\?$"),
        ({"rule": "B3/S32"}, r", each once and in order: did you mean B3/S23\?$"),
        ({"rule": ""}, r"rule '' must be written like B3/S23.*in order$"),
        ({"rule": "B5/S23"}, r"rule 'B5/S23' must be written like B3/S23"),
        ({"rule": "B9/S23", "neighbourhood": "moore"}, r"from 0 to 8 of the moore neighbourhood"),
        ({"neighbourhood": "hexagonal"}, r"dataset.neighbourhood must be one of von_neumann, moore"),
        ({"edge": "mirror"}, r"dataset.edge must be one of dead, torus"),
        ({"batch_size": 0}, r"dataset.batch_size"),
    ],
    ids=str,
)
def test_impossible_games_are_refused(options, message):
    with pytest.raises(BadInput, match=message) as caught:
        registry.build("dataset", "life", **options)
    assert len(str(caught.value).splitlines()) == 1


def test_two_boards_that_are_too_small_are_said_together():
    with pytest.raises(BadInput, match=r"board 2 is .*; test_board 1 is ") as caught:
        registry.build("dataset", "life", board=2, test_board=1)
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.parametrize(
    ("inputs", "options", "message"),
    [
        ((1, 10, 10), {"m_factor": 0}, "model.m_factor must be a whole number at least 1, not 0"),
        ((1, 10, 10), {"steps": 0}, "model.steps must be a whole number at least 1, not 0"),
        ((1, 10, 10), {"d_factor": 0.5}, "d_factor 0.5 leaves no layer of 1 steps"),
        ((1, 10, 10), {"normalize": True}, "normalize ends in a sigmoid: give output=sigmoid"),
        ((1, 10, 10), {"activation": "leaky"}, "model.activation must be one of"),
        ((40,), {}, r"life_net maps boards \(1, height, width\) to boards, not \(40,\)"),
    ],
    ids=str,
)
def test_impossible_networks_are_refused(inputs, options, message):
    with pytest.raises(BadInput, match=message):
        registry.build("model", "life_net", inputs, 100, **options)


def spec(dataset=None, model=None, layers=(), name="life"):
    part = Component.of
    return Spec(
        dataset=part("dataset", "life", **dataset or {}),
        model=part("model", "life_net", **model or {}),
        optimizer=part("optimizer", "adam"),
        schedule=part("schedule", "constant"),
        loss=part("loss", "bce_of_probabilities"),
        stop=part("stop", "steps"),
        seed=0,
        init=Known(name, layers),
    )


@pytest.mark.parametrize(
    ("dataset", "model", "layers", "name", "message"),
    [
        ({}, {}, (3,), "life", r"layers \[3\] cannot be presolved: there are blocks 0 to 0"),
        ({"rule": "B36/S23", "neighbourhood": "moore"}, {}, (), "life", "that of the rule B3/S23, not B36/S23"),
        (
            {"steps": 2},
            {},
            (),
            "life",
            "a block for each step and the edge of the boards, not 1 blocks for 2 steps",
        ),
        ({}, {"d_factor": 2.0}, (), "life", "not 2 blocks for 1 steps"),
        ({"edge": "torus"}, {}, (), "life", "edges dead and torus"),
        ({}, {}, (), "chess", "knows the solution of life on the dataset life, not of 'chess'"),
    ],
    ids=str,
)
def test_what_is_not_known_is_not_presolved(dataset, model, layers, name, message):
    with pytest.raises(BadInput, match=message):
        Recipes(Blueprints()).initial_row(spec(dataset, model, layers, name), {})


def test_a_model_without_a_known_solution_says_so(base):
    with pytest.raises(BadInput, match="Mlp knows no solution of 'life': it has no method solve"):
        Recipes(Blueprints()).initial_row(base.replace(init=Known("life")), {})


@pytest.mark.parametrize("k", [-1, 31])
def test_only_the_signs_of_weights_that_are_there_can_be_flipped(k):
    layout = Layout(("weight", "bias"), ((5, 6), (6,)))
    with pytest.raises(BadInput, match=f"{k} signs cannot be flipped: there are 30 weights"):
        flip_signs(np.ones(layout.size, np.float32), layout, k, 0)
