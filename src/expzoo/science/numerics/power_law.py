"""Power laws c + b x^a and what else could have made such a curve, fitted by least squares.

Every law is linear in c and b once its exponent or rate is known, so a fit is a search over one
number: there is no starting point that could decide it. Small curves of few parameters always fit;
only what lies outside the fitted range tells laws apart, which is why `Law.__call__` extrapolates.
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
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    basis, bounds = _BASES[form]
    if len(x) != len(y) or len(x) < (3 if bounds else 2) or not (np.isfinite(y).all() and (x > 0).all()):
        raise ValueError(f"{len(x)} points x {x} and values {y} do not determine a {form}")

    rate = _best_rate(x, y, basis, bounds) if bounds else 0.0
    values = basis(x, rate)
    scale = float(_slopes(_centred(values[None]), y - y.mean())[0])
    return Law(form, float(y.mean() - scale * values.mean()), scale, rate)


def _best_rate(
    x: Float[np.ndarray, " n"], y: Float[np.ndarray, " n"], basis: Basis, bounds: tuple[float, float]
) -> float:
    """The rate of least error: the best of a grid of equal ratios, then of finer grids between its neighbours."""
    low, high = bounds
    rates = -np.geomspace(-low, -high, _GRID)
    centred_y = y - y.mean()
    for _ in range(_ZOOMS):
        values = basis(x, rates[:, None])
        best = int(_errors(values, centred_y).argmin())
        low, high = rates[max(best - 1, 0)], rates[min(best + 1, _GRID - 1)]
        rates = np.linspace(low, high, _GRID)
    return float((low + high) / 2)


def _centred(values: Float[np.ndarray, "rates n"]) -> Float[np.ndarray, "rates n"]:
    return values - values.mean(1, keepdims=True)


def _slopes(centred: Float[np.ndarray, "rates n"], centred_y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " rates"]:
    """The scale of each basis that brings level + scale * basis nearest to y, both less their means."""
    spread = np.square(centred).sum(1)
    return np.divide(centred @ centred_y, spread, out=np.zeros(len(centred)), where=spread > 0)


def _errors(values: Float[np.ndarray, "rates n"], centred_y: Float[np.ndarray, " n"]) -> Float[np.ndarray, " rates"]:
    """The sum of squares that the best level and scale leave of y, for each basis."""
    centred = _centred(values)
    return np.square(centred_y - _slopes(centred, centred_y)[:, None] * centred).sum(1)


def miss(x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"], outside: Bool[np.ndarray, " n"], form: Form) -> float:
    """How far the law fitted where `outside` is False lies from y where it is True: the mean absolute error."""
    law = fit(x[~outside], y[~outside], form)
    return float(np.abs(law(x[outside]) - y[outside]).mean())


def exponent(x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"], outside: Bool[np.ndarray, " n"]) -> float:
    """The exponent of the power law fitted where `outside` is False."""
    return fit(x[~outside], y[~outside]).rate


def excess(form: Form, x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"], outside: Bool[np.ndarray, " n"]) -> float:
    """How much further this law misses the outside than a power law, in % of the fall of y from its first value."""
    misses = [miss(x, y, outside, law) for law in (form, "power law")]
    fall = float(y[0] - y.min())
    return 100 * (misses[0] - misses[1]) / fall if fall > 0 else float("nan")


def nearest(x: Real[np.ndarray, " n"], y: Real[np.ndarray, " n"], outside: Bool[np.ndarray, " n"]) -> Form:
    """The law that misses the outside least."""
    return min(FORMS, key=lambda form: miss(x, y, outside, form))


def example(form: Form) -> Law:
    """A falling curve of this form whose power law is 1 / x, to try estimators on."""
    return {
        "power law": Law("power law", 1.0, 0.5, -1.0),
        "exponential": Law("exponential", 1.0, 0.5, -0.2),
        "logarithm": Law("logarithm", 1.0, -0.1, 0.0),
    }[form]
