"""The sums of float_order beside IEEE 754 by whole numbers, and beside a loop of additions."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from expzoo.analysis.studies.reproducibility import sums
from expzoo.system.randomness import permutation


def rounded(value: Fraction) -> Fraction:
    """The nearest number of 24 bits, ties to even: single precision by its definition."""
    if not value:
        return value
    exponent = 0
    while abs(value) / Fraction(2) ** exponent >= 2**24:
        exponent += 1
    while abs(value) / Fraction(2) ** exponent < 2**23:
        exponent -= 1
    return Fraction(round(value / Fraction(2) ** exponent)) * Fraction(2) ** exponent


@pytest.mark.parametrize("x", [sums.SMALL, sums.UNCHANGED, sums.BOTH, 3e-8, 5.9e-8])
def test_the_four_sums_are_those_of_the_standard(x):
    a, z = rounded(Fraction(x)), rounded(Fraction(1))
    first, second = rounded(rounded(a + a) + z), rounded(rounded(z + a) + a)
    expected = (first, second, first, rounded(a + rounded(a + z)))
    assert tuple(Fraction(value) for value in sums.by_numpy(x)) == expected
    assert sums.by_torch(x) == sums.by_numpy(x)


def test_the_documents_numbers():
    assert tuple(f"{value:.9g}" for value in sums.by_numpy()) == tuple(f"{value:.9g}" for value in sums.EXPECTED)


def test_the_documents_program(not_run):
    found = sums.by_c()
    if found is None:
        not_run("needs a C compiler")
    assert found == sums.EXPECTED


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_in_orders_are_those_of_a_loop(dtype):
    values = sums.terms(3, 50)
    found = [pair[dtype is np.float64] for pair in sums.in_orders(values, 3, 4)]
    for number, seen in enumerate(found):
        order = permutation(3, "order of summands", number, 50) if number else range(50)
        total = dtype(0)
        for index in order:
            total = dtype(total + dtype(values[index]))
        assert float(total) == seen


def test_whole_numbers_have_one_sum():
    assert len(set(sums.in_orders(sums.whole(1, 5000), 1, 20))) == 1
