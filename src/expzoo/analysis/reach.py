"""Which claims no result could support, known from the number of seeds before anything is trained."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

from expzoo.science.claims import Claim

if TYPE_CHECKING:
    from expzoo.analysis.contract import Analysis


def out_of_reach(analysis: Analysis, seeds: int) -> list[str]:
    """The names of the claims that even a perfect result of so many seeds would not support.

    An analysis whose units are not the seeds, or whose claims are not the constants of its module,
    says it by a method of this name.
    """
    made: Any = analysis
    if hasattr(made, "out_of_reach"):
        return list(made.out_of_reach(seeds))
    held = vars(sys.modules[type(made).__module__]).values()
    return [claim.name for claim in held if isinstance(claim, Claim) and not claim.in_reach(seeds)]
