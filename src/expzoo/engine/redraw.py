"""Batches that are not only looked up but made anew at each step: augmented, or drawn again in every epoch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from expzoo.engine.feed import IndexFeed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor


def feed(datasets: Sequence[Any], seeds: Sequence[int], *rest: Any) -> IndexFeed:
    """The feed of these members, each with its dataset and seed; `rest` as `IndexFeed` takes it."""
    kind = RedrawingFeed if any(map(_redraws, datasets)) else IndexFeed
    return kind(datasets, seeds, *rest)


def _redraws(dataset: Any) -> bool:
    return getattr(dataset, "redraws", False)


class RedrawingFeed(IndexFeed):
    """Looks up examples of a dataset's source and lets the dataset redraw each member's batch, on the device.

    For members whose dataset has an attribute `redraws` that is true; `interfaces.Redrawing` says what it has.
    """

    def __init__(self, datasets: Sequence[Any], seeds: Sequence[int], *rest: Any) -> None:
        self._members = list(zip(datasets, seeds, strict=True))
        super().__init__(datasets, seeds, *rest)

    def examples(self, dataset: Any, seed: int) -> Any:
        """What is looked up: the examples before they are redrawn."""
        return dataset.source(seed) if _redraws(dataset) else super().examples(dataset, seed)

    def load(self, step: int, x: Tensor, y: Tensor) -> None:
        """Write the batch of this step, each member's redrawn by its own counters."""
        super().load(step, x, y)
        places = self._indices[step - self._start].view(len(self._members), -1).cpu()
        for place, (dataset, seed) in enumerate(self._members):
            if _redraws(dataset):
                indices = (places[place] - self._offsets[place]).numpy()
                x[place].copy_(dataset.redrawn(x[place], indices, seed, step))
        if len(x) > len(places):  # a lone member's twin
            x[1].copy_(x[0])
