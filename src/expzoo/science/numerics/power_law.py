"""Power laws c + b x^a and what else could have made such a curve, fitted by least squares.

Every law is linear in c and b once its exponent or rate is known, so a fit is a search over one
number: there is no starting point that could decide it. Many curves are fitted at once. Small
curves of few parameters always fit; only what lies outside the fitted range tells laws apart, which
is why `Law.__call__` extrapolates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, overload

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Bool, Float, Real

Form = Literal["power law", "exponential", "logarithm"]
Basis = Callable[[np.ndarray, float | np.ndarray], np.ndarray]

_BASES: dict[Form, tuple[Basis, tuple[float, float] | None]] = {
    "power law": (lambda x, a: x**a, (-8.0, -0.01)),
    "exponential": (lambda x, a: np.exp(a * x), (-8.0, -0.001)),
    "logarithm": (lambda x, a: np.log(x), None),
}
FORMS: tuple[Form, ...] = tuple(_BASES)
FEWEST = 4  # points that a law of three parameters is fitted to, so that the fit can be wrong
_GRID = 65
_ZOOMS = 5  # each 32 times finer


@dataclass(frozen=True)
class Law:
    """level + scale * basis(x; rate); `rate` is the exponent of a power law, 0 where there is none."""

    form: Form
    level: float
    scale: float
    rate: float

    @overload
    def __call__(self, x: Real[np.ndarray, "*axes"]) -> Float[np.ndarray, "*axes"]: ...

    @overload
    def __call__(self, x: float | np.number) -> np.float64: ...

    def __call__(self, x: Real[np.ndarray | np.number, "*axes"] | float) -> Float[np.ndarray | np.float64, "*axes"]:
        """The values at x."""
        basis, _ = _BASES[self.form]
        return self.level + self.scale * basis(np.asarray(x, np.float64), self.rate)


def fit(x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"], form: Form = "power law") -> Law:
    """The law of this form nearest to y at x > 0 in the sum of squares.

    Raises:
        ValueError: fewer points than parameters (3, or 2 of a logarithm), or a value that is not finite.
    """
    return Law(form, *(float(value[0]) for value in _fits(x, np.asarray(y, np.float64)[None], form)))


def foretold(
    x: Real[np.ndarray, " n"],
    y: Real[np.ndarray, "*curves n"],
    at: Real[np.ndarray, " points"],
    form: Form = "power law",
) -> Float[np.ndarray, "*curves points"]:
    """The values at these points of the law that is fitted to each curve; ValueError as `fit`."""
    level, scale, rate = (part[..., None] for part in _fits(x, y, form))
    return level + scale * _BASES[form][0](np.asarray(at, np.float64), rate)


def _fits(x: Real[np.ndarray, " n"], y: Real[np.ndarray, "*curves n"], form: Form) -> tuple[np.ndarray, ...]:
    """Level, scale and rate of the law of each curve."""
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    basis, bounds = _BASES[form]
    if len(x) != y.shape[-1] or len(x) < (3 if bounds else 2) or not (np.isfinite(y).all() and (x > 0).all()):
        raise ValueError(f"{len(x)} points x {x} and values {y} do not determine a {form}")

    flat = y.reshape(-1, len(x))
    rates = _best_rates(x, flat, basis, bounds) if bounds else np.zeros(len(flat))
    values = np.broadcast_to(basis(x, rates[:, None]), flat.shape)
    scales = _slopes(_centred(values[:, None]), _centred(flat))[:, 0]
    levels = flat.mean(1) - scales * values.mean(1)
    return tuple(part.reshape(y.shape[:-1]) for part in (levels, scales, rates))


def _best_rates(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, "curves n"], basis: Basis, bounds: tuple[float, float]
) -> Float[np.ndarray, " curves"]:
    """The rate of least error: the best of a grid of equal ratios, then of finer grids between its neighbours."""
    low, high = np.array(bounds)
    rates, every, centred_y = -np.geomspace(-low, -high, _GRID)[None], np.arange(len(y)), _centred(y)
    for _ in range(_ZOOMS):
        best = _errors(basis(x, rates[:, :, None]), centred_y).argmin(1)
        rows = every if len(rates) > 1 else 0
        low, high = rates[rows, np.maximum(best - 1, 0)], rates[rows, np.minimum(best + 1, _GRID - 1)]
        rates = np.linspace(low, high, _GRID, axis=1)
    return (low + high) / 2


def _centred(values: Float[np.ndarray, "*curves n"]) -> Float[np.ndarray, "*curves n"]:
    return values - values.mean(-1, keepdims=True)


def _slopes(
    centred: Float[np.ndarray, "_ rates n"], centred_y: Float[np.ndarray, "curves n"]
) -> Float[np.ndarray, "curves rates"]:
    """The scale of each basis that brings level + scale * basis nearest to y, both less their means."""
    spread = np.square(centred).sum(-1)
    along = np.matmul(centred, centred_y[:, :, None])[..., 0]
    return np.divide(along, spread, out=np.zeros(along.shape), where=spread > 0)


def _errors(
    values: Float[np.ndarray, "_ rates n"], centred_y: Float[np.ndarray, "curves n"]
) -> Float[np.ndarray, "curves rates"]:
    """The sum of squares that the best level and scale leave of y, for each basis; bases of all curves or of each."""
    centred = _centred(values)
    return np.square(centred_y[:, None] - _slopes(centred, centred_y)[..., None] * centred).sum(-1)


def miss(
    x: Real[np.ndarray, " n"], y: Real[np.ndarray, "*curves n"], outside: Bool[np.ndarray, " n"], form: Form
) -> Float[np.ndarray, "*curves"]:
    """How far the law fitted where `outside` is False lies from y where it is True: the mean absolute error."""
    return np.asarray(np.abs(foretold(x[~outside], y[..., ~outside], x[outside], form) - y[..., outside]).mean(-1))


def exponent(
    x: Real[np.ndarray, " n"], y: Real[np.ndarray, "*curves n"], outside: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, "*curves"]:
    """The exponent of the power law fitted where `outside` is False."""
    return _fits(x[~outside], y[..., ~outside], "power law")[2]


def excess(
    form: Form, x: Real[np.ndarray, " n"], y: Real[np.ndarray, "*curves n"], outside: Bool[np.ndarray, " n"]
) -> Float[np.ndarray, "*curves"]:
    """How much further this law misses the outside than a power law, in % of the fall of y from its first value."""
    further = miss(x, y, outside, form) - miss(x, y, outside, "power law")
    fall = y[..., 0] - y.min(-1)
    return np.asarray(100 * further / np.where(fall > 0, fall, np.nan))


def nearest(x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"], outside: Bool[np.ndarray, " n"]) -> Form:
    """The law that misses the outside least."""
    return min(FORMS, key=lambda form: float(miss(x, y, outside, form)))


def example(form: Form) -> Law:
    """A falling curve of this form whose power law is 1 / x, to try estimators on."""
    return {
        "power law": Law("power law", 1.0, 0.5, -1.0),
        "exponential": Law("exponential", 1.0, 0.5, -0.2),
        "logarithm": Law("logarithm", 1.0, -0.1, 0.0),
    }[form]
