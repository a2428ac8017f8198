"""What a network ends with: its own looks at the last tenth, and the worst where it diverged."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from expzoo.analysis import late
from expzoo.analysis.studies.contrast.looks import Look
from expzoo.lab.request import Request
from expzoo.spec.component import Component
from expzoo.spec.measure import Measure
from expzoo.spec.when import at, every

if TYPE_CHECKING:
    from expzoo.spec.spec import Spec

ACCURACY = ("accuracy", "test")


@pytest.fixture
def small(base: Spec) -> Spec:
    return base.replace(dataset={"num_samples": 300}, stop={"steps": 100})


def test_the_mean_is_over_five_looks_at_the_last_tenth_whatever_others_looked_at(
    small: Spec, open_lab: Callable[..., Any]
) -> None:
    asked = late.measure(*ACCURACY, 100), Measure(*ACCURACY, every(1))
    [network] = open_lab().train(Request((small,), asked))
    curve = network.curve(*ACCURACY)
    assert len(curve) == 101
    expected = np.mean([curve[step] for step in (90, 92, 95, 98, 100)])
    assert late.value(network, *ACCURACY) == pytest.approx(expected)
    assert Look.parse("accuracy/test").value(network) == late.value(network, *ACCURACY)
    ends = [row for row in late.rows(network, ACCURACY, arm="a", curve=True) if row["end"]]
    assert [row["value"] for row in ends] == [late.value(network, *ACCURACY)]
    [plain] = late.rows(network, ACCURACY, arm="a")
    assert plain | {"value": 0} == network.rows(ACCURACY, arm="a")[0] | {"value": 0}
    assert plain["value"] != curve[100]


def test_a_training_that_ends_early_has_its_last_step(small: Spec, open_lab: Callable[..., Any]) -> None:
    stop = Component.of("stop", "fitted", loss=100.0, every=10, at_most=100)
    [network] = open_lab().train(Request((small.replace(stop=stop),), (late.measure(*ACCURACY, 100),)))
    assert network.step < 90
    assert late.value(network, *ACCURACY) == network.value(*ACCURACY)


def test_what_diverged_is_at_chance(small: Spec, open_lab: Callable[..., Any]) -> None:
    [network] = open_lab().train(Request((small.replace(optimizer={"lr": 1e30}),), (late.measure(*ACCURACY, 100),)))
    assert network.diverged
    assert np.isnan(late.value(network, *ACCURACY))
    [row] = late.rows(network, ACCURACY, arm="a")
    assert (row["value"], row["diverged"]) == (10.0, True)


def test_short_trainings_are_looked_at_once_a_step() -> None:
    assert late.when(3) == at(3)
    assert late.when(20) == at(18, 19, 20)
