"""What the caller has set in torch, or asked before, changes no number and loses nothing."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from expzoo.engine.blueprints import Blueprints
from expzoo.engine.recipes import Recipes
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.layout import Layout
from expzoo.spec.measure import Measure
from expzoo.spec.recipe import Event
from expzoo.spec.spec import Rewind
from expzoo.system.errors import BadInput

part = Component.of


@pytest.fixture
def float64_by_default():
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.usefixtures("float64_by_default")
def test_a_network_starts_alike_whatever_type_numbers_have_by_default(base):
    with_default = Recipes(Blueprints()).initial_row(base, {})
    torch.set_default_dtype(torch.float32)
    assert np.array_equal(with_default, Recipes(Blueprints()).initial_row(base, {}))
    assert with_default.dtype == np.float32


def test_a_start_on_the_sphere_is_that_of_one_thread(base, open_lab, threads):
    sphere = base.replace(model={"width": 300}, constraint=part("constraint", "sphere"), stop={"steps": 1})
    starts = []
    for count in (1, 2, 3):
        threads(count)
        networks = open_lab(f"store {count}").train(Request(tuple(sphere.replace(seed=seed) for seed in range(6))))
        starts.append(np.stack([network.row(0) for network in networks]))
    assert np.array_equal(starts[0], starts[1])
    assert np.array_equal(starts[0], starts[2])


def test_events_that_different_analyses_ask_for_are_kept_together(base, open_lab):
    first, second = Event("loss", "train", 2.2, 10), Event("loss", "train", 2.0, 10)
    trained = []
    for event in (first, second, first, second):
        lab = open_lab()
        [network] = lab.train(Request((base,), (), events=(event,)))
        trained.append(len(lab.account.trained))
    assert trained == [1, 1, 0, 0]
    assert network.network.events.keys() == {first.name, second.name}


def test_a_member_that_diverges_at_the_look_that_ends_it_is_not_finished(base, open_lab):
    data = base.dataset.replace(validation_size=50)
    early = base.replace(
        dataset=data, loss=part("loss", "mse"), stop=part("stop", "early", every=1, patience=1, at_most=50)
    )
    rates = (30.0, 100.0, 300.0, 1e5, 1e10)
    wild = [
        early.replace(seed=seed, optimizer=part("optimizer", "sgd", lr=rate, momentum=0.9))
        for seed in range(4)
        for rate in rates
    ]
    networks = open_lab().train(Request(tuple(wild), (Measure("loss", "validation"),)))
    assert {network.network.status for network in networks} == {"finished", "diverged"}
    ends = [network.curve("loss", "validation")[network.step] for network in networks]
    assert np.isfinite(ends).all()
    again = open_lab()
    again.train(Request(tuple(wild), (Measure("loss", "validation"),)))
    assert not again.account.trained


def test_what_descends_from_other_weights_of_the_same_key_gives_way(base, open_lab, caplog):
    child = base.replace(init=Rewind(base, 20))
    lab = open_lab()
    [parent] = lab.train(Request((base,), (), steps=(20,)))
    lab.train([child])
    parent.network.rows[20] = parent.network.rows[20] + np.float32(1e-3)
    lab.store.save(parent.network)
    [descendant] = open_lab().train(Request((child,), (), steps=(7,)))
    assert np.array_equal(descendant.row(0), parent.network.rows[20])
    assert "is replaced: it descends from networks of another machine class" in caplog.text


def test_a_row_after_the_end_is_refused_and_one_that_never_came_about_is_not_made_up(base, open_lab):
    with pytest.raises(BadInput, match="after step 61 are wanted of a network that is trained for 60 steps"):
        open_lab().train([base.replace(init=Rewind(base, 61))])
    never = base.replace(init=Rewind(base, Event("loss", "train", 1e-9, 10)))
    [network] = open_lab().train(Request((never,), ()))
    assert network.diverged
    with pytest.raises(ValueError, match="only train and validation data may choose a row"):
        Event("accuracy", "test")


def test_a_parameter_that_is_not_to_be_trained_is_refused():
    module = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 2))
    module[0].requires_grad_(False)
    with pytest.raises(ValueError, match=r"0\.weight has requires_grad=False.*parametrisation=frozen"):
        Layout.of(module)
