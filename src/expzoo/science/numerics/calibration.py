"""Calibration: one temperature by maximum likelihood, and how far confidence and accuracy are apart.

Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks" (arXiv 1706.04599),
sections 2 and 4.2. Logits are float64, labels int64; calibration errors are in percent.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from jaxtyping import Float, Int

HOTTEST = 100.0  # the temperature is sought between 1 / HOTTEST and HOTTEST
BINS = 15  # Guo et al. 2017, table 1


def log_softmax(
    logits: Float[np.ndarray, "*axes classes"], temperature: float = 1.0
) -> Float[np.ndarray, "*axes classes"]:
    """Log-probabilities of logits over a temperature, along the last axis, in float64."""
    scaled = np.asarray(logits, np.float64) / temperature
    scaled = scaled - scaled.max(-1, keepdims=True)
    return scaled - np.log(np.exp(scaled).sum(-1, keepdims=True))


def nll(log_probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]) -> float:
    """Mean negative log-likelihood of labels in nats."""
    return float(-np.take_along_axis(log_probabilities, labels[:, None], 1).mean())


def brier(log_probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]) -> float:
    """Mean squared distance of the probabilities from the one-hot labels, from 0 to 2 (Brier 1950)."""
    distance = np.exp(log_probabilities)
    distance[np.arange(len(labels)), labels] -= 1
    return float(np.square(distance).sum(1).mean())


def fit_temperature(logits: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]) -> float:
    """The temperature T with the highest likelihood of softmax(logits / T), from 0.01 to 100.

    Newton's method for log T with bisection where it would leave the bracket: the likelihood is
    concave in 1 / T, so in log T it has one maximum. Without a maximum inside (labels that the
    logits separate), the nearer bound.

    Raises:
        ValueError: there is no example, or shapes do not fit.
    """
    logits = _checked(logits, labels)
    low, high = -math.log(HOTTEST), math.log(HOTTEST)
    if _slope(logits, labels, low)[0] >= 0:
        return math.exp(low)
    if _slope(logits, labels, high)[0] <= 0:
        return math.exp(high)
    log_t = 0.0
    for _ in range(100):
        slope, curvature = _slope(logits, labels, log_t)
        low, high = (log_t, high) if slope < 0 else (low, log_t)
        step = log_t - slope / curvature if curvature > 0 else math.inf
        after = step if low < step < high else (low + high) / 2
        if abs(after - log_t) < 1e-12:
            break
        log_t = after
    return math.exp(log_t)


def _slope(
    logits: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], log_temperature: float
) -> tuple[float, float]:
    """First and second derivative of the mean NLL with respect to log T."""
    beta = math.exp(-log_temperature)
    probabilities = np.exp(log_softmax(logits * beta))
    mean = (probabilities * logits).sum(1)
    variance = (probabilities * np.square(logits)).sum(1) - np.square(mean)
    excess = float((mean - logits[np.arange(len(labels)), labels]).mean())  # d NLL / d beta
    return -beta * excess, beta * excess + beta**2 * float(variance.mean())


def temperature_by_search(logits: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]) -> float:
    """As `fit_temperature`, independently: SciPy's bounded search for the least NLL, no derivative in it."""
    from scipy.optimize import minimize_scalar

    bound = math.log(HOTTEST)
    found = minimize_scalar(
        lambda log_t: nll(log_softmax(logits, math.exp(log_t)), labels),
        bounds=(-bound, bound),
        method="bounded",
        options={"xatol": 1e-9},
    )
    return math.exp(float(found.x))


def _checked(logits: np.ndarray, labels: np.ndarray) -> np.ndarray:
    logits = np.asarray(logits, np.float64)
    if logits.ndim != 2 or logits.shape[:1] != np.shape(labels) or not len(logits):
        raise ValueError(f"logits of shape {logits.shape} and labels of shape {np.shape(labels)} are no examples")
    return logits


@dataclass(frozen=True)
class Reliability:
    """How often (n examples) predictions of a bin's confidence were right; empty bins are NaN."""

    count: Float[np.ndarray, " bins"]
    confidence: Float[np.ndarray, " bins"]
    accuracy: Float[np.ndarray, " bins"]

    @property
    def error(self) -> float:
        """The expected calibration error in percent: gaps weighted by examples (Guo et al. 2017, eq. 3)."""
        gaps = np.nan_to_num(np.abs(self.accuracy - self.confidence))
        return float(100.0 * (self.count * gaps).sum() / self.count.sum())


def reliability(confidence: Float[np.ndarray, " n"], correct: Float[np.ndarray, " n"], bins: int = BINS) -> Reliability:
    """By bins ((i - 1) / m, i / m] of equal width: a confidence of 1.0 falls into the last."""
    bin_of = np.clip(np.ceil(confidence * bins).astype(np.int64), 1, bins) - 1
    return _binned(confidence, correct, bin_of, bins)


def reliability_by_mass(
    confidence: Float[np.ndarray, " n"], correct: Float[np.ndarray, " n"], bins: int = BINS
) -> Reliability:
    """By bins with equal numbers of examples, or one fewer (Nguyen & O'Connor 2015); ties go by their order."""
    bin_of = np.empty(len(confidence), np.int64)
    bin_of[np.argsort(confidence, kind="stable")] = np.arange(len(confidence)) * bins // len(confidence)
    return _binned(confidence, correct, bin_of, bins)


def _binned(
    confidence: Float[np.ndarray, " n"], correct: Float[np.ndarray, " n"], bin_of: Int[np.ndarray, " n"], bins: int
) -> Reliability:
    count = np.bincount(bin_of, minlength=bins).astype(np.float64)
    with np.errstate(invalid="ignore"):
        sums = [np.bincount(bin_of, weights=values, minlength=bins) / count for values in (confidence, correct)]
    return Reliability(count, *sums)


def predicted(
    log_probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]]:
    """Confidence of the predicted class and whether it is the right one, as 0 and 1."""
    probabilities = np.exp(log_probabilities)
    return probabilities.max(1), (probabilities.argmax(1) == labels).astype(np.float64)


def ece(log_probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], bins: int = BINS) -> float:
    """Expected calibration error with bins of equal width, in percent."""
    return reliability(*predicted(log_probabilities, labels), bins).error


def ece_by_mass(
    log_probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], bins: int = BINS
) -> float:
    """Expected calibration error with bins of equal numbers of examples, in percent."""
    return reliability_by_mass(*predicted(log_probabilities, labels), bins).error


def ece_class_wise(
    log_probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], bins: int = BINS
) -> float:
    """The mean over classes of the calibration error of that class's probability, in percent.

    Kull et al. 2019, "Beyond temperature scaling", eq. 3: each class against the rest, bins of equal width.
    """
    probabilities = np.exp(log_probabilities)
    classes = range(probabilities.shape[1])
    return float(np.mean([reliability(probabilities[:, k], (labels == k) * 1.0, bins).error for k in classes]))


def scores(
    log_probabilities: Float[np.ndarray, "n classes"], labels: Int[np.ndarray, " n"], bins: int = BINS
) -> dict[str, float]:
    """Everything that is measured of predictions: accuracy (%), nll, brier and the three calibration errors (%)."""
    _, correct = predicted(log_probabilities, labels)
    return {
        "accuracy": float(100 * correct.mean()),
        "nll": nll(log_probabilities, labels),
        "brier": brier(log_probabilities, labels),
        "ece": ece(log_probabilities, labels, bins),
        "ece_by_mass": ece_by_mass(log_probabilities, labels, bins),
        "ece_class_wise": ece_class_wise(log_probabilities, labels, bins),
    }
