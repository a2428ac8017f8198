"""Controls: questions asked of the estimator of a claim whose right answers are known."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from expzoo.science.statistics import Estimate, pair_on_seed, paired_t


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


def known_answer(name: str, measure: Estimator, expected: float = 0.0, *, level: float = 0.999) -> Control:
    """A control that passes if the interval covers the expected effect.

    Its level is high, since a control at 95 % would withhold one sound verdict in twenty.
    """
    estimate = measure(level=level)
    found = f"{100 * level:g} % interval {estimate.low:.4g} to {estimate.high:.4g}"
    seen = f"expected {expected:g}, {f'found {estimate.effect:.4g}' if math.isnan(estimate.low) else found}"
    covered = estimate.low <= expected <= estimate.high
    return Control(name, covered or estimate.effect == expected, seen)  # equal without any spread has no interval


def no_difference(name: str, treatment: Mapping[int, float], baseline: Mapping[int, float]) -> Control:
    """The control that two arms which differ by chance alone do not differ, paired on the seed like the claims."""
    first, second, _ = pair_on_seed(treatment, baseline)
    return known_answer(name, partial(paired_t, first, second))
