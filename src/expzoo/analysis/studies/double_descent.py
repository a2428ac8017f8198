"""What is asked of a curve of error against size: a peak beside the interpolation threshold, and a second descent.

All rules are fixed before a network is trained. The threshold is read from the training error
alone, so that no test value chooses where it is looked for; a bootstrap over seeds repeats the
whole procedure, threshold and first minimum included, since both are found in the data. Functions
take one curve, or many along the first axes.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from expzoo.science.resampling import bca

if TYPE_CHECKING:
    from collections.abc import Callable

    from jaxtyping import Float, Int, Real

    from expzoo.science.claims import Estimator

    _Curves = Float[np.ndarray, "*curves sizes"]
    _Numbers = Float[np.ndarray, "*curves"]
    _Indices = Int[np.ndarray, "*curves"]

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

    def tail_contrast(self) -> Estimator:
        """The test value at the threshold, between the two sizes around it, minus the mean of the two largest."""
        return self._resampled(_over_tail)

    def first_contrast(self) -> Estimator:
        """The test value at the threshold minus the lowest at smaller sizes."""
        return self._resampled(_over_first)

    def prominence(self) -> Estimator:
        """The smaller of both contrasts: how far the peak stands out on both sides."""
        return self._resampled(lambda train, test: np.minimum(_over_tail(train, test), _over_first(train, test)))

    def peak_against_threshold(self, least: float) -> Estimator:
        """How many doublings of size the peak lies beyond the threshold.

        Where it does not stand out by `least` on both sides there is none to have a place, which
        counts as the whole range of sizes away.
        """
        logs = np.log2(self.sizes)

        def distance(train: _Curves, test: _Curves) -> _Numbers:
            low, crossing = window(train)[0], threshold(train)
            start = first_minimum(test, low)
            top = _beyond(test, start, -np.inf).max(-1)
            stands = top - np.maximum(test[..., -TAIL:].mean(-1), _at(test, start)) >= least
            apart = between(logs, peak(test, low)) - between(logs, crossing)
            return np.where(stands, apart, logs[-1] - logs[0])

        return self._resampled(distance)

    def _resampled(self, statistic: Callable[[_Curves, _Curves], _Numbers]) -> Estimator:
        """A statistic of the mean curves of training and test, with the bootstrap over seeds."""

        def of_means(chosen: Float[np.ndarray, "resamples seeds 2 sizes"]) -> _Numbers:
            return statistic(*np.moveaxis(chosen.mean(1), 1, 0))

        return partial(bca, np.stack([self.train, self.test], 1), of_means, draws=DRAWS, vectorized=True)


def window(train: _Curves) -> tuple[_Indices, _Indices]:
    """The indices of the last size that is not fitted and of the first that is, from training errors in %.

    If none or the first is fitted, the nearest two sizes.
    """
    fitted, last = train <= FITTED, train.shape[-1] - 1
    first = np.clip(np.where(fitted.any(-1), fitted.argmax(-1), last), 1, last)
    return first - 1, first


def threshold(train: _Curves) -> _Numbers:
    """The position, between those of the window, at which the training error crosses what counts as fitted."""
    low, high = window(train)
    above, below = _at(train, low), _at(train, high)
    crosses = (above > FITTED) & (below <= FITTED)
    share = (above - FITTED) / np.where(crosses, above - below, 1.0)
    return np.where(crosses, low + share, np.where(below > FITTED, high, low))


def between(values: _Curves, position: _Numbers | float) -> _Numbers:
    """The value at a position that need not be whole, by linear interpolation; one curve may have many positions."""
    place = np.asarray(position, np.float64)
    index = np.clip(np.floor(place).astype(np.int64), 0, values.shape[-1] - 2)
    curves = np.broadcast_to(values, (*place.shape, values.shape[-1]))
    left, right = _at(curves, index), _at(curves, index + 1)
    return left + (place - index) * (right - left)


def first_minimum(test: _Curves, low: _Indices | int) -> _Indices:
    """The index of the lowest test value at sizes below the threshold window, whose first index is `low`."""
    smaller = np.arange(test.shape[-1]) < np.maximum(low, 1)[..., None]
    return np.where(smaller, test, np.inf).argmin(-1)


def peak(test: _Curves, low: _Indices | int) -> _Numbers:
    """The position of the highest test value beyond the first minimum, by a parabola through it and its neighbours."""
    top = _beyond(test, first_minimum(test, low), -np.inf).argmax(-1)
    inner = np.clip(top, 1, test.shape[-1] - 2)
    left, middle, right = (_at(test, inner + step) for step in (-1, 0, 1))
    bend = left - 2 * middle + right
    bent = (inner == top) & (bend < 0)
    return top + np.where(bent, (left - right) / np.where(bent, bend, 1.0) / 2, 0.0)


def _at(curves: _Curves, index: _Indices) -> _Numbers:
    """Of each curve the value at its index."""
    return np.take_along_axis(curves, np.asarray(index)[..., None], -1)[..., 0]


def _beyond(test: _Curves, start: _Indices, instead: float) -> _Curves:
    """The curves from their starts on, and before that something instead."""
    return np.where(np.arange(test.shape[-1]) >= np.asarray(start)[..., None], test, instead)


def _over_tail(train: _Curves, test: _Curves) -> _Numbers:
    return between(test, threshold(train)) - test[..., -TAIL:].mean(-1)


def _over_first(train: _Curves, test: _Curves) -> _Numbers:
    return between(test, threshold(train)) - _at(test, first_minimum(test, window(train)[0]))
