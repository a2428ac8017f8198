"""The smallest size that fits its training set, by a grid and bisection; and how it grows with other quantities."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass
class Search:
    """Which sizes were seen to fit one training set."""

    fits: dict[int, bool] = field(default_factory=dict)

    def bracket(self) -> tuple[int, int] | None:
        """The largest size below the smallest that fits, and that one; None if none fits or the very first does."""
        fitting = [size for size, fits in self.fits.items() if fits]
        smaller = [size for size in self.fits if fitting and size < min(fitting)]
        return (max(smaller), min(fitting)) if smaller else None

    def next(self) -> int | None:
        """The size to ask next: halfway between, on a logarithmic scale; None if there is nothing between."""
        if (ends := self.bracket()) is None:
            return None
        middle = round(float(np.sqrt(ends[0] * ends[1])))
        return middle if ends[0] < middle < ends[1] else None

    def threshold(self) -> int | None:
        """The smallest size that fits, None if the search found none or started too high to tell."""
        ends = self.bracket()
        return ends[1] if ends else None


def exponents(cells: Mapping[tuple[int, int], float]) -> tuple[float, float]:
    """(b, c) of log N = a + b log n + c log k by least squares over cells {(n, k): N}; NaN if N is missing anywhere."""
    sizes = np.array(list(cells), np.float64)
    design = np.column_stack([np.ones(len(cells)), np.log(sizes)])
    values = np.log(np.array(list(cells.values()), np.float64))
    if not np.isfinite(values).all() or np.linalg.matrix_rank(design) < 3:
        return float("nan"), float("nan")
    _, b, c = np.linalg.lstsq(design, values, rcond=None)[0]
    return float(b), float(c)
