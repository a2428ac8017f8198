"""The search for the smallest size that fits, and exponents, where the answer is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from expzoo.analysis.studies.interpolation_threshold import Search, exponents


@pytest.mark.parametrize("truth", [3, 17, 50, 99, 100])
def test_bisection_finds_the_smallest_size_that_fits(truth: int) -> None:
    search = Search({size: size >= truth for size in (2, 10, 40, 100)})
    while (size := search.next()) is not None:
        search.fits[size] = size >= truth
    assert search.threshold() == truth


def test_a_grid_that_holds_no_threshold_says_so() -> None:
    assert Search({2: False, 8: False}).threshold() is None
    assert Search({2: True, 8: True}).threshold() is None
    assert Search().next() is None


def test_exponents_are_those_that_made_the_cells() -> None:
    cells = {(n, k): 3.0 * n**0.8 * k**0.3 for n in (100, 200, 800) for k in (2, 5, 10)}
    assert exponents(cells) == pytest.approx((0.8, 0.3))


def test_a_missing_cell_gives_none_and_one_number_of_classes_no_exponent_of_it() -> None:
    cells = {(n, k): float(n) for n in (100, 200) for k in (2, 5)}
    assert all(map(math.isnan, exponents(cells | {(200, 5): math.nan})))
    b, c = exponents({(n, 2): float(n) for n in (100, 200, 400)})
    assert (b, math.isnan(c)) == (pytest.approx(1.0), True)
    assert not np.isnan(exponents(cells)).any()
