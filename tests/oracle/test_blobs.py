"""The blobs against scikit-learn's make_blobs."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import kstest
from sklearn.datasets import make_blobs

from expzoo.config.registry import build


@pytest.mark.parametrize(("classes", "std", "size"), [(2, 1.0, 1000), (3, 0.5, 1001)])
def test_they_are_those_of_scikit_learn(classes: int, std: float, size: int) -> None:
    dataset = build("dataset", "blobs", classes=classes, std=std, train_size=size)
    own = dataset.split("train", 0)
    x, y = make_blobs(size, centers=dataset.centres, cluster_std=std, random_state=0)
    assert sorted(np.bincount(own.y)) == sorted(np.bincount(y))
    for label in range(classes):
        for axis in (0, 1):
            for points in (own.x[own.y == label], x[y == label]):
                apart = (points[:, axis] - dataset.centres[label, axis]) / std
                assert kstest(apart, "norm").pvalue > 1e-3


def test_two_classes_are_where_they_were_published() -> None:
    np.testing.assert_allclose(build("dataset", "blobs").centres, [[1, 1], [-1, -1]], atol=1e-12)


def test_draws_of_members_and_of_splits_differ() -> None:
    dataset = build("dataset", "blobs", draw="member", train_size=100, test_size=100)
    seen = [dataset.split(name, seed).x.tobytes() for name in ("train", "test", "fresh") for seed in (0, 1)]
    assert len(set(seen)) == 6
    with pytest.raises(ValueError, match="blobs has no validation split"):
        dataset.split("validation", 0)
