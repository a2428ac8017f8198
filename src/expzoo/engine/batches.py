"""Which batches a step sees, and the mean over them where there are several: batches that grow during training.

A batch of k times the size is k batches of the dataset, one after the other through one program, so
shapes never change and every epoch still sees each example as often. Batch normalisation is that of
each part by itself, as in Goyal et al. (2017), section 3.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from expzoo.spec.contracts import Schedule


class Batches:
    """The batches of each step: one, or as many as a schedule says that the step takes the mean over."""

    def __init__(self, schedule: Schedule, steps: int) -> None:
        """For a training of so many steps, and the look after its last one."""
        self._edges: list[int] | None = None
        if count := schedule.batches:
            self._edges = list(itertools.accumulate((count(step, steps) for step in range(steps + 1)), initial=0))

    def of(self, start: int, stop: int) -> range:
        """The numbers of the batches of steps start..stop-1."""
        return range(self._edges[start], self._edges[stop]) if self._edges else range(start, stop)


def mean_over(batches: range, run: Callable[[int], None], results: Sequence[Tensor]) -> None:
    """Run each batch, and leave in `results`, which every run writes anew, their means over all of them."""
    first, *others = batches
    run(first)
    if not others:
        return
    sums = [result.clone() for result in results]
    for batch in others:
        run(batch)
        for total, result in zip(sums, results, strict=True):
            total.add_(result)
    for total, result in zip(sums, results, strict=True):
        result.copy_(total.div_(len(batches)))
