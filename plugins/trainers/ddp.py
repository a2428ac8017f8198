"""One network's batch over processes or devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from expzoo.plugin import Range, register

if TYPE_CHECKING:
    from expzoo.plugin import Lab


@register
class Ddp:
    """Lightning's `ddp`: networks one by one, each batch shared by several processes, gradients averaged.

    For networks that are too slow for one device. Results equal those of one process within
    rounding, not in every bit, so they are kept as another machine class. No batch normalisation,
    dropout or parametrisation.

    Args:
        processes: how many; null is one for each CUDA device, or for each processor.
        accelerator: the kind of device; auto is CUDA where there is any.
    """

    CACHE_VERSION = 1

    def __init__(
        self,
        *,
        processes: Annotated[int, Range(2)] | None = None,
        accelerator: Literal["auto", "cpu", "cuda"] = "auto",
    ) -> None:
        self.processes, self.accelerator = processes, accelerator

    def open(self, root: Path) -> Lab:
        """A lab on the store at `root` with its processes; BadInput if there are not so many devices."""
        from expzoo.plugin import open_shared

        return open_shared(root, self.accelerator, "ddp", self.processes)
