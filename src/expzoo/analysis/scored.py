"""Claims about accuracy, asked by the score that the data have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expzoo.science.claims import Claim
    from expzoo.spec.score import Score

ACCURACY = "accuracy"


def by(claim: Claim, score: Score) -> Claim:
    """A claim about accuracy in percentage points as a claim about this score; the claim itself if it is accuracy.

    Its effect is in the score's unit, and positive where `gains` are. A smallest effect in points
    says nothing of a score that is no percentage: it is 0 there.
    """
    if score.metric == ACCURACY:
        return claim
    told = f"{claim.statement.removesuffix('.')}, by {score.words}."
    smallest = claim.smallest_effect if score.unit == "%" else 0.0
    return replace(claim, statement=told, unit=score.points or score.words, smallest_effect=smallest)


def gains(values: Mapping[int, float], score: Score) -> dict[int, float]:
    """Values by seed with the sign by which more is better."""
    return {seed: score.better(value, 0.0) for seed, value in values.items()}
