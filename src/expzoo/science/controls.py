"""Controls: questions asked of the estimator of a claim whose right answers are known.

What training could make fail is a control (two arms that differ by chance alone, labels permuted,
no sign flipped); what only a fault of the code could is a self-test (a made curve of known shape).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

import numpy as np

from expzoo.science.power import POWER, detectable, detectable_difference
from expzoo.science.statistics import Estimate, newcombe, pair_on_seed, paired_t

CONTROL_LEVEL = 0.99
"""Of the interval that a known answer must lie in: one sound verdict in a hundred is withheld.

At 99.9 % a bias of two standard deviations would pass three controls in four of six seeds each.
"""


class Estimator(Protocol):
    """Estimates one effect at any level, such as `functools.partial(paired_t, treatment, baseline)`."""

    def __call__(self, *, level: float) -> Estimate:
        """The estimate with an interval at this level."""
        ...


@dataclass(frozen=True)
class Control:
    """A question asked of the same estimator whose right answer is known. If it fails, no verdict is given."""

    name: str
    passed: bool
    detail: str = ""

    def __str__(self) -> str:
        return f"{self.name}: {'passed' if self.passed else 'failed'}{self.detail and f' ({self.detail})'}"


class SelfTest(Control):
    """A control of the estimator alone: made input, which no training could make fail."""


def known_answer(
    name: str, measure: Estimator, expected: float = 0.0, *, level: float = CONTROL_LEVEL, kind: type[Control] = Control
) -> Control:
    """A control, or a self-test, that passes if the interval covers the expected effect.

    It says which bias it would have found.

    Its level is high, since a control at 95 % would withhold one sound verdict in twenty.
    """
    estimate = measure(level=level)
    found = f"{100 * level:g} % interval {estimate.low:.4g} to {estimate.high:.4g}"
    seen = f"expected {expected:g}, {f'found {estimate.effect:.4g}' if math.isnan(estimate.low) else found}"
    covered = estimate.low <= expected <= estimate.high
    if estimate.values and estimate.high > estimate.low:
        bias = detectable(estimate.n, level) * float(np.std(estimate.values, ddof=1))
        told = f"{math.exp(bias):.3g} times" if estimate.geometric else f"{bias:.3g}"
        seen += f"; a bias of {told} is found with {POWER:.0%} power"
    elif len(estimate.counts) == 2:
        seen += _difference_found(*estimate.counts, level)
    return kind(name, covered or estimate.effect == expected, seen)  # equal without any spread has no interval


def no_difference(name: str, treatment: Mapping[int, float], baseline: Mapping[int, float]) -> Control:
    """The control that two arms which differ by chance alone do not differ, paired on the seed like the claims."""
    first, second, _ = pair_on_seed(treatment, baseline)
    return known_answer(name, partial(paired_t, first, second))


def same_rate(name: str, outcomes: Mapping[int, float]) -> Control:
    """The control that every second seed of one arm succeeds (1, else 0) as often as the others do.

    They are one arm from other starts, whose rates differ by chance alone.
    """
    values = np.array([outcomes[seed] for seed in sorted(outcomes)])
    (a, n), (b, k) = ((int((half == 1).sum()), len(half)) for half in (values[::2], values[1::2]))
    return known_answer(name, lambda *, level: newcombe((a, b), (n, k), level=level).scaled(100))


def _difference_found(first: tuple[int, int], second: tuple[int, int], level: float) -> str:
    """Which difference of two rates, each successes of trials, a control at this level would find."""
    (a, n), (b, k) = first, second
    found = detectable_difference((a + b) / (n + k), (n, k), level) if n and k else math.nan
    if not math.isfinite(found):
        return f"; not even none against all is found with {POWER:.0%} power"
    return f"; a difference of {100 * found:.0f} points is found with {POWER:.0%} power"
