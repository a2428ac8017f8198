"""Masks of pruning: which entries of a row survive, from magnitudes or at random, with exact counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from expzoo.spec.spec import Magnitude, Mask, Permuted, RandomMask, Scope
from expzoo.system import randomness

if TYPE_CHECKING:
    from expzoo.components.layout import Layout


def num_removed(size: int, sparsity: float) -> int:
    """How many of `size` entries this sparsity removes: rounded to the nearest, never all of them."""
    return min(round(size * sparsity), size - 1)


def by_magnitude(
    row: np.ndarray, kept: np.ndarray | None, layout: Layout, *, sparsity: float, scope: Scope, biases: bool
) -> np.ndarray:
    """The mask (size,) of bool that removes the smallest entries of `row`; what `kept` removed goes first.

    Frankle & Carbin 2019, section 2: "prune the lowest-magnitude weights". Of equal entries the earlier goes first.
    """
    size = np.abs(row.astype(np.float64))
    if kept is not None:
        size[~kept] = -1.0
    groups = [np.arange(s.start, s.stop) for _, s in layout.weights(biases=biases)]
    if scope == "global":
        groups = [np.concatenate(groups)]
    mask = np.ones(layout.size, bool)
    for places in groups:
        order = np.argsort(size[places], kind="stable")
        mask[places[order[: num_removed(len(places), sparsity)]]] = False
    return mask


def at_random(seed: int, recipe: RandomMask, layout: Layout) -> np.ndarray:
    """The mask (size,) of bool that removes entries at random in each tensor, with the counts of layer-wise pruning."""
    within = at_random(seed, recipe.within, layout) if recipe.within else np.ones(layout.size, bool)
    mask = np.ones(layout.size, bool)
    for name, places in layout.weights(biases=recipe.biases):
        length = places.stop - places.start
        chance = randomness.uniforms(seed, f"mask/{name}", recipe.draw, length)
        order = np.argsort(np.where(within[places], chance, -1.0), kind="stable")
        mask[places.start + order[: num_removed(length, recipe.sparsity)]] = False
    return mask


def permuted(seed: int, mask: np.ndarray, draw: int, layout: Layout) -> np.ndarray:
    """The mask with its entries in another order within each tensor."""
    shuffled = mask.copy()
    for name, places in layout.weights(biases=True):
        order = randomness.permutation(seed, f"permuted mask/{name}", draw, places.stop - places.start)
        shuffled[places] = mask[places][order]
    return shuffled


def resolve(recipe: Mask, seed: int, layout: Layout, source: tuple[np.ndarray, np.ndarray | None] | None) -> np.ndarray:
    """The mask of a recipe; `source` holds the row and the own mask of the network that a magnitude recipe reads."""
    match recipe:
        case RandomMask():
            return at_random(seed, recipe, layout)
        case Permuted():
            return permuted(seed, resolve(recipe.like, seed, layout, source), recipe.draw, layout)
        case Magnitude(sparsity=sparsity, scope=scope, biases=biases):
            if source is None:
                raise ValueError("a mask by magnitude needs the row of its network")
            row, kept = source
            return by_magnitude(row, kept, layout, sparsity=sparsity, scope=scope, biases=biases)
