"""What is wrong with the examples and targets of a split, whoever made them: what would train to nothing in silence."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator

    from jaxtyping import Bool, Shaped

ROWS = 4096  # looked at together: their flags stay in a cache


def num_classes(outputs: int) -> int:
    """How many labels there are for so many outputs: one output alone is that of class 1 against class 0."""
    return max(outputs, 2)


def are_labels(y: Shaped[np.ndarray, "n ..."]) -> bool:
    """Whether these targets are class labels: one whole number for each example."""
    return y.ndim == 1 and y.dtype.kind in "iu"


def split_faults(
    name: str, x: Shaped[np.ndarray, "n ..."], y: Shaped[np.ndarray, "n ..."], outputs: int
) -> Iterator[str]:
    """Numbers that are not finite, labels out of range, and training labels that are all one class."""
    for what, values in (("x", x), ("y", y)):
        if values.dtype.kind == "f":
            yield from _not_finite(name, what, values)
    if not are_labels(y) or not len(y):
        return
    classes = num_classes(outputs)
    if len(outside := np.flatnonzero((y < 0) | (y >= classes))):
        first, told = outside[0], _told(len(outside), len(y), name)
        yield f"{told} a label outside 0..{classes - 1}, the first at index {first}: {y[first]}"
    elif name == "train" and len(y) > classes and (y == y[0]).all():
        yield f"all {len(y)} examples of the train split have label {y[0]}: there is nothing to tell apart"


def _not_finite(name: str, what: str, values: Shaped[np.ndarray, "n ..."]) -> Iterator[str]:
    """Which examples have NaN or infinities, if any."""
    parts = [_bad(values[start : start + ROWS]) for start in range(0, len(values), ROWS)]
    bad = np.flatnonzero(np.concatenate([np.empty(0, bool), *parts]))
    if len(bad):
        kind = "NaN" if np.isnan(values[bad]).any() else "infinity"
        yield f"{_told(len(bad), len(values), name)} {kind} in {what}, the first at index {bad[0]}"


def _bad(values: Shaped[np.ndarray, "n ..."]) -> Bool[np.ndarray, " n"]:
    return np.logical_not(np.isfinite(values.reshape(len(values), -1)).all(axis=1))


def _told(count: int, total: int, name: str) -> str:
    return f"{count} of {total} examples of the {name} split {'has' if count == 1 else 'have'}"
