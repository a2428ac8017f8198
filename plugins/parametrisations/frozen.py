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
        parameters: shell patterns of parameter names, such as "first.*" or "*.bias"; first and last
            are the first and the last layer of a model that calls none so.
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
        patterns = [_by_place(pattern, layout.names) for pattern in self.parameters]
        for pattern in patterns:
            if not any(fnmatch(name, pattern) for name in layout.names):
                raise ValueError(f"parametrisation.parameters: {pattern!r} matches none of {', '.join(layout.names)}")
        trained = np.ones(layout.size, bool)
        for name, entries in layout.weights(biases=True):
            if any(fnmatch(name, pattern) for pattern in patterns):
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


def _by_place(pattern: str, names: tuple[str, ...]) -> str:
    """The pattern, with the model's own name of a layer for first and last, if it matches nothing as it is."""
    place, dot, rest = pattern.partition(".")
    if not dot or place not in ("first", "last") or any(fnmatch(name, pattern) for name in names):
        return pattern
    layer = names[0 if place == "first" else -1].rpartition(".")[0]
    return f"{layer}.{rest}" if layer else rest
