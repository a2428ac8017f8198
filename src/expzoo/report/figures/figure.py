"""A figure: one picture and the numbers it shows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.figure import Figure as MatplotlibFigure


@dataclass(frozen=True)
class Figure:
    """One picture and the numbers it shows; beside it there may be a moving one, the bytes of an animated GIF."""

    name: str
    title: str
    caption: str
    figure: MatplotlibFigure
    data: pl.DataFrame
    animation: bytes = field(default=b"", repr=False)
