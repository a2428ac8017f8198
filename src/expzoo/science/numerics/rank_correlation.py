"""Rank correlations, also of what is left once other variables are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Real


LEAST = 1e-9  # of the residuals' squared lengths, in units of the number of values: less is rounding


def spearman(x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"]) -> float:
    """Spearman's rank correlation, ties at their mean rank; NaN if either does not vary."""
    return partial_spearman(x, y, np.empty((len(x), 0)))


def partial_spearman(x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"], given: Real[np.ndarray, "n k"]) -> float:
    """Spearman's rank correlation of x and y given other variables: that of the residuals of their ranks.

    Kendall 1942, "Partial rank correlation"; Conover 1999, "Practical nonparametric statistics",
    section 5.4. NaN if nothing is left to vary.
    """
    a, b = residuals(x, y, given)
    scale = np.sqrt((a @ a) * (b @ b))
    return float(a @ b / scale) if scale > LEAST * len(x) else float("nan")


def residuals(
    x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"], given: Real[np.ndarray, "n k"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """The ranks of x and of y minus their least-squares fits by the ranks of the others."""
    from scipy.stats import rankdata

    known = np.column_stack([np.ones(len(x)), *(rankdata(column) for column in np.asarray(given).T)])

    def rest(values: np.ndarray) -> np.ndarray:
        ranks = rankdata(values)
        return ranks - known @ np.linalg.lstsq(known, ranks, rcond=None)[0]

    return rest(x), rest(y)
