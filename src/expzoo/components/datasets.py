"""What finite datasets share: sizes of splits, order of examples, label noise, views of positions, checks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from expzoo.spec.contracts import Split
from expzoo.system.cache import Recent
from expzoo.system.errors import first_line, nearest
from expzoo.system.machine import memory
from expzoo.system.randomness import integers, permutation, uniforms

MOST_EXAMPLES = 1_000_000
"""That a dataset makes for one split: some seconds, and with what is made on the way some GiB."""

SPLITS = ("train", "validation", "test", "fresh")


def refuse(faults: Iterable[str]) -> None:
    """ValueError with every fault on one line, if there is one."""
    if found := list(faults):
        raise ValueError("; ".join(found))


def refuse_unknown(what: str, value: str, known: tuple[str, ...]) -> None:
    """ValueError with the nearest valid name if `value` is not among the known ones."""
    if value not in known:
        raise ValueError(f"there is no {what} {value!r}: {nearest(value, known)}")


def frozen_split(x: np.ndarray, y: np.ndarray, *, tokens: bool = False) -> Split:
    """A split that members can share: contiguous arrays that refuse to be written to.

    x is kept as float32, of `tokens` as int64; y is int64.
    """
    kept = np.int64 if tokens else np.float32
    split = Split(np.ascontiguousarray(x, kept).view(), np.ascontiguousarray(y, np.int64).view())
    split.x.flags.writeable = split.y.flags.writeable = False
    return split


def training_sizes(share: int, train_size: int | None, validation_size: int) -> tuple[int, int]:
    """The number of training examples and of the pool they come from, given a dataset's own training share.

    Training takes the first examples of the pool and validation its last `validation_size`; the
    pool is longer than the share only if both do not fit. A `train_size` of None means all that
    validation leaves.
    """
    size = share - validation_size if train_size is None else train_size
    return size, max(share, size + validation_size)


def training_faults(
    share: int, train_size: int | None, validation_size: int, order: str, batch_size: int
) -> Iterator[str]:
    """What is wrong with these sizes, given a dataset's own training share."""
    size, _ = training_sizes(share, train_size, validation_size)
    if size < 1:
        yield f"validation_size {validation_size} leaves none of the {share} training examples"
    elif order != "full" and batch_size > size:
        yield f"batch_size {batch_size} is more than the {size} training examples"


def memory_faults(examples: int, inputs: int) -> Iterator[str]:
    """What is wrong with making so many examples of so many numbers: they have to fit into memory, and into a wait."""
    needed, there = 4 * examples * inputs, memory()
    if needed > there:
        told = f"{examples:,} examples of {inputs} numbers take {needed / 2**30:,.0f} GiB"
        yield f"{told}, and this machine has {there / 2**30:,.0f} GiB"
    elif examples > MOST_EXAMPLES:
        yield f"{examples:,} examples are more than are made of one kind: at most {MOST_EXAMPLES:,}"


def batches(order: str, seed: int, start: int, stop: int, batch_size: int, size: int) -> np.ndarray:
    """Which of `size` training examples steps start..stop-1 see: shape (stop - start, batch_size), int64.

    The batches cut an endless stream of epochs, so that `size` need not be a multiple of
    `batch_size`: `shuffled` epochs are independent permutations, `fixed` ones are all 0..size-1;
    `full` is the whole set at every step (and batch_size is `size`). A row depends on (seed, step)
    only, not on where the call starts.
    """
    if not 0 <= start <= stop:
        raise ValueError(f"steps {start} to {stop} are no range of steps")
    refuse_unknown("order", order, ("shuffled", "fixed", "full"))
    if order == "full":
        return np.tile(np.arange(size), (stop - start, 1))
    span = (start * batch_size, stop * batch_size)
    stream = shuffled_epochs(seed, *span, size) if order == "shuffled" else np.arange(*span) % size
    return stream.reshape(stop - start, batch_size)


def shuffled_epochs(seed: int, start: int, stop: int, size: int) -> np.ndarray:
    """Positions start..stop-1 of the endless stream of permutations of range(size): shape (stop - start,), int64."""
    first, last = start // size, -(-stop // size)
    epochs = [_epoch(seed, epoch, size) for epoch in range(first, last)]
    return np.concatenate([np.empty(0, np.int64), *epochs])[start - first * size : stop - first * size]


_EPOCHS: Recent[tuple[int, int, int], np.ndarray] = Recent(128)  # two for each member of the largest population
LARGEST_KEPT = 2**15  # examples of an epoch: 32 MiB for all that are kept


def _epoch(seed: int, epoch: int, size: int) -> np.ndarray:
    """One permutation. Blocks of steps end within epochs, and members of one seed see the same: small ones are kept."""
    if size > LARGEST_KEPT:
        return permutation(seed, "order", epoch, size)
    return _EPOCHS.get((seed, epoch, size), lambda: permutation(seed, "order", epoch, size))


class Arrays:
    """A base for datasets that fit into memory: every member sees the same splits, in shuffled epochs of its own.

    A plugin's constructor makes its arrays and hands them over, `super().__init__(batch_size,
    train=(x, y), ...)`: of each split x (n, *inputs), kept as float32, and y (n,), labels from 0;
    arrays of NumPy, tensors of torch or lists. There are as many outputs as labels. With `tokens`,
    x are whole numbers and stay so, for models that begin with an nn.Embedding.
    """

    def __init__(self, batch_size: int, *, tokens: bool = False, **splits: tuple[Any, Any]) -> None:
        """ValueError if there is no train or test split, if shapes or labels do not fit, or if no batch is full."""
        refuse(f"a dataset needs a {name} split" for name in ("train", "test") if name not in splits)
        arrays = {name: _arrays(name, split) for name, split in splits.items()}
        first = arrays["train"][0]
        refuse(fault for name, (x, y) in arrays.items() for fault in _array_faults(name, x, y, first, tokens=tokens))
        self._splits = {name: frozen_split(x, y, tokens=tokens) for name, (x, y) in arrays.items()}
        size = len(self._splits["train"])
        refuse(training_faults(size, None, 0, "shuffled", batch_size))
        self.inputs = self._splits["train"].x.shape[1:]
        self.outputs = 1 + max(int(split.y.max()) for split in self._splits.values())
        self.batch_size = batch_size

    def identity(self, seed: int) -> int:
        """The same for all: there is one draw of the data."""
        return 0

    def split(self, name: str, seed: int) -> Split:
        """The split of this name; ValueError with the nearest name if there is none."""
        refuse_unknown("split", name, tuple(self._splits))
        return self._splits[name]

    def indices(self, seed: int, start: int, stop: int) -> np.ndarray:
        """Which training examples steps start..stop-1 see: shape (stop - start, batch_size), int64."""
        return batches("shuffled", seed, start, stop, self.batch_size, len(self._splits["train"]))


def _arrays(name: str, split: Any) -> tuple[np.ndarray, np.ndarray]:
    """The x and y of a split as arrays of numbers; ValueError if they are none."""
    if not isinstance(split, tuple | list) or len(split) != 2:
        raise ValueError(f"{name} is of type {type(split).__name__}, not (x, y), the examples and their labels")
    return _array(f"{name}: x", split[0]), _array(f"{name}: y", split[1])


def _array(what: str, value: Any) -> np.ndarray:
    """Numbers as an array, those of a tensor too, wherever it lies and whatever was computed of it."""
    if hasattr(value, "detach"):
        value = value.detach().cpu()
        value = value.float() if value.is_floating_point() else value  # NumPy has no bfloat16
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, RuntimeError) as error:
        told = f"{what} is a {type(value).__name__} that NumPy makes no array of"
        raise ValueError(f"{told}: {first_line(error)}") from error
    if array.dtype.kind not in "buif":
        raise ValueError(f"{what} is a {type(value).__name__} of type {array.dtype}, not numbers")
    return array


def _array_faults(name: str, x: np.ndarray, y: np.ndarray, train: np.ndarray, *, tokens: bool) -> Iterator[str]:
    """Why these cannot be the examples and labels of a split."""
    refuse_unknown("split", name, SPLITS)
    if x.ndim < 2 or x.shape[1:] != train.shape[1:] or len(x) != len(y) or not len(x):
        yield f"{name}: x of shape {x.shape} and y of shape {y.shape} are no examples of one shape with their labels"
    elif y.ndim != 1 or y.dtype.kind not in "iu" or y.min() < 0:
        yield f"{name}: y of shape {y.shape} and type {y.dtype} is not one label from 0 for each example"
    if tokens and (x.dtype.kind not in "iu" or (x.size and x.min() < 0)):
        yield f"{name}: x of type {x.dtype} are not tokens, whole numbers from 0"


def noisy_labels(y: np.ndarray, rate: float, classes: int, labels: str, seed: int) -> np.ndarray:
    """Labels of which each is replaced with probability `rate`, independently: shape (n,), int64.

    `other` draws uniformly from the wrong classes (Nakkiran et al. 2019, "Deep double descent"),
    `any` from all, so that only rate * (1 - 1 / classes) of them become wrong. More examples or a
    higher rate keep the noise there was.
    """
    refuse_unknown("noise_labels", labels, ("other", "any"))
    replaced = uniforms(seed, "label noise", 0, len(y)) < rate
    if labels == "any":
        drawn = integers(seed, "noisy label", 0, len(y), classes)
    else:
        drawn = (y + 1 + integers(seed, "noisy label", 0, len(y), classes - 1)) % classes
    return np.where(replaced, drawn, y)


def view_faults(view: str, length: int, chunk_size: int) -> Iterator[str]:
    """What is wrong with this view of `length` positions."""
    if view in ("shuffled", "chunk_shuffled") and length < 2:
        yield f"view {view} needs at least 2 positions, not {length}"
    elif view == "chunk_shuffled" and chunk_size >= length:
        yield f"chunk_size {chunk_size} leaves no two chunks of {length} positions: it must be less than {length}"


def view_positions(view: str, length: int, chunk_size: int, seed: int) -> np.ndarray:
    """Which position of the plain signal the view shows at each of its own: shape (length,), int64.

    `plain` shows them as they are, `flipped` backwards, `shuffled` in random order;
    `chunk_shuffled` puts whole chunks of `chunk_size` neighbours in random order (the last is
    shorter if chunk_size does not divide the length). A random order is never the plain one.
    """
    refuse_unknown("view", view, ("plain", "shuffled", "flipped", "chunk_shuffled"))
    refuse(view_faults(view, length, chunk_size))
    positions = np.arange(length)
    if view == "plain":
        return positions
    if view == "flipped":
        return positions[::-1].copy()
    chunks = np.split(positions, positions[chunk_size::chunk_size]) if view == "chunk_shuffled" else positions[:, None]
    order = _true_permutation(seed, f"view {view}", len(chunks))
    return np.concatenate([chunks[chunk] for chunk in order])


def pixel_positions(view: str, height: int, width: int, seed: int) -> np.ndarray:
    """Which pixel of the plain image, row by row, the view shows at each place: shape (height * width,), int64.

    As `view_positions`, but `flipped` exchanges left and right.
    """
    if view == "flipped":
        return np.arange(height * width).reshape(height, width)[:, ::-1].ravel()
    return view_positions(view, height * width, 1, seed)


def _true_permutation(seed: int, purpose: str, count: int) -> np.ndarray:
    """The first permutation of range(count) for this seed and purpose that is not the identity; count >= 2."""
    draw = 0
    while np.array_equal(order := permutation(seed, purpose, draw, count), np.arange(count)):
        draw += 1
    return order
