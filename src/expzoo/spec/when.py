"""When something is looked at: small frozen values that name steps and events."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class When:
    """Some steps of a training of known length, besides its end."""

    def steps(self, total: int) -> frozenset[int]:
        """The steps from 0 to `total`, after so many updates."""
        return frozenset()


@dataclass(frozen=True)
class End(When):
    """Only the end."""


END = End()


@dataclass(frozen=True)
class Every(When):
    """Every `period` steps, the start included."""

    period: int

    def steps(self, total: int) -> frozenset[int]:
        return frozenset(range(0, total + 1, self.period))


@dataclass(frozen=True)
class At(When):
    """These steps."""

    at: tuple[int, ...]

    def steps(self, total: int) -> frozenset[int]:
        return frozenset(step for step in self.at if step <= total)


@dataclass(frozen=True)
class LogSpaced(When):
    """About `count` steps at equal ratios, the start and the end included."""

    count: int

    def steps(self, total: int) -> frozenset[int]:
        points = (round(total ** (i / (self.count - 1))) for i in range(self.count)) if self.count > 1 else ()
        return frozenset({0, *points})


def every(period: int) -> When:
    """Every `period` steps, the start included; ValueError for a period below 1."""
    if period < 1:
        raise ValueError(f"a period of {period} steps: it must be at least 1")
    return Every(period)


def at(*steps: int) -> When:
    """At these steps; ValueError for one below 0."""
    if any(step < 0 for step in steps):
        raise ValueError(f"steps {list(steps)}: none can be below 0")
    return At(steps)


def log_spaced(count: int) -> When:
    """About `count` steps at equal ratios."""
    return LogSpaced(count)


def boundaries(total: int, start: int, due: frozenset[int], longest: int) -> list[tuple[int, int]]:
    """Cut start..total into stretches that end at every due step and are at most `longest` steps long."""
    cuts = sorted({start, total, *(step for step in due if start < step < total)})
    stretches = []
    for low, high in itertools.pairwise(cuts):
        pieces = math.ceil((high - low) / longest)
        edges = [low + (high - low) * piece // pieces for piece in range(pieces + 1)]
        stretches += list(itertools.pairwise(edges))
    return stretches
