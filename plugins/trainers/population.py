"""Rows over processes or devices."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from expzoo.plugin import Count, register

if TYPE_CHECKING:
    from expzoo.plugin import Lab


@register
class Population:
    """Several processes, each on its own device and training its own rows; nothing is synchronised, equal bits.

    They live as long as the command, and one that is lost costs no more than what it did since it last kept its rows.

    Args:
        processes: how many; null is one for each CUDA device, or for each processor.
        accelerator: the kind of device; auto is CUDA where there is any.
    """

    CACHE_VERSION = 1

    def __init__(self, *, processes: Count | None = None, accelerator: Literal["auto", "cpu", "cuda"] = "auto") -> None:
        self.processes, self.accelerator = processes, accelerator

    def open(self, root: Path) -> Lab:
        """A lab on the store at `root` with its processes; BadInput if there are not so many devices."""
        from expzoo.plugin import open_populations

        return open_populations(root, self.accelerator, self.processes)
