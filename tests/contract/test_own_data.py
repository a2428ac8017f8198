"""Members of one population may have data, sizes and label noise of their own, and the bits they have alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tests.contract.test_crowd import STEPS, states

from expzoo.engine.assembly import Assembler
from expzoo.spec.component import Component
from expzoo.system.randomness import member_seed

SETTINGS = (
    {"label_noise": 0.0},
    {"label_noise": 0.2},
    {"label_noise": 0.2, "noise_labels": "any"},
    {"label_noise": 1.0, "train_size": 333},
    {"label_noise": 0.4, "train_size": 25, "draw": "member"},
    {"train_size": 101, "order": "fixed", "view": "flipped"},
)
DIGITS = Component.of("dataset", "digits", batch_size=25)
DIGITS_SETTINGS = tuple({"label_noise": noise, "train_size": size} for noise, size in ((0, 60), (0.3, 60), (0.3, 200)))


def crowd(base, settings):
    """Two members of each setting, with stop rules that look at their own training data."""
    base = base.replace(stop=Component.of("stop", "fitted", loss=1e-6, every=5, at_most=STEPS))
    return [
        base.replace(seed=member_seed(0, index), dataset=setting)
        for index, setting in enumerate(settings + settings[::-1])
    ]


@pytest.mark.parametrize("name", ["mnist1d", "digits"])
def test_members_with_their_own_noise_and_size_are_one_population_and_have_their_own_bits(base, name):
    base, settings = (base, SETTINGS) if name == "mnist1d" else (base.replace(dataset=DIGITS), DIGITS_SETTINGS)
    members, assembler = crowd(base, settings), Assembler()
    assert len(assembler.chunks(members)) == 1
    assert len({assembler.signature(member) for member in members}) == 1
    whole = states(members, assembler)
    assert len(set(whole)) == len(members)
    assert states(members[3:1:-1], assembler) == whole[3:1:-1]
    for index in (0, 1, len(members) - 2):
        assert states(members[index : index + 1], assembler) == whole[index : index + 1]


def test_noise_is_of_the_training_labels_alone_at_its_rate_and_grows_with_it():
    rates = (0.0, 0.1, 0.4)
    made = [Component.of("dataset", "mnist1d", label_noise=rate, validation_size=500).build() for rate in rates]
    clean, some, much = (one.split("train", 7).y for one in made)
    assert np.mean(some != clean) == pytest.approx(0.1, abs=0.02)
    assert np.mean(much != clean) == pytest.approx(0.4, abs=0.03)
    wrong = some != clean
    assert np.array_equal(much[wrong], some[wrong])
    for split in ("validation", "test"):
        assert all(np.array_equal(one.split(split, 7).y, made[0].split(split, 7).y) for one in made)


def test_a_network_is_measured_on_its_own_noisy_labels(base, open_lab):
    from expzoo.lab.request import Request
    from expzoo.spec.measure import Measure

    specs = [base.replace(dataset={"label_noise": rate}, stop={"steps": 200}) for rate in (0.0, 0.9)]
    measures = Measure("accuracy", "train"), Measure("accuracy", "test")
    clean, noisy = open_lab().train(Request(tuple(specs), measures))
    for network in (clean, noisy):
        split = network.spec.dataset.build().split("train", network.spec.seed)
        guesses = network.module()(torch.tensor(split.x)).argmax(1).numpy()
        assert network.value("accuracy", "train") == pytest.approx(100 * np.mean(guesses == split.y))
    assert clean.value("accuracy", "test") > noisy.value("accuracy", "test") + 10
