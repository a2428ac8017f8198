"""Gaussian blobs in the plane."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np

from expzoo.plugin import Count, Drawn, Fraction, Natural, Positive, Range, normals, permutation, register


@register
class Blobs(Drawn):
    """As many normal blobs in the plane as classes, each with as many examples as the others, in random order.

    The definition is that of scikit-learn's `make_blobs`, with given centres: at equal angles on the
    circle of radius sqrt(2), from 45 degrees on, so that two classes lie at (1, 1) and (-1, -1) as
    those of Sagun, Evci, Guney, Dauphin & Bottou 2017, arXiv:1706.04454, section 3.

    Args:
        classes: how many.
        std: standard deviation of each blob in both directions; 1 lets two blobs overlap by 8 %.
        train_size: training examples.
        test_size: test examples.
        seed: of the draw that all members see with draw=frozen.
        draw: whether every member sees the draw of `seed`, or its own.
        label_noise: how likely the label of a training example is replaced.
        noise_labels: by a wrong one (other) or by any, which may be the true one.
        batch_size: examples in a batch.
        order: shuffled permutes every epoch, fixed never, full takes all examples at every step.
    """

    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)

    def __init__(
        self,
        *,
        classes: Annotated[int, Range(2, 100)] = 2,
        std: Positive = 1.0,
        train_size: Count = 1000,
        test_size: Count = 1000,
        seed: Natural = 0,
        draw: Literal["frozen", "member"] = "frozen",
        label_noise: Fraction = 0.0,
        noise_labels: Literal["other", "any"] = "other",
        batch_size: Count = 100,
        order: Literal["shuffled", "fixed", "full"] = "shuffled",
    ) -> None:
        self.std = std
        super().__init__(
            "blobs",
            2,
            classes,
            train_size=train_size,
            test_size=test_size,
            seed=seed,
            draw=draw,
            label_noise=label_noise,
            noise_labels=noise_labels,
            batch_size=batch_size,
            order=order,
        )

    @property
    def centres(self) -> np.ndarray:
        """Where the blobs are: (classes, 2)."""
        angles = math.pi / 4 + 2 * math.pi * np.arange(self.outputs) / self.outputs
        return math.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], 1)

    def examples(self, identity: int, purpose: str, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Points (size, 2) about the centres of their labels (size,)."""
        labels = (np.arange(size) % self.outputs)[permutation(identity, f"{purpose} labels", 0, size)]
        noise = normals(identity, f"{purpose} noise", 0, 2 * size).reshape(size, 2)
        return self.centres[labels] + self.std * noise, labels
