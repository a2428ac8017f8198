"""What datasets share whose examples are drawn by a formula: splits, draws of members, noisy and poisoned labels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

import numpy as np

from expzoo.components.datasets import (
    SPLITS,
    batches,
    frozen_split,
    memory_faults,
    noisy_labels,
    refuse,
    refuse_unknown,
    training_faults,
)
from expzoo.system.cache import Recent
from expzoo.system.randomness import integers, stable_hash

if TYPE_CHECKING:
    from expzoo.spec.contracts import Split


class Drawn(ABC):
    """A base for datasets of a formula: a plugin says `examples`, and hands over its options.

    Each split is a draw of its own, so that more examples of one leave the others as they are.
    `poison` further training examples of another draw follow the others, all with wrong labels.
    """

    INPUTS, TARGETS, SCORES = "vector", "classes", ("accuracy",)

    def __init__(
        self,
        name: str,
        inputs: int,
        classes: int,
        *,
        train_size: int,
        test_size: int,
        validation_size: int = 0,
        poison: int = 0,
        seed: int,
        draw: str,
        label_noise: float = 0.0,
        noise_labels: str = "other",
        batch_size: int,
        order: str,
    ) -> None:
        """ValueError for sizes that no batch fits in or that take more memory than there is."""
        total = train_size + poison
        refuse(training_faults(total, total, 0, order, batch_size))
        refuse(memory_faults(max(total, validation_size, test_size), inputs))
        self.inputs, self.outputs = (inputs,), classes
        self.seed, self.draw, self.order, self.poison = seed, draw, order, poison
        self.label_noise, self.noise_labels = label_noise, noise_labels
        self.batch_size = total if order == "full" else batch_size
        self._name, self._total = name, total
        self._sizes = {"train": train_size, "validation": validation_size, "test": test_size, "fresh": test_size}
        self._splits: Recent[tuple[str, int], Split] = Recent(64)

    @abstractmethod
    def examples(self, identity: int, purpose: str, size: int) -> tuple[np.ndarray, np.ndarray]:
        """`size` examples x (size, inputs) and their labels (size,), a function of identity and purpose."""

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its data from: equal identities mean equal splits."""
        return stable_hash(self.seed if self.draw == "frozen" else seed, self._name, self.draw)

    def split(self, name: str, seed: int) -> Split:
        """The split of this name: x (n, inputs) float32, y (n,) int64, read-only; ValueError if there is none."""
        refuse_unknown("split", name, SPLITS)
        if not self._sizes[name]:
            raise ValueError(f"{self._name} has no {name} split")
        identity = self.identity(seed)
        return self._splits.get((name, identity), lambda: self._made(name, identity))

    def _made(self, name: str, identity: int) -> Split:
        x, labels = self.examples(identity, name, self._sizes[name])
        if name == "train":
            labels = noisy_labels(labels, self.label_noise, self.outputs, self.noise_labels, identity)
            if self.poison:
                more, true = self.examples(identity, "poison", self.poison)
                away = 1 + integers(identity, "poisoned label", 0, self.poison, self.outputs - 1)
                x, labels = np.concatenate([x, more]), np.concatenate([labels, (true + away) % self.outputs])
        return frozen_split(x, labels)

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training examples steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        return batches(self.order, seed, start, stop, self.batch_size, self._total)
