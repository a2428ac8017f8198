"""Small networks that the oracles look at."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from expzoo.spec.component import Component
from expzoo.spec.spec import Spec

if TYPE_CHECKING:
    from expzoo.lab.trained import Trained


@pytest.fixture(scope="module")
def small_spec() -> Callable[..., Spec]:
    """Specs of small networks: by default 4 units a layer, 100 examples for training, 100 for testing, 40 steps."""

    def spec(seed: int = 0, loss: str = "cross_entropy", width: int = 4, **dataset: Any) -> Spec:
        part = Component.of
        small = {"num_samples": 200, "train_split": 0.5, "batch_size": 20, "final_seq_length": 12}
        return Spec(
            dataset=part("dataset", "mnist1d", **small | dataset),
            model=part("model", "mlp", width=width),
            optimizer=part("optimizer", "adam"),
            schedule=part("schedule", "constant"),
            loss=part("loss", loss),
            stop=part("stop", "steps", steps=40),
            seed=seed,
        )

    return spec


@pytest.fixture(scope="module")
def train_small(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., list[Trained]]:
    """Trains specs in a store of this module's own and keeps their rows at step 20."""
    from expzoo.lab.lab import Lab
    from expzoo.lab.request import Request
    from expzoo.spec.measure import Measure
    from expzoo.store.store import Store

    folder: Path = tmp_path_factory.mktemp("store")
    measures = Measure("accuracy"), Measure("loss"), Measure("loss", "train")
    return lambda *specs: Lab(Store(folder, "this-machine")).train(Request(specs, measures, steps=(20,)))


@pytest.fixture(scope="module")
def networks(train_small: Callable[..., list[Trained]], small_spec: Callable[..., Spec]) -> list[Trained]:
    """Three networks on the same data."""
    return train_small(*(small_spec(seed) for seed in range(3)))
