"""Whatever there is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal

from expzoo.plugin import Natural, register

if TYPE_CHECKING:
    from expzoo.plugin import Lab


@register
class Auto:
    """A process for each CUDA device or processor; on processors, more than one once training turns out to be long.

    Equal bits, however many they are. Further processes start after two seconds of training if a quarter of a minute
    or more is left.

    Args:
        accelerator: the kind of device; auto is CUDA where there is any.
        spare: processors that are left to others.
    """

    CACHE_VERSION = 1
    ADDED = ("spare",)

    def __init__(self, *, accelerator: Literal["auto", "cpu", "cuda"] = "auto", spare: Natural = 0) -> None:
        self.accelerator, self.spare = accelerator, spare

    def open(self, root: Path) -> Lab:
        """A lab on the store at `root`; BadInput if there is no such device."""
        from expzoo.plugin import open_as_needed

        return open_as_needed(root, self.accelerator, self.spare)
