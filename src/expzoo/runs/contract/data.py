"""What a dataset must be: a function of counters, whose splits share no example."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from expzoo.components.soundness import are_labels, split_faults
from expzoo.engine.adoption.data import look_at_dataset
from expzoo.runs.contract.require import refusals_fail, require
from expzoo.spec.contracts import Stream
from expzoo.system.randomness import member_seed

if TYPE_CHECKING:
    from expzoo.spec.component import Component
    from expzoo.spec.contracts import Dataset, Split
    from expzoo.spec.spec import Spec

SEEDS = (member_seed(0, 0), member_seed(0, 1))


def check_dataset(component: Component, base: Spec) -> None:
    """Sizes, splits, determinism, identity and order."""
    dataset, again = component.build(), component.build()
    require(isinstance(dataset.inputs, tuple) and dataset.inputs, f"inputs is {dataset.inputs!r}, not a tuple of sizes")
    sizes = (*dataset.inputs, dataset.outputs, dataset.batch_size)
    require(
        all(isinstance(size, int) and size > 0 for size in sizes),
        f"inputs, outputs and batch_size must be whole numbers above 0, not {sizes}",
    )
    for seed in SEEDS:
        for name in ("train", "test"):
            split = dataset.split(name, seed)
            check_split(dataset, name, split)
            require(same(split, again.split(name, seed)), f"split({name!r}, {seed}) differs from object to object")
        if not isinstance(dataset, Stream):
            check_order(dataset, again, seed)
        check_apart(dataset, seed)
    if isinstance(dataset, Stream):
        check_stream(dataset, again)
    check_identity(dataset, again)
    with refusals_fail():
        look_at_dataset(component, dataset, SEEDS[0])
    require(unknown_is_refused(dataset), "a split that there is not must be refused with a ValueError")


def check_split(dataset: Dataset | Stream, name: str, split: Split) -> None:
    """Shapes and types: x (n, *inputs) float32 or tokens int64, y (n,) int64 labels or (n, *targets) float32."""
    x, y = split.x, split.y
    known = x.dtype in (np.float32, np.int64)
    require(known, f"the {name} split has x of type {x.dtype}, not float32, or int64 if they are tokens")
    fits = x.shape[1:] == dataset.inputs or (isinstance(dataset, Stream) and name != "train")  # may be of other sizes
    require(fits, f"the {name} split has examples of shape {x.shape[1:]}, not inputs")
    require(len(x) == len(y) > 0, f"the {name} split has {len(x)} examples and {len(y)} targets")
    faults = list(split_faults(name, x, y, dataset.outputs))
    require(not faults, "; ".join(faults))
    if y.dtype == np.float32:
        return
    labelled = y.dtype == np.int64 and are_labels(y)
    require(labelled, f"the {name} split has y {y.shape} of type {y.dtype}, not labels (n,) int64 or targets float32")


def check_order(dataset: Dataset, again: Dataset, seed: int) -> None:
    """Indices depend on (seed, step) alone."""
    whole, batch = dataset.indices(seed, 0, 9), dataset.batch_size
    size = len(dataset.split("train", seed))
    require(whole.shape == (9, batch), f"indices(seed, 0, 9) has shape {whole.shape}, not (9, batch_size {batch})")
    require(whole.dtype == np.int64, f"indices are of type {whole.dtype}, not int64")
    require(whole.min() >= 0 and whole.max() < size, f"indices from {whole.min()} to {whole.max()} of {size} examples")
    for start, stop in ((0, 0), (0, 1), (3, 9), (8, 9)):
        part = again.indices(seed, start, stop)
        at = f"indices(seed, {start}, {stop})"
        require(np.array_equal(part, whole[start:stop]), f"{at} depends on where the call starts, or on earlier calls")


def check_stream(dataset: Stream, again: Stream) -> None:
    """Batches depend on (seed, step) alone: not on the call, the company or the object."""
    train = dataset.split("train", SEEDS[0])
    whole = dataset.batches(SEEDS, 0, 9)
    for name, made, split in zip("xy", whole, (train.x, train.y), strict=True):
        wanted = (9, len(SEEDS), dataset.batch_size, *split.shape[1:])
        require(made.shape == wanted, f"batches(seeds, 0, 9) has {name} of shape {made.shape}, not {wanted}")
        differ = not np.array_equal(made[:, 0], made[:, 1]) and not np.array_equal(made[0], made[1])
        require(differ or name == "y", "two seeds or two steps see the same batch")
    for member, start, stop in ((0, 0, 1), (1, 3, 9), (0, 8, 9)):
        part = again.batches(SEEDS[member : member + 1], start, stop)
        equal = all(np.array_equal(own[:, 0], made[start:stop, member]) for own, made in zip(part, whole, strict=True))
        require(equal, f"batches(seed, {start}, {stop}) depend on the call, on the company or on earlier calls")


def check_apart(dataset: Dataset | Stream, seed: int) -> None:
    """No example is in two splits of one member, unless the class says in its docstring that they overlap."""
    seen: dict[bytes, str] = {}
    for name, split in splits(dataset, seed).items():
        examples = {row.tobytes() for row in np.ascontiguousarray(split.x)}
        shared = [seen[row] for row in examples if row in seen]
        where = f"{len(shared)} examples of the {name} split are in the {shared[0] if shared else ''} split"
        documented = "overlap" in (type(dataset).__doc__ or "")
        require(not shared or documented, f"{where} too; if that is meant, its docstring says that they overlap")
        seen |= dict.fromkeys(examples, name)


def splits(dataset: Dataset | Stream, seed: int) -> dict[str, Split]:
    """The splits of one member that there are; validation may be missing."""
    found = {name: dataset.split(name, seed) for name in ("train", "test")}
    try:
        found["validation"] = dataset.split("validation", seed)
    except ValueError:
        return found
    return found


def check_identity(dataset: Dataset | Stream, again: Dataset | Stream) -> None:
    """Members with equal identities share their data."""
    first, second = (dataset.identity(seed) for seed in SEEDS)
    require(isinstance(first, int), f"identity(seed) is {first!r}, not a whole number")
    require(first == again.identity(SEEDS[0]), "identity(seed) differs from object to object")
    if first == second:
        for name in ("train", "test"):
            own, other = (dataset.split(name, seed) for seed in SEEDS)
            require(same(own, other), f"two seeds have one identity, but their {name} splits differ")


def unknown_is_refused(dataset: Any) -> bool:
    """Whether a split of no known name raises a ValueError."""
    try:
        dataset.split("no such split", SEEDS[0])
    except ValueError:
        return True
    return False


def same(one: Split, other: Split) -> bool:
    """Whether two splits have the same bits."""
    return np.array_equal(one.x, other.x) and np.array_equal(one.y, other.y)
