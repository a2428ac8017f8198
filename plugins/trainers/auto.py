"""Whatever there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from expzoo.plugin import register

if TYPE_CHECKING:
    from expzoo.plugin import Lab


@register
class Auto:
    """One process, on the best device there is; where there are several CUDA devices, one process for each.

    Args:
        accelerator: the kind of device; auto is CUDA where there is any.
    """

    CACHE_VERSION = 1

    def __init__(self, *, accelerator: Literal["auto", "cpu", "cuda"] = "auto") -> None:
        self.accelerator = accelerator

    def open(self, root: Path) -> Lab:
        """A lab on the store at `root`; BadInput if there is no such device."""
        from expzoo.plugin import find_accelerator, open_populations

        return open_populations(root, self.accelerator, None if find_accelerator(self.accelerator) == "cuda" else 1)
