"""Where networks start and what of them is trained: recipes of rows and masks, made from other networks or drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from expzoo.science.numerics.alignment import permuted
from expzoo.science.numerics.symmetry import hidden_units
from expzoo.spec.recipe import Event
from expzoo.spec.spec import (
    Average,
    Fresh,
    Init,
    Known,
    Magnitude,
    Mask,
    Permuted,
    RandomMask,
    Reordered,
    Rewind,
    Scope,
    SignFlip,
)
from expzoo.system import randomness
from expzoo.system.errors import BadInput

if TYPE_CHECKING:
    from jaxtyping import Bool, Float
    from torch import Tensor, nn

    from expzoo.engine.blueprints import Blueprints
    from expzoo.spec.contracts import Dataset
    from expzoo.spec.layout import Layout
    from expzoo.spec.recipe import Step
    from expzoo.spec.spec import Spec
    from expzoo.store.network import Network


class Recipes:
    """Rows and masks of specs, from the networks that their recipes name."""

    def __init__(self, blueprints: Blueprints) -> None:
        self.blueprints = blueprints

    def initial_row(self, spec: Spec, networks: Mapping[str, Network]) -> Float[np.ndarray, " size"]:
        """The row a spec starts from: its recipe's, with pruned entries at zero, mapped and projected."""
        row = self._first_row(spec, spec.init, networks)
        mask = self.mask(spec, networks)
        row = row if mask is None else np.where(mask, row, np.zeros_like(row))
        parametrisation = self.blueprints.parametrisation(spec)
        if parametrisation and parametrisation.maps:
            if mask is not None:
                raise ValueError("a mask prunes weights, but the parametrisation trains something else: choose one")
            row = parametrisation.start(torch.from_numpy(row), torch.stack(self.fixed(spec, networks))).numpy()
        if spec.constraint:
            trained = self.trained(spec)
            free = np.full(row.shape, fill_value=True) if trained is None else trained
            theta = torch.from_numpy(np.where(free, row, 0)).unsqueeze(0)
            self.blueprints.plugin(spec.constraint).project(theta, self.blueprints.layout(spec))
            row = np.where(free, theta[0].numpy(), row)
        return row

    def fixed(self, spec: Spec, networks: Mapping[str, Network]) -> tuple[Float[Tensor, " size"], ...]:
        """The rows that the spec's parametrisation is built on."""
        return tuple(torch.from_numpy(self._first_row(spec, recipe, networks)) for recipe in spec.fixed)

    def mask(self, spec: Spec, networks: Mapping[str, Network]) -> Bool[np.ndarray, " size"] | None:
        """The mask of a spec, of its recipe and its parametrisation; None if it has none."""
        parametrisation = self.blueprints.parametrisation(spec)
        pruned = (
            parametrisation.trainable(self.blueprints.layout(spec))
            if parametrisation and parametrisation.prunes
            else None
        )
        if spec.mask is None:
            return pruned
        source = next(iter(spec.mask.sources()), None)
        read = None
        if source is not None:
            network = networks[source[0].key]
            read = row_at(network, source[1]), network.mask
        mask = resolve_mask(spec.mask, spec.seed, self.blueprints.layout(spec), read)
        return mask if pruned is None else mask & pruned

    def trained(self, spec: Spec) -> Bool[np.ndarray, " size"] | None:
        """What is trained of a row, if the rest keeps its initial values; None if not so."""
        parametrisation = self.blueprints.parametrisation(spec)
        if parametrisation is None or parametrisation.prunes:
            return None
        return parametrisation.trainable(self.blueprints.layout(spec))

    def _first_row(self, spec: Spec, recipe: Init, networks: Mapping[str, Network]) -> np.ndarray:
        match recipe:
            case Fresh(draw=draw):
                module = self.blueprints.module(spec, randomness.stable_hash(spec.seed, "init", draw))
                return self.blueprints.layout(spec).row(module).numpy()
            case Rewind(of=source, step=step):
                return row_at(networks[source.key], step).copy()
            case Known(name=name, layers=layers):
                module = self.blueprints.module(spec, randomness.stable_hash(spec.seed, "init", 0))
                return (
                    self.blueprints.layout(spec)
                    .row(solve_known(module, name, self.blueprints.dataset(spec.dataset), layers))
                    .numpy()
                )
            case SignFlip(of=source, step=step, k=k, seed=seed):
                return flip_signs(row_at(networks[source.key], step), self.blueprints.layout(spec), k, seed)
            case Average(of=sources, weights=weights, step=step):
                return average([row_at(networks[source.key], step) for source in sources], weights)
            case Reordered(of=source, step=step, seed=seed):
                row = row_at(networks[source.key], step)
                return reorder_units(row, self.blueprints.module(spec, spec.seed), self.blueprints.layout(spec), seed)


def row_at(network: Network, step: Step) -> Float[np.ndarray, " size"]:
    """The row that a recipe names; of a network that diverged or ended before it, the last."""
    if isinstance(step, Event):
        return network.rows[network.events.get(step.name, network.step)]
    return network.rows[min(step, network.step) if isinstance(step, int) else network.step]


def average(rows: Sequence[Float[np.ndarray, " size"]], weights: Sequence[float]) -> Float[np.ndarray, " size"]:
    """The weighted sum of rows, added up in order in double precision; a weight of 0 leaves its row out."""
    total = np.zeros(len(rows[0]))
    for row, weight in zip(rows, weights, strict=True):
        if weight:
            total += weight * row.astype(np.float64)
    return total.astype(rows[0].dtype)


def solve_known(module: nn.Module, name: str, dataset: Dataset, layers: tuple[int, ...]) -> nn.Module:
    """The module with the weights it knows for the problem `name`, in place; BadInput if it knows none."""
    solve: Any = module.solve
    if solve is None:
        raise BadInput(f"{type(module).__name__} knows no solution of {name!r}: it has no method solve")
    try:
        solve(name, dataset, layers)
    except ValueError as error:
        raise BadInput(f"{type(module).__name__}: {error}") from error
    return module


def flip_signs(row: Float[np.ndarray, " size"], layout: Layout, k: int, seed: int) -> Float[np.ndarray, " size"]:
    """The row with the signs of `k` weights flipped, biases left alone; BadInput if there are not so many."""
    entries = np.concatenate([np.arange(part.start, part.stop) for _, part in layout.weights(biases=False)])
    if not 0 <= k <= len(entries):
        raise BadInput(f"{k} signs cannot be flipped: there are {len(entries)} weights")
    changed = row.copy()
    changed[entries[randomness.permutation(seed, "sign flips", 0, len(entries))[:k]]] *= -1
    return changed


def reorder_units(
    row: Float[np.ndarray, " size"], module: nn.Module, layout: Layout, seed: int
) -> Float[np.ndarray, " size"]:
    """The row with each group of hidden units in an order of its own; BadInput if the module's cannot be permuted."""
    try:
        units = hidden_units(module)
    except ValueError as error:
        raise BadInput(str(error)) from error
    reordered = torch.from_numpy(row.copy())
    orders = [
        torch.from_numpy(randomness.permutation(seed, "hidden units", index, group.width))
        for index, group in enumerate(units)
    ]
    parameters = layout.view(reordered)
    for name, value in permuted(parameters, units, orders).items():
        parameters[name].copy_(value)
    return reordered.numpy()


def num_removed(size: int, sparsity: float) -> int:
    """How many of `size` entries this sparsity removes: rounded to the nearest, never all of them."""
    return min(round(size * sparsity), size - 1)


def by_magnitude(
    row: Float[np.ndarray, " size"],
    kept: Bool[np.ndarray, " size"] | None,
    layout: Layout,
    *,
    sparsity: float,
    scope: Scope,
    biases: bool,
    last: float | None = None,
) -> Bool[np.ndarray, " size"]:
    """The mask that removes the smallest entries of `row`; what `kept` removed goes first.

    `last` is the sparsity of the last layer, if it is another: "connections to outputs are pruned
    at half of the rate of the rest of the network" (Frankle & Carbin 2019, figure 2).
    Frankle & Carbin 2019, section 2: "prune the lowest-magnitude weights". Of equal entries the earlier goes first.
    """
    size = np.abs(row.astype(np.float64))
    if kept is not None:
        size[~kept] = -1.0
    own = {} if last is None else dict.fromkeys(layout.last, last)
    groups = [(np.arange(s.start, s.stop), own.get(name, sparsity)) for name, s in layout.weights(biases=biases)]
    if scope == "global":
        groups = [(np.concatenate([entries for entries, _ in groups]), sparsity)]
    mask = np.ones(layout.size, bool)
    for entries, removed in groups:
        order = np.argsort(size[entries], kind="stable")
        mask[entries[order[: num_removed(len(entries), removed)]]] = False
    return mask


def at_random(seed: int, recipe: RandomMask, layout: Layout) -> Bool[np.ndarray, " size"]:
    """The mask that removes entries at random in each tensor, with the counts of layer-wise pruning."""
    within = at_random(seed, recipe.within, layout) if recipe.within else np.ones(layout.size, bool)
    mask = np.ones(layout.size, bool)
    for name, entries in layout.weights(biases=recipe.biases):
        length = entries.stop - entries.start
        chance = randomness.uniforms(seed, f"mask/{name}", recipe.draw, length)
        order = np.argsort(np.where(within[entries], chance, -1.0), kind="stable")
        mask[entries.start + order[: num_removed(length, recipe.sparsity)]] = False
    return mask


def permute_mask(seed: int, mask: Bool[np.ndarray, " size"], draw: int, layout: Layout) -> Bool[np.ndarray, " size"]:
    """The mask with its entries in another order within each tensor."""
    shuffled = mask.copy()
    for name, entries in layout.weights(biases=True):
        order = randomness.permutation(seed, f"permuted mask/{name}", draw, entries.stop - entries.start)
        shuffled[entries] = mask[entries][order]
    return shuffled


def resolve_mask(
    recipe: Mask,
    seed: int,
    layout: Layout,
    source: tuple[Float[np.ndarray, " size"], Bool[np.ndarray, " size"] | None] | None,
) -> Bool[np.ndarray, " size"]:
    """The mask of a recipe; `source` holds the row and the own mask of the network that a magnitude recipe reads."""
    match recipe:
        case RandomMask():
            return at_random(seed, recipe, layout)
        case Permuted():
            return permute_mask(seed, resolve_mask(recipe.like, seed, layout, source), recipe.draw, layout)
        case Magnitude(sparsity=sparsity, scope=scope, biases=biases, last=last):
            if source is None:
                raise ValueError("a mask by magnitude needs the row of its network")
            row, kept = source
            return by_magnitude(row, kept, layout, sparsity=sparsity, scope=scope, biases=biases, last=last)
