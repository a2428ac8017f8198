"""What counts as a bad minimum, and what of the poison is scored."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from expzoo.plugins.analyses import minefield
from tests.worlds.making import row, table

from expzoo.spec.component import Component


@pytest.mark.parametrize(
    ("train", "test", "bad"), [(100.0, 40.0, 1.0), (99.0, 59.9, 1.0), (98.9, 40.0, 0.0), (100.0, 60.0, 0.0)]
)
def test_bad_weights_fit_the_training_data_and_fail_elsewhere(train: float, test: float, bad: float) -> None:
    own = {"arm": minefield.POISONED, "metric": "accuracy"}
    seen = table([row(0, **own, split="train", value=train), row(0, **own, split="test", value=test)])
    assert minefield._bad(seen, minefield.POISONED) == {0: bad}


class Nearest:
    """Says of each point the label of the nearest training point."""

    def __init__(self, x: np.ndarray, y: np.ndarray) -> None:
        self.x, self.y = torch.tensor(x), torch.tensor(y)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(self.y[torch.cdist(x, self.x).argmin(1)], 2)


@pytest.mark.parametrize(("wrong_first", "score"), [(0, 100.0), (10, 75.0)])
def test_poison_is_trained_on_and_not_scored(wrong_first: int, score: float) -> None:
    """Whatever is said of the poison, here what it was trained to say, the clean examples alone count."""
    component = Component.of("dataset", "two_spirals", train_size=40, poison=20, batch_size=10)
    data = component.build().split("train", 0)
    said = np.array(data.y)
    said[:wrong_first] = 1 - said[:wrong_first]
    network: Any = SimpleNamespace(
        diverged=False,
        spec=SimpleNamespace(dataset=component, seed=0),
        datasets=lambda component: component.build(),
        module=lambda: Nearest(data.x, said),
    )
    assert minefield._accuracy(network, "train") == score
