"""What is asked of a curve of error against size: a peak beside the interpolation threshold, and a second descent.

All rules are fixed before a network is trained. The threshold is read from the training error
alone, so that no test value chooses where it is looked for; a bootstrap over seeds repeats the
whole procedure, threshold and first minimum included, since both are found in the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from expzoo.science.resampling import bca

if TYPE_CHECKING:
    from jaxtyping import Float, Real

    from expzoo.science.claims import Estimator

FITTED = 10.0  # % of training error: the epsilon of the effective model complexity (Nakkiran et al. 2019, section 3)
DRAWS = 3999  # of the bootstrap: each repeats the search for threshold and minimum
TAIL = 2  # how many of the largest sizes are the far end


@dataclass(frozen=True)
class Curves:
    """Values over seeds and sizes in increasing order.

    `dropped` counts the seeds that are missing because one of their networks diverged.
    """

    sizes: Real[np.ndarray, " sizes"]
    train: Float[np.ndarray, "seeds sizes"]
    test: Float[np.ndarray, "seeds sizes"]
    dropped: int = 0

    def stacked(self) -> Float[np.ndarray, "seeds 2 sizes"]:
        """What a bootstrap over seeds resamples."""
        return np.stack([self.train, self.test], 1)

    def tail_contrast(self) -> Estimator:
        """The test value at the threshold, between the two sizes around it, minus the mean of the two largest."""
        return partial(bca, self.stacked(), _over_tail, draws=DRAWS)

    def first_contrast(self) -> Estimator:
        """The test value at the threshold minus the lowest at smaller sizes."""
        return partial(bca, self.stacked(), _over_first, draws=DRAWS)

    def prominence(self) -> Estimator:
        """The smaller of both contrasts: how far the peak stands out on both sides."""
        return partial(bca, self.stacked(), lambda chosen: min(_over_tail(chosen), _over_first(chosen)), draws=DRAWS)

    def peak_against_threshold(self, least: float) -> Estimator:
        """How many doublings of size the peak lies beyond the threshold.

        Where it does not stand out by `least` on both sides there is none to have a place, which
        counts as the whole range of sizes away.
        """
        logs = np.log2(self.sizes)

        def distance(chosen: Float[np.ndarray, "seeds 2 sizes"]) -> float:
            train, test = chosen.mean(0)
            crossing = threshold(train)
            start = first_minimum(test, window(train)[0])
            if test[start:].max() - max(test[-TAIL:].mean(), test[start]) < least:
                return float(logs[-1] - logs[0])
            return between(logs, peak(test, window(train)[0])) - between(logs, crossing)

        return partial(bca, self.stacked(), distance, draws=DRAWS)


def window(train: Float[np.ndarray, " sizes"]) -> tuple[int, int]:
    """The indices of the last size that is not fitted and of the first that is, from training errors in %.

    If none or the first is fitted, the nearest two sizes.
    """
    fitted = np.flatnonzero(train <= FITTED)
    first = int(fitted[0]) if len(fitted) else len(train) - 1
    first = min(max(first, 1), len(train) - 1)
    return first - 1, first


def threshold(train: Float[np.ndarray, " sizes"]) -> float:
    """The position, between those of the window, at which the training error crosses what counts as fitted."""
    low, high = window(train)
    if not train[low] > FITTED >= train[high]:
        return float(high if train[high] > FITTED else low)
    return low + float((train[low] - FITTED) / (train[low] - train[high]))


def between(values: Float[np.ndarray, " sizes"], position: float) -> float:
    """The value at a position that need not be whole, by linear interpolation."""
    return float(np.interp(position, np.arange(len(values)), values))


def first_minimum(test: Float[np.ndarray, " sizes"], low: int) -> int:
    """The index of the lowest test value at sizes below the threshold window, whose first index is `low`."""
    return int(np.argmin(test[: max(low, 1)]))


def peak(test: Float[np.ndarray, " sizes"], low: int) -> float:
    """The position of the highest test value beyond the first minimum, by a parabola through it and its neighbours."""
    start = first_minimum(test, low)
    top = start + int(np.argmax(test[start:]))
    if not 0 < top < len(test) - 1:
        return float(top)
    left, middle, right = test[top - 1 : top + 2]
    bend = left - 2 * middle + right
    return top + (float((left - right) / bend / 2) if bend < 0 else 0.0)


def _over_tail(chosen: Float[np.ndarray, "seeds 2 sizes"]) -> float:
    train, test = chosen.mean(0)
    return between(test, threshold(train)) - float(test[-TAIL:].mean())


def _over_first(chosen: Float[np.ndarray, "seeds 2 sizes"]) -> float:
    train, test = chosen.mean(0)
    return between(test, threshold(train)) - float(test[first_minimum(test, window(train)[0])])
