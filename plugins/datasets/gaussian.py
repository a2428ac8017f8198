"""Normal inputs with labels that mean nothing: what can be fitted can only be memorised."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from expzoo.plugin import (
    SPLITS,
    Count,
    Natural,
    Recent,
    batches,
    frozen_split,
    integers,
    memory_faults,
    normals,
    refuse,
    refuse_unknown,
    register,
    stable_hash,
    training_faults,
)

if TYPE_CHECKING:
    from expzoo.plugin import Split


@register
class Gaussian:
    """Independent standard normal inputs, each with one of two labels by the toss of a coin; one output for both.

    The random data of Geiger et al. 2019, "Jamming transition as a paradigm to understand the loss
    landscape of deep neural networks". A linear network of p parameters separates 2 p of them in
    half of all draws (Cover 1965).

    Args:
        dimensions: of the inputs.
        train_size: training examples.
        test_size: test examples, of which nobody can know more than chance.
        seed: of the draw that all members see with draw=frozen.
        draw: whether every member sees the draw of `seed`, or its own.
        batch_size: examples in a batch.
        order: shuffled permutes every epoch, fixed never, full takes all examples at every step.
    """

    INPUTS, TARGETS, SCORES = "vector", "classes", ("accuracy",)
    CACHE_VERSION = 1
    NOT_IN_KEY = ("test_size",)

    def __init__(
        self,
        *,
        dimensions: Count = 10,
        train_size: Count = 500,
        test_size: Count = 500,
        seed: Natural = 0,
        draw: Literal["frozen", "member"] = "frozen",
        batch_size: Count = 100,
        order: Literal["shuffled", "fixed", "full"] = "shuffled",
    ) -> None:
        refuse(training_faults(train_size, train_size, 0, order, batch_size))
        refuse(memory_faults(train_size + test_size, dimensions))
        self.inputs, self.outputs = (dimensions,), 1
        self.seed, self.draw, self.order = seed, draw, order
        self.batch_size = train_size if order == "full" else batch_size
        self._sizes = {"train": train_size, "test": test_size, "fresh": test_size}
        self._splits: Recent[tuple[str, int], Split] = Recent(64)

    def identity(self, seed: int) -> int:
        """What a member with this seed draws its data from: equal identities mean equal splits."""
        return stable_hash(self.seed if self.draw == "frozen" else seed, "gaussian", self.draw)

    def split(self, name: str, seed: int) -> Split:
        """The split called train, test or fresh: x (n, dimensions) float32, y (n,) int64; there is no validation."""
        refuse_unknown("split", name, SPLITS)
        if name == "validation":
            raise ValueError("gaussian has no validation split")
        identity = self.identity(seed)
        return self._splits.get((name, identity), lambda: self._made(name, identity))

    def _made(self, name: str, identity: int) -> Split:
        size, dimensions = self._sizes[name], self.inputs[0]
        x = normals(identity, f"{name} inputs", 0, size * dimensions).reshape(size, dimensions)
        return frozen_split(x.astype(np.float32), integers(identity, f"{name} labels", 0, size, 2))

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training examples steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        return batches(self.order, seed, start, stop, self.batch_size, self._sizes["train"])
