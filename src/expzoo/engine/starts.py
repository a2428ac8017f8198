"""First rows of networks that are neither drawn anew nor those of another network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.spec.spec import Event
from expzoo.system import randomness
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from torch import nn

    from expzoo.components.layout import Layout
    from expzoo.spec.spec import Step
    from expzoo.store.network import Network


def row_at(network: Network, step: Step) -> np.ndarray:
    """The row that a recipe names; of a network that diverged or ended before it, the last."""
    if isinstance(step, Event):
        return network.rows[network.events.get(step.name, network.step)]
    return network.rows[min(step, network.step) if isinstance(step, int) else network.step]


def solved(module: nn.Module, name: str, dataset: Any, layers: tuple[int, ...]) -> nn.Module:
    """The module with the weights it knows for the problem `name`, in place; BadInput if it knows none."""
    solve: Any = getattr(module, "solve", None)
    if solve is None:
        raise BadInput(f"{type(module).__name__} knows no solution of {name!r}: it has no method solve")
    try:
        solve(name, dataset, layers)
    except ValueError as error:
        raise BadInput(f"{type(module).__name__}: {error}") from error
    return module


def flipped(row: np.ndarray, layout: Layout, k: int, seed: int) -> np.ndarray:
    """The row with the signs of `k` weights flipped, biases left alone; BadInput if there are not so many."""
    places = np.concatenate([np.arange(part.start, part.stop) for _, part in layout.weights(biases=False)])
    if not 0 <= k <= len(places):
        raise BadInput(f"{k} signs cannot be flipped: there are {len(places)} weights")
    changed = row.copy()
    changed[places[randomness.permutation(seed, "sign flips", 0, len(places))[:k]]] *= -1
    return changed
