"""The tail index of a symmetric stable distribution, by how the logarithm grows when numbers are added up.

Mohammadi, Mohammadpour & Ogata 2015, "On estimating the tail index and the spectral measure of
multivariate alpha-stable distributions", corollary 2.4: the sum of m independent numbers is as
large as one of them times m^(1 / alpha), so 1 / alpha is the mean log of sums less that of single
numbers, by log m. The index is 2 for normal numbers, smaller for heavier tails.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float

ROUNDING = 1e-12  # relative to a column's largest number: what is smaller is zero
TINY = float(np.spacing(1.0))  # added to sizes before the logarithm by the program of Simsekli et al.


def inverse_index(x: Float[np.ndarray, "n ..."], added: int, *, tiny: float = 0.0) -> Float[np.ndarray, ...]:
    """1 / alpha of each column by itself, from sums of `added` rows that follow each other; `added` divides n.

    ValueError if it does not, or adds up nothing. A column with a zero, of numbers or of sums, has no logarithm
    there unless `tiny` is added.
    """
    if added < 2 or len(x) % added:
        raise ValueError(f"sums of {added} numbers do not divide {len(x)} numbers: give a divisor of at least 2")
    sums = x.reshape(len(x) // added, added, *x.shape[1:]).sum(1)
    grown = np.log(np.abs(sums) + tiny).mean(0) - np.log(np.abs(x) + tiny).mean(0)
    return grown / math.log(added)


def by_column(x: Float[np.ndarray, "n columns"], added: int) -> float:
    """The index that all columns share: the mean of 1 / alpha over them, inverted.

    Columns of which a number or a sum is zero, but for rounding, are left out; NaN if none is left.
    """
    sums = x.reshape(len(x) // added, added, -1).sum(1)
    least = ROUNDING * np.abs(x).max(0)
    kept = (np.abs(x).min(0) > least) & (np.abs(sums).min(0) > least)
    return float(1 / inverse_index(x[:, kept], added).mean()) if kept.any() else math.nan


def pooled(x: Float[np.ndarray, "n columns"]) -> float:
    """The index of all numbers as one sample, row by row, as Simsekli, Sagun & Gurbuzbalaban 2019 have it.

    It is that of single numbers only if all columns are as large: sums run over columns.
    """
    return float(1 / inverse_index(x.ravel(), largest_divisor(x.size), tiny=TINY))


def largest_divisor(count: int) -> int:
    """The largest divisor of a count that is at most its root; ValueError for a prime, which has none but 1."""
    found = next(d for d in range(math.isqrt(count), 0, -1) if count % d == 0)
    if found < 2:
        raise ValueError(f"{count} numbers cannot be cut into equal sums: they are a prime number")
    return found


def stable(
    alpha: float, angle: Float[np.ndarray, "*axes"], waited: Float[np.ndarray, "*axes"]
) -> Float[np.ndarray, "*axes"]:
    """Symmetric stable numbers from uniform angles in (-pi / 2, pi / 2) and exponential ones.

    Chambers, Mallows & Stuck 1976.
    """
    return (
        np.sin(alpha * angle)
        / np.cos(angle) ** (1 / alpha)
        * (np.cos((1 - alpha) * angle) / waited) ** ((1 - alpha) / alpha)
    )
