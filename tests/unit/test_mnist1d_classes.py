"""MNIST-1D with fewer classes: as many examples, the same signals."""

from __future__ import annotations

import numpy as np
import pytest

from expzoo.config.registry import build
from expzoo.system.errors import BadInput


@pytest.mark.parametrize("classes", [2, 5, 10])
def test_there_are_as_many_examples_whatever_the_classes(classes: int) -> None:
    dataset = build("dataset", "mnist1d_classes", classes=classes, train_size=700, test_size=300)
    train, test = dataset.split("train", 1), dataset.split("test", 1)
    assert (len(train), len(test), dataset.outputs) == (700, 300, classes)
    assert {*train.y.tolist()} == {*test.y.tolist()} == {*range(classes)}


def test_they_are_the_first_of_their_classes_in_a_draw_of_mnist1d() -> None:
    few = build("dataset", "mnist1d_classes", classes=3, train_size=50, batch_size=50, draw="frozen").split("train", 0)
    whole = build("dataset", "mnist1d").split("train", 0)
    chosen = whole.y < 3
    assert np.array_equal(few.x, whole.x[chosen][:50])
    assert np.array_equal(few.y, whole.y[chosen][:50])


def test_noisy_labels_stay_within_the_classes() -> None:
    noisy = build("dataset", "mnist1d_classes", classes=2, train_size=400, label_noise=1.0).split("train", 3)
    clean = build("dataset", "mnist1d_classes", classes=2, train_size=400).split("train", 3)
    assert np.array_equal(noisy.y, 1 - clean.y)


def test_what_it_cannot_be_is_refused() -> None:
    with pytest.raises(BadInput, match="batch_size 100 is more than the 60"):
        build("dataset", "mnist1d_classes", train_size=60)
    with pytest.raises(ValueError, match="no validation split"):
        build("dataset", "mnist1d_classes").split("validation", 0)
