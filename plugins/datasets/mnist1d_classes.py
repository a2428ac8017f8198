"""MNIST-1D with fewer classes and as many examples."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Annotated, Literal

from expzoo.plugin import (
    Count,
    Fraction,
    Natural,
    Range,
    Recent,
    batches,
    build,
    frozen_split,
    noisy_labels,
    refuse,
    register,
    training_faults,
)

if TYPE_CHECKING:
    import numpy as np

    from expzoo.plugin import Split

_SPARE = 1.3  # of the expected number of examples of the wanted classes, so that a draw never has too few


@register
class Mnist1dClasses:
    """The first `classes` classes of MNIST-1D, with so many training examples whatever their number.

    For questions in which the number of outputs varies and the number of examples does not. The
    examples are the first of their classes in a draw of mnist1d with its own default options;
    statistics of that draw standardise them.

    Args:
        classes: how many of the ten classes, the digits from 0 on.
        train_size: training examples.
        test_size: test examples.
        seed: of the draw that all members see with draw=frozen.
        draw: whether every member sees the draw of `seed`, or its own.
        label_noise: how likely the label of a training example is replaced.
        noise_labels: by a wrong one (other) or by any, which may be the true one.
        batch_size: examples in a batch.
        order: shuffled permutes every epoch, fixed never, full takes all examples at every step.
    """

    INPUTS, TARGETS, SCORES = "sequence", "classes", ("accuracy",)
    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)

    def __init__(
        self,
        *,
        classes: Annotated[int, Range(2, 10)] = 10,
        train_size: Count = 1000,
        test_size: Count = 1000,
        seed: Natural = 42,
        draw: Literal["frozen", "member"] = "member",
        label_noise: Fraction = 0.0,
        noise_labels: Literal["other", "any"] = "other",
        batch_size: Count = 100,
        order: Literal["shuffled", "fixed", "full"] = "shuffled",
    ) -> None:
        refuse(training_faults(train_size, train_size, 0, order, batch_size))
        self.outputs, self.order = classes, order
        self.label_noise, self.noise_labels = label_noise, noise_labels
        self._sizes = {"train": train_size, "test": test_size, "fresh": test_size}
        pools = {name: math.ceil(size * 10 / classes * _SPARE) + 100 for name, size in self._sizes.items()}
        self._all = build(
            "dataset", "mnist1d", seed=seed, draw=draw, train_size=pools["train"], test_size=pools["test"]
        )
        self.inputs = self._all.inputs
        self.batch_size = train_size if order == "full" else batch_size
        self._splits: Recent[tuple[str, int], Split] = Recent(64)

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its data from: equal identities mean equal splits."""
        return self._all.identity(seed)

    def split(self, name: str, seed: int) -> Split:
        """The split called train, test or fresh: x (n, 40) float32, y (n,) int64, read-only; there is no validation."""
        if name == "validation":
            raise ValueError("mnist1d_classes has no validation split")
        return self._splits.get((name, self.identity(seed)), lambda: self._chosen(name, seed))

    def _chosen(self, name: str, seed: int) -> Split:
        pool = self._all.split(name, seed)
        size = self._sizes[name]
        wanted = (pool.y < self.outputs).nonzero()[0][:size]
        if len(wanted) < size:
            raise ValueError(f"a draw has {len(wanted)} {name} examples of {self.outputs} classes, not {size}")
        x, y = pool.x[wanted], pool.y[wanted]
        if name == "train":
            y = noisy_labels(y, self.label_noise, self.outputs, self.noise_labels, self.identity(seed))
        return frozen_split(x, y)

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training examples steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        return batches(self.order, seed, start, stop, self.batch_size, self._sizes["train"])
