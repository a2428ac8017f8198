"""Some parameters are not trained."""

from __future__ import annotations

from fnmatch import fnmatch
from typing import TYPE_CHECKING

import numpy as np

from expzoo.plugin import register

if TYPE_CHECKING:
    from torch import Tensor

    from expzoo.plugin import Layout


@register
class Frozen:
    """Keeps the parameters whose names match at their initial values.

    Args:
        parameters: shell patterns of parameter names, such as "first.*" or "*.bias".
    """

    CACHE_VERSION = 1

    maps = False
    num_fixed = 0
    middle = 0.0

    def __init__(self, *, parameters: tuple[str, ...] = ("first.*",)) -> None:
        self.parameters = parameters

    def size(self, layout: Layout) -> int:
        """A trained row is a row of weights."""
        return layout.size

    def trainable(self, layout: Layout) -> np.ndarray:
        """What is not frozen; ValueError for a pattern that matches no parameter, or if nothing is left."""
        for pattern in self.parameters:
            if not any(fnmatch(name, pattern) for name in layout.names):
                raise ValueError(f"parametrisation.parameters: {pattern!r} matches none of {', '.join(layout.names)}")
        trained = np.ones(layout.size, bool)
        for name, entries in layout.weights(biases=True):
            if any(fnmatch(name, pattern) for pattern in self.parameters):
                trained[entries] = False
        if not any(trained[entries].any() for _, entries in layout.weights(biases=True)):
            raise ValueError("parametrisation.parameters: every parameter is frozen")
        return trained

    def start(self, first: Tensor, fixed: Tensor) -> Tensor:
        """The initial weights."""
        return first

    def weights(self, z: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """What is trained is what is evaluated."""
        return z

    def pull_back(self, grad: Tensor, fixed: Tensor, place: Tensor) -> Tensor:
        """The gradient itself."""
        return grad
