"""Regression on random features: a network whose first layer is random and whose last is solved for exactly.

Rahimi & Recht 2007 (features); Belkin, Hsu, Ma & Mandal 2019 (arXiv:1812.11118, section 2), where
the minimum-norm solution shows double descent with its peak at as many features as examples,
whatever the data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from expzoo.system.randomness import normals

if TYPE_CHECKING:
    from jaxtyping import Float, Int, Real


def directions(seed: int, inputs: int, features: int) -> Float[np.ndarray, "inputs features"]:
    """Random directions of variance 1 / inputs; more features keep the first ones."""
    drawn = [normals(seed, "random feature", index, inputs) for index in range(features)]
    return np.stack(drawn, 1) / np.sqrt(inputs)


def relu_features(
    x: Real[np.ndarray, "n ..."], drawn: Float[np.ndarray, "inputs features"]
) -> Float[np.ndarray, "n features"]:
    """relu(x w) for each direction, in float64; the numbers of an example are its inputs."""
    return np.maximum(x.reshape(len(x), -1).astype(np.float64) @ drawn, 0.0)


def fit(
    features: Float[np.ndarray, "n features"], targets: Float[np.ndarray, "n outputs"], ridge: float = 0.0
) -> Float[np.ndarray, "features outputs"]:
    """Weights of least squares for targets.

    Of equally good ones those of the smallest norm; with `ridge` the minimiser of
    |features w - targets|^2 + ridge |w|^2. ValueError for a negative ridge.
    """
    if ridge < 0:
        raise ValueError(f"ridge {ridge} must be at least 0")
    if ridge == 0:
        return np.linalg.lstsq(features, targets, rcond=None)[0]
    examples, count = features.shape
    if count <= examples:
        return np.linalg.solve(features.T @ features + ridge * np.eye(count), features.T @ targets)
    return features.T @ np.linalg.solve(features @ features.T + ridge * np.eye(examples), targets)


def one_hot(labels: Int[np.ndarray, " n"], classes: int) -> Float[np.ndarray, "n classes"]:
    """Targets float64 of labels, centred so that guessing the frequencies of equal classes is 0."""
    return np.eye(classes)[labels] - 1.0 / classes
