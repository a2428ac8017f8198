"""How ratios are decided: a geometric mean, whose outliers, failures and numbers needed are those of logarithms."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from expzoo.analysis.studies.contrast import judging
from expzoo.science.claims import Claim, Pairs, decide
from expzoo.science.statistics import mean_t

if TYPE_CHECKING:
    from expzoo.science.verdicts import Verdict

RATIOS = np.array([1.9, 2.0, 2.1, 2.0, 1.95, 2.05, 2.0, 3.0])  # the last is further from 1 than the others are
ABOVE, BELOW = Claim("zoo.ratio", "", "", "", "times", 0.0, "greater", "paired t", reference=1.0), 1 / RATIOS


def _said(claim: Claim, ratios: np.ndarray, dropped: int = 0) -> Verdict:
    logs = dict(enumerate(np.log(ratios).tolist()))
    pairs = Pairs(replace(claim, reference=0.0, smallest_effect=0.0), logs, dict.fromkeys(logs, 0.0))
    return decide(claim, judging._ratio(pairs, level=0.95), dropped=dropped)


@pytest.mark.parametrize("factor", [0.5, 1.0, 10.0, 1e6])
def test_ratios_are_judged_alike_in_any_unit_and_upside_down(factor: float) -> None:
    """An outlier that says what the others say decides nothing, whatever the ratio is compared with."""
    claim = replace(ABOVE, reference=factor)
    said = _said(claim, factor * RATIOS)
    assert (said.verdict, said.n_needed) == ("supported", None)
    assert f"outlying units: {3 * factor:.3g} of 8" in said.note
    assert _said(replace(claim, direction="less", reference=1 / factor), BELOW / factor).verdict == "supported"
    assert _said(claim, factor * BELOW).verdict == "not supported"
    fewer = _said(claim, factor * np.concatenate([RATIOS, RATIOS]), dropped=1)
    assert fewer.verdict == "supported"


def test_an_outlier_that_decides_a_ratio_is_found() -> None:
    """Without it the others straddle the bound; eight signs of them are no evidence."""
    others = np.array([0.95, 1.03, 1.0, 1.04, 0.98, 1.05, 1.02, 0.99, 1.0, 1.02])
    said = _said(replace(ABOVE, reference=0.99), np.append(others, 1.3))
    assert said.verdict == "inconclusive"
    assert not math.isnan(said.interval[0])


def test_what_settles_a_ratio_is_asked_of_its_logarithms() -> None:
    ratios = np.array([0.7, 1.5, 1.1, 1.3, 0.9, 1.2, 1.4, 0.8])
    said = _said(ABOVE, ratios)
    logs = decide(replace(ABOVE, reference=0.0, rule="one-sample t"), mean_t(np.log(ratios), level=0.95))
    assert (said.verdict, said.n_needed) == ("inconclusive", logs.n_needed)
    assert logs.n_needed
