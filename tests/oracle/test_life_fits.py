"""The width at which half succeed, against a generalised linear model; the filters' alignment, against all orders."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import statsmodels.api
import torch

from expzoo.analysis.studies.life.fits import PRIOR, growth, half_width
from expzoo.analysis.studies.life.networks import filters
from expzoo.engine.blueprints import Blueprints
from expzoo.engine.recipes import Recipes
from expzoo.lab.trained import Trained
from expzoo.science.numerics.alignment import match_weights, permuted
from expzoo.spec.component import Component
from expzoo.spec.spec import Spec
from expzoo.store.network import Network

WIDTHS = np.array([1.0, 5.0, 10.0, 20.0])
TRIALS = np.full(4, 20.0)
GROWING = [[2, 20, 20, 20], [0, 2, 4, 9], [0, 0, 20, 20], [1, 3, 12, 19], [3, 2, 9, 8], [0, 0, 0, 20], [19, 20, 20, 20]]


def model_of_counts(successes):
    """Intercept and slope in log m, by iterated least squares of statsmodels, with half a network added to each."""
    counts = np.stack([successes + PRIOR, TRIALS - successes + PRIOR], 1)
    design = statsmodels.api.add_constant(np.log(WIDTHS))
    return statsmodels.api.GLM(counts, design, family=statsmodels.api.families.Binomial()).fit(tol=1e-12).params


@pytest.mark.parametrize("successes", GROWING, ids=str)
def test_the_half_is_that_of_a_generalised_linear_model(successes):
    intercept, slope = model_of_counts(np.array(successes, float))
    half = np.exp(-intercept / slope)
    bounded = min(max(half, WIDTHS.min()), WIDTHS.max())
    assert half_width(np.array(successes, float), TRIALS, WIDTHS) == pytest.approx(bounded, rel=1e-4)


def test_a_step_from_never_to_always_is_put_between_its_widths():
    assert 5 < half_width(np.array([0.0, 0, 20, 20]), TRIALS, WIDTHS) < 10


@pytest.mark.parametrize(
    ("successes", "half"),
    [
        ([0, 0, 0, 0], 20.0),
        ([20, 20, 20, 20], 1.0),
        ([9, 6, 3, 0], 20.0),
        ([20, 19, 16, 14], 1.0),
    ],
    ids=str,
)
def test_where_there_is_no_half_the_bound_on_the_side_of_the_rate_is_given(successes, half):
    assert half_width(np.array(successes, float), TRIALS, WIDTHS) == pytest.approx(half)


def test_tasks_that_no_seed_tells_apart_have_a_ratio_of_one():
    for all_alike in (np.zeros((20, 2, 4)), np.ones((20, 2, 4))):
        found = growth(all_alike, [1, 5, 10, 20])
        assert (found.effect, found.low, found.high) == pytest.approx((1, 1, 1))


def network(m, seed):
    """A fresh network for one step, as an analysis sees it."""
    part = Component.of
    spec = Spec(
        dataset=part("dataset", "life"), model=part("model", "life_net", m_factor=m),
        optimizer=part("optimizer", "adam"), schedule=part("schedule", "constant"),
        loss=part("loss", "bce_of_probabilities"), stop=part("stop", "steps"), seed=seed,
    )  # fmt: skip
    row = Recipes(Blueprints()).initial_row(spec, {})
    return Trained(spec, Network(spec.key, "finished", 0, {0: row}, row[:0]))


@pytest.mark.parametrize("m", [1, 2])
def test_filters_are_all_that_can_be_permuted_and_the_hungarian_order_is_the_best_of_all(m):
    """All (2m)! m! orders of the filters give the same function, and none is nearer to the other network."""
    one, other = network(m, 1), network(m, 2)
    units = filters(one)
    assert [unit.width for unit in units] == [2 * m, m][: 1 + (m > 1)]
    a, b = ({name: torch.from_numpy(value) for name, value in net.parameters(0).items()} for net in (one, other))
    boards = torch.from_numpy(one.spec.dataset.build().split("test", 0).x[:50])
    module, distances = other.module(0), []
    with torch.no_grad():
        before = module(boards)
        for orders in itertools.product(*(itertools.permutations(range(unit.width)) for unit in units)):
            moved = permuted(b, units, [torch.tensor(order) for order in orders])
            module.load_state_dict(moved)
            torch.testing.assert_close(module(boards), before)
            distances.append(sum(float((moved[name] - a[name]).square().sum()) for name in a))
    matched = permuted(b, units, match_weights(units, a, b))
    found = sum(float((matched[name] - a[name]).square().sum()) for name in a)
    assert found == pytest.approx(min(distances), rel=1e-6)
    assert len(distances) == (2 if m == 1 else 24 * 2)
