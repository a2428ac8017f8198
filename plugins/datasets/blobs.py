"""Gaussian blobs in the plane."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np

from expzoo.plugin import (
    SPLITS,
    Count,
    Fraction,
    Natural,
    Positive,
    Range,
    Recent,
    batches,
    frozen_split,
    noisy_labels,
    normals,
    permutation,
    refuse,
    refuse_unknown,
    register,
    stable_hash,
    training_faults,
)

if TYPE_CHECKING:
    from expzoo.plugin import Split


@register
class Blobs:
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

    INPUTS, TARGETS, SCORES = "vector", "classes", ("accuracy",)
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
        refuse(training_faults(train_size, train_size, 0, order, batch_size))
        self.inputs, self.outputs = (2,), classes
        self.std, self.seed, self.draw, self.order = std, seed, draw, order
        self.label_noise, self.noise_labels = label_noise, noise_labels
        self.batch_size = train_size if order == "full" else batch_size
        self._sizes = {"train": train_size, "test": test_size, "fresh": test_size}
        self._splits: Recent[tuple[str, int], Split] = Recent(64)

    @property
    def centres(self) -> np.ndarray:
        """Where the blobs are: (classes, 2)."""
        angles = math.pi / 4 + 2 * math.pi * np.arange(self.outputs) / self.outputs
        return math.sqrt(2) * np.stack([np.cos(angles), np.sin(angles)], 1)

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its data from: equal identities mean equal splits."""
        return stable_hash(self.seed if self.draw == "frozen" else seed, "blobs", self.draw)

    def split(self, name: str, seed: int) -> Split:
        """The split called train, test or fresh: x (n, 2) float32, y (n,) int64, read-only; there is no validation."""
        refuse_unknown("split", name, SPLITS)
        if name == "validation":
            raise ValueError("blobs has no validation split")
        identity = self.identity(seed)
        return self._splits.get((name, identity), lambda: self._made(name, identity))

    def _made(self, name: str, identity: int) -> Split:
        size = self._sizes[name]
        labels = (np.arange(size) % self.outputs)[permutation(identity, f"{name} labels", 0, size)]
        noise = normals(identity, f"{name} noise", 0, 2 * size).reshape(size, 2)
        x = (self.centres[labels] + self.std * noise).astype(np.float32)
        if name == "train":
            labels = noisy_labels(labels, self.label_noise, self.outputs, self.noise_labels, identity)
        return frozen_split(x, labels)

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training examples steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        return batches(self.order, seed, start, stop, self.batch_size, self._sizes["train"])
