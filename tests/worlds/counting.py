"""How many draws it takes to say whether a rule errs too often: a sequential test of a rate."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

ALLOWED, TOO_OFTEN = 0.05, 0.12
ERRS = 0.001  # how likely a rule that errs in 5 % of draws is called one that errs more often
MISSES = 0.05  # how likely one that errs in 12 % is let through
MOST = 400  # draws; undecided after them, a rule is judged by the nearer of the two rates


@dataclass(frozen=True)
class Count:
    """How often something happened, in how many draws, and whether that is too often."""

    happened: int
    draws: int
    too_often: bool

    @property
    def percent(self) -> float:
        """The share of draws, in per cent."""
        return 100 * self.happened / self.draws

    def __str__(self) -> str:
        return f"{self.percent:.1f} % of {self.draws}"


def at_most(happens: Callable[[int], bool], most: int = MOST) -> Count:
    """Wald's (1945) test of a rate of 5 % against one of 12 %: draws until one of them is refuted."""
    reject, accept = math.log((1 - MISSES) / ERRS), math.log(MISSES / (1 - ERRS))
    if_so, if_not = math.log(TOO_OFTEN / ALLOWED), math.log((1 - TOO_OFTEN) / (1 - ALLOWED))
    evidence, happened = 0.0, 0
    for number in range(most):
        once = happens(number)
        happened += once
        evidence += if_so if once else if_not
        if not accept < evidence < reject:
            return Count(happened, number + 1, evidence >= reject)
    return Count(happened, most, evidence > (accept + reject) / 2)
