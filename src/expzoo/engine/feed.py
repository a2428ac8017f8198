"""What members are fed: the batches of each step, functions of counters, in static buffers."""

from __future__ import annotations

import itertools
from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeGuard

import torch

if TYPE_CHECKING:
    import numpy as np
    from jaxtyping import Shaped
    from torch import Tensor

    from expzoo.spec.contracts import Dataset, Redrawing, Split, Stream

BLOCK_BYTES = 2**21  # of a stream's examples made at a time: many steps share a call, and what they see stays in cache


class Feed(Protocol):
    """Brings the batches start..stop-1 for all members; of a step there is one, unless `Batches` says otherwise.

    `batch_last` says that the examples of a batch are to lie innermost in memory.
    """

    batch_last: bool

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one member's batch x and y."""
        ...

    def types(self) -> tuple[torch.dtype, torch.dtype]:
        """The types of x and y."""
        ...

    def prepare(self, start: int, stop: int) -> None:
        """Get ready for these steps."""
        ...

    def load(self, step: int, x: Shaped[Tensor, "members batch ..."], y: Shaped[Tensor, "members batch ..."]) -> None:
        """Write the batch of this step into x and y."""
        ...


class IndexFeed:
    """Batches of finite datasets by index. Members with the same data share one copy of it; sizes may differ."""

    batch_last = False

    def __init__(
        self,
        datasets: Sequence[Dataset],
        seeds: Sequence[int],
        owners: Sequence[Hashable],
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        """One dataset, seed and data owner for each member: equal owners have equal training splits.

        Data that are floating numbers are brought to `dtype`.
        """
        self._datasets, self._seeds = list(datasets), list(seeds)
        splits = {owner: self.examples(d, s) for d, s, owner in zip(datasets, seeds, owners, strict=True)}
        parts = [(split.x, split.y) for split in splits.values()]
        starts = itertools.accumulate(map(len, splits.values()), initial=0)
        start_of = dict(zip(splits, starts, strict=False))
        self._offsets = torch.tensor([start_of[owner] for owner in owners])
        x, y = (torch.cat(list(map(torch.tensor, part))).to(device) for part in zip(*parts, strict=True))
        self._x, self._y = (data.to(dtype) if data.is_floating_point() else data for data in (x, y))
        self._batch = datasets[0].batch_size
        self._start, self._indices = 0, torch.empty(0)

    def examples(self, dataset: Dataset, seed: int) -> Split:
        """What batches are looked up in."""
        return dataset.split("train", seed)

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one member's batch."""
        return (self._batch, *self._x.shape[1:]), (self._batch, *self._y.shape[1:])

    def types(self) -> tuple[torch.dtype, torch.dtype]:
        """The types of x and y."""
        return self._x.dtype, self._y.dtype

    def prepare(self, start: int, stop: int) -> None:
        """Look up which examples each member sees: (steps, members * batch)."""
        own = [
            torch.as_tensor(dataset.indices(seed, start, stop)) + offset
            for dataset, seed, offset in zip(self._datasets, self._seeds, self._offsets, strict=True)
        ]
        self._start, self._indices = start, torch.stack(own, 1).flatten(1).to(self._x.device)

    def load(self, step: int, x: Shaped[Tensor, "members batch ..."], y: Shaped[Tensor, "members batch ..."]) -> None:
        """Gather the examples of this step; idle rows get the first member's."""
        indices = self._indices[step - self._start]
        if idle := len(x) - len(self._seeds):
            indices = torch.cat([indices, indices[: self._batch].repeat(idle)])
        if x.dim() == 5 and x[0].is_contiguous(memory_format=torch.channels_last):
            self._x = self._x.contiguous(memory_format=torch.channels_last)  # so that an image is one run
        torch.index_select(self._x, 0, indices, out=x.flatten(0, 1))
        torch.index_select(self._y, 0, indices, out=y.flatten(0, 1))


class StreamFeed:
    """Batches of one endless dataset, made for all members at once, some steps ahead."""

    def __init__(self, stream: Stream, seeds: Sequence[int], dtype: torch.dtype = torch.float32) -> None:
        """All numbers are brought to `dtype` but those of type int64, which are labels or tokens."""
        self._stream, self._seeds, self.batch_last = stream, list(seeds), stream.batch_last
        x, y = stream.batches(seeds[:1], 0, 1)
        self._shapes = x.shape[2:], y.shape[2:]
        x_type, y_type = (torch.int64 if made.dtype == "int64" else dtype for made in (x, y))
        self._types = x_type, y_type
        self._ahead = max(BLOCK_BYTES // (len(seeds) * max(x.nbytes, y.nbytes)), 1)
        self._start, self._stop, self._last = 0, 0, 0
        self._block: tuple[np.ndarray, np.ndarray] = x, y

    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The shapes of one member's batch."""
        return self._shapes

    def types(self) -> tuple[torch.dtype, torch.dtype]:
        """The types of x and y."""
        return self._types

    def prepare(self, start: int, stop: int) -> None:
        """Nothing beyond `stop` is made."""
        self._last = stop

    def load(self, step: int, x: Shaped[Tensor, "members batch ..."], y: Shaped[Tensor, "members batch ..."]) -> None:
        """Copy the batch of this step; idle rows get the first member's."""
        if not self._start <= step < self._stop:
            self._start, self._stop = step, max(min(step + self._ahead, self._last), step + 1)
            self._block = self._stream.batches(self._seeds, self._start, self._stop)
        for target, made in zip((x, y), self._block, strict=True):
            batch = torch.from_numpy(made[step - self._start])
            target[: len(batch)].copy_(batch)
            target[len(batch) :].copy_(target[:1].expand_as(target[len(batch) :]))


def feed(
    datasets: Sequence[Dataset],
    seeds: Sequence[int],
    owners: Sequence[Hashable],
    dtype: torch.dtype = torch.float32,
    device: torch.device | None = None,
) -> IndexFeed:
    """The feed of these members, each with its dataset and seed; the rest as `IndexFeed` takes it."""
    kind = RedrawingFeed if any(map(_redraws, datasets)) else IndexFeed
    return kind(datasets, seeds, owners, dtype, device)


def _redraws(dataset: Dataset) -> TypeGuard[Redrawing]:
    return dataset.redraws


class RedrawingFeed(IndexFeed):
    """Looks up examples of a dataset's source and lets the dataset redraw each member's batch, on the device.

    For members whose dataset has an attribute `redraws` that is true; `interfaces.Redrawing` says what it has.
    """

    def __init__(
        self,
        datasets: Sequence[Dataset],
        seeds: Sequence[int],
        owners: Sequence[Hashable],
        dtype: torch.dtype = torch.float32,
        device: torch.device | None = None,
    ) -> None:
        self._members = list(zip(datasets, seeds, strict=True))
        super().__init__(datasets, seeds, owners, dtype, device)

    def examples(self, dataset: Dataset, seed: int) -> Split:
        """What is looked up: the examples before they are redrawn."""
        return dataset.source(seed) if _redraws(dataset) else super().examples(dataset, seed)

    def load(self, step: int, x: Shaped[Tensor, "members batch ..."], y: Shaped[Tensor, "members batch ..."]) -> None:
        """Write the batch of this step, each member's redrawn by its own counters."""
        super().load(step, x, y)
        chosen = self._indices[step - self._start].view(len(self._members), -1).cpu()
        for index, (dataset, seed) in enumerate(self._members):
            if _redraws(dataset):
                indices = (chosen[index] - self._offsets[index]).numpy()
                x[index].copy_(dataset.redrawn(x[index], indices, seed, step))
        x[len(chosen) :].copy_(x[:1].expand_as(x[len(chosen) :]))  # idle rows
