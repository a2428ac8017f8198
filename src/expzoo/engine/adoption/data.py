"""What can be seen of a dataset by itself: whether it is a function of counters, the same whenever it is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from expzoo.engine.adoption.fault import Refused
from expzoo.spec.contracts import Stream

if TYPE_CHECKING:
    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset, Redrawing, Split

SPLITS = ("train", "validation", "test")
STEPS = 4
DRAW = (
    "draw by normals, integers, ... of expzoo.plugin, or by np.random.default_rng([seed, step]), which give the same "
    "numbers again"
)


def look_at_dataset(component: Component[Any], dataset: Dataset | Stream, seed: int) -> None:
    """Refused if the dataset that is made again, or asked again, has other examples, or shows them in another order."""
    again: Any = component.build()
    for name in SPLITS:
        try:
            made = dataset.split(name, seed), again.split(name, seed), dataset.split(name, seed)
        except ValueError:  # there is no such split
            continue
        if not (_same(made[0], made[1]) and _same(made[0], made[2])):
            raise Refused(component, f"its {name} split has other examples when it is made again: {DRAW}")
    if dataset.identity(seed) != again.identity(seed):
        raise Refused(component, "identity(seed) differs from object to object: make it of the seed and the options")
    if isinstance(dataset, Stream):
        _look_at_batches(component, dataset, again, seed)
    else:
        _look_at_order(component, dataset, again, seed)
        if dataset.redraws:
            _look_at_redrawn(component, dataset, again, seed)


def _same(one: Split, other: Split) -> bool:
    return all(
        a.shape == b.shape and a.dtype == b.dtype and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in ((one.x, other.x), (one.y, other.y))
    )


def _look_at_order(component: Component[Any], dataset: Dataset, again: Dataset, seed: int) -> None:
    whole, size = dataset.indices(seed, 0, STEPS), len(dataset.split("train", seed))
    wanted = (STEPS, dataset.batch_size)
    if whole.shape != wanted:
        raise Refused(component, f"indices(seed, 0, {STEPS}) has shape {whole.shape}, not {wanted}")
    if whole.min() < 0 or whole.max() >= size:
        raise Refused(component, f"indices from {whole.min()} to {whole.max()} of {size} examples")
    for start in (1, STEPS - 1):
        if not np.array_equal(again.indices(seed, start, STEPS), whole[start:]):
            why = f"indices(seed, {start}, {STEPS}) depends on where the call starts, or on earlier calls"
            raise Refused(component, f"{why}: each row is a function of seed and step alone; {DRAW}")


def _look_at_batches(component: Component[Any], dataset: Stream, again: Stream, seed: int) -> None:
    whole = dataset.batches([seed, seed + 1], 0, STEPS)
    for member, start in ((0, 0), (1, 1), (0, STEPS - 1)):
        part = again.batches([seed + member], start, STEPS)
        if not all(np.array_equal(own[:, 0], made[start:, member]) for own, made in zip(part, whole, strict=True)):
            why = f"batches(seed, {start}, {STEPS}) depend on the call, on the company or on earlier calls"
            raise Refused(component, f"{why}: each is a function of seed and step alone; {DRAW}")


def _look_at_redrawn(component: Component[Any], dataset: Any, again: Redrawing, seed: int) -> None:
    indices = dataset.indices(seed, 0, 1)[0]
    x = torch.tensor(dataset.source(seed).x[indices])
    first, given = dataset.redrawn(x.clone(), indices, seed, 0), x.clone()
    dataset.redrawn(x.clone(), indices, seed, 1)
    if not torch.equal(first, again.redrawn(given, indices, seed, 0)):
        raise Refused(component, f"redrawn gives other examples the second time, for the same seed and step: {DRAW}")
