"""A network that is sparse from the start is the one that a mask of the same entries makes."""

from __future__ import annotations

import numpy as np
import pytest

from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.spec import RandomMask
from expzoo.system.errors import BadInput
from expzoo.system.randomness import member_seed


def test_pruned_weights_are_zero_at_every_step_and_the_same_in_all_members(base, open_lab):
    masked = base.replace(parametrisation=Component.of("parametrisation", "masked", sparsity=0.75))
    specs = tuple(masked.replace(seed=member_seed(0, index)) for index in range(3))
    networks = open_lab().train(Request(specs, (Measure("gradient_norm", "train"),), steps=(0, 30)))
    first = networks[0].masks()
    assert all(np.array_equal(network.mask, networks[0].mask) for network in networks)
    for name, kept in first.items():
        removed = round(0.75 * kept.size) if kept.ndim > 1 else 0
        assert (~kept).sum() == removed
        for network in networks:
            for step in (0, 30, "final"):
                assert not network.parameters(step)[name][~kept].any()
                assert network.parameters(step)[name][kept].all()


def test_it_trains_as_with_a_mask_of_the_same_entries(base, open_lab):
    recipe = RandomMask(0.5, biases=False)
    by_recipe = base.replace(mask=recipe)
    options = {"sparsity": 0.5, "seed": base.seed}
    by_plugin = base.replace(parametrisation=Component.of("parametrisation", "masked", **options))
    measures = Measure("accuracy"), Measure("gradient_norm", "train"), Measure("hessian_trace", "train")
    one, other = open_lab().train(Request((by_recipe, by_plugin), measures))
    assert one.key != other.key
    assert one.row().tobytes() == other.row().tobytes()
    assert one.network.measured == other.network.measured


def test_nothing_left_is_refused(base):
    with pytest.raises(BadInput, match=r"sparsity 1\.0 must be at least 0 and less than 1"):
        Component.of("parametrisation", "masked", sparsity=1.0).build()
