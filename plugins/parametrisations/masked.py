"""A sparse network from the start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.plugin import Fraction, Natural, RandomMask, at_random, register

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

    from expzoo.plugin import Layout


@register
class Masked:
    """Weights chosen at random are zero and stay so: each tensor loses the same fraction, all members the same entries.

    Masks that members have of their own, or from other networks as in magnitude pruning, are recipes in a spec.

    Args:
        sparsity: the fraction of each tensor that is removed; at least one entry stays.
        biases: whether biases lose as much.
        seed: of the choice.
    """

    CACHE_VERSION = 1

    maps = False
    num_fixed = 0
    middle = 0.0
    prunes = True

    def __init__(self, *, sparsity: Fraction = 0.8, biases: bool = False, seed: Natural = 0) -> None:
        self.recipe, self.seed = RandomMask(sparsity, biases=biases), seed

    def size(self, layout: Layout) -> int:
        """A trained row is a row of weights."""
        return layout.size

    def trainable(self, layout: Layout) -> np.ndarray:
        """What is left."""
        return at_random(self.seed, self.recipe, layout)

    def start(self, first: Tensor, fixed: Tensor) -> Tensor:
        """The initial weights."""
        return first

    def weights(self, z: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """What is trained is what is evaluated."""
        return z

    def pull_back(self, grad: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """The gradient itself."""
        return grad
