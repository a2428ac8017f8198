"""Regression on random features: a network whose first layer is random and whose last is solved for exactly.

Rahimi & Recht 2007 (features); Belkin, Hsu, Ma & Mandal 2019 (arXiv:1812.11118, section 2), where the minimum-norm
solution shows double descent with its peak at as many features as examples, whatever the data.
"""

from __future__ import annotations

import numpy as np

from expzoo.system.randomness import normals


def directions(seed: int, inputs: int, features: int) -> np.ndarray:
    """Random directions of variance 1 / inputs, (inputs, features); more features keep the first ones."""
    drawn = [normals(seed, "random feature", place, inputs) for place in range(features)]
    return np.stack(drawn, 1) / np.sqrt(inputs)


def relu_features(x: np.ndarray, drawn: np.ndarray) -> np.ndarray:
    """relu(x w) for each direction: x (n, inputs), drawn (inputs, features) -> (n, features) float64."""
    return np.maximum(x.reshape(len(x), -1).astype(np.float64) @ drawn, 0.0)


def fit(features: np.ndarray, targets: np.ndarray, ridge: float = 0.0) -> np.ndarray:
    """Weights (features, outputs) of least squares for targets (n, outputs).

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


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Targets (n, classes) float64 of labels (n,), centred so that guessing the frequencies of equal classes is 0."""
    return np.eye(classes)[labels] - 1.0 / classes
