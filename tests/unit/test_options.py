"""What an option accepts, what it refuses, and the words for it."""

from __future__ import annotations

import math
import re
from contextlib import suppress
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expzoo.config.options import (
    Count,
    Fraction,
    Natural,
    NonNegative,
    Positive,
    Range,
    convert,
    one_of,
    show,
    storable,
)

ACCEPTED = [
    (int, 3, 3),
    (float, 3, 3.0),
    (float, 0.5, 0.5),
    (bool, True, True),
    (str, "", ""),
    (Count, 1, 1),
    (Natural, 0, 0),
    (Fraction, 1, 1.0),
    (Positive, 1e-300, 1e-300),
    (NonNegative, 0, 0.0),
    (Annotated[int, Range(1, 64)], 64, 64),
    (Literal["a", 2], 2, 2),
    (one_of("a", "b"), "b", "b"),
    (Count | None, None, None),
    (int | str, "x", "x"),
    (int | float, 3, 3),
    (tuple[int, ...], [1, 2], (1, 2)),
    (tuple[int, float], [1, 2], (1, 2.0)),
    (tuple[()] | None, None, None),
    (list[Fraction], (0, 1), [0.0, 1.0]),
    (list[tuple[int, ...]], [[1], []], [(1,), ()]),
]

REFUSED = [
    (int, 3.0, "must be a whole number, not 3.0"),
    (int, True, "must be a whole number, not true"),
    (int, "3", "must be a whole number, not '3'"),
    (int, 2**63, f"must be a whole number, not {2**63}"),
    (float, "abc", "must be a number, not 'abc'"),
    (float, True, "must be a number, not true"),
    (float, math.nan, "must be a number, not nan"),
    (float, math.inf, "must be a number, not inf"),
    (float, 10**400, "must be a number, not " + f"{10**400}"[:57] + "..."),
    (bool, 1, "must be true or false, not 1"),
    (bool, "yes", "must be true or false, not 'yes'"),
    (str, 1, "must be text, not 1"),
    (Count, 0, "must be a whole number at least 1, not 0"),
    (Natural, -1, "must be a whole number at least 0, not -1"),
    (Fraction, 1.01, "must be a number from 0 to 1, not 1.01"),
    (Positive, 0, "must be a number above 0, not 0"),
    (Annotated[int, Range(1, 64)], 65, "must be a whole number from 1 to 64, not 65"),
    (Annotated[float, Range(0, 1, high_open=True)], 1, "must be a number from 0 to below 1, not 1"),
    (Annotated[float, Range(0, 1, low_open=True, high_open=True)], 0, "must be a number above 0 and below 1, not 0"),
    (Annotated[int, Range(high=4)], 5, "must be a whole number at most 4, not 5"),
    (Literal["a", "b"], "c", "must be one of a, b, not 'c'"),
    (Literal[1], True, "must be 1, not true"),
    (Count | None, 0, "must be a whole number at least 1 or null, not 0"),
    (tuple[int, ...], 3, "must be a list, each item a whole number, not 3"),
    (tuple[int, ...], [1, "x"], "must be a list, each item a whole number, not [1, 'x']"),
    (tuple[int, float], [1], "must be a list of a whole number and a number, not [1]"),
    (list[Fraction], [2], "must be a list, each item a number from 0 to 1, not [2]"),
    (list[int], {"a": 1}, "must be a list, each item a whole number, not {'a': 1}"),
    (int, None, "must be a whole number, not null"),
]


@pytest.mark.parametrize(("kind", "value", "expected"), ACCEPTED)
def test_accepts(kind: Any, value: Any, expected: Any) -> None:
    converted = convert(kind, value)
    assert converted == expected
    assert type(converted) is type(expected)


@pytest.mark.parametrize(("kind", "value", "message"), REFUSED)
def test_refuses_in_plain_words(kind: Any, value: Any, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        convert(kind, value)


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5), st.lists, max_leaves=6
)


@given(st.sampled_from([kind for kind, *_ in ACCEPTED]), VALUES)
def test_what_is_accepted_survives_storing(kind: Any, value: Any) -> None:
    with suppress(ValueError):
        converted = convert(kind, value)
        assert convert(kind, storable(converted)) == converted


@given(st.floats(allow_nan=False), st.floats(allow_nan=False), st.booleans(), st.booleans(), st.floats())
def test_a_range_is_an_interval(low: float, high: float, low_open: bool, high_open: bool, value: float) -> None:
    inside = not math.isnan(value) and low <= value <= high
    if (low_open and value == low) or (high_open and value == high):
        inside = False
    assert (value in Range(low, high, low_open=low_open, high_open=high_open)) == inside


def test_negative_zero_is_zero() -> None:
    assert math.copysign(1, convert(float, -0.0)) == 1


def test_a_value_is_shown_in_one_short_line() -> None:
    assert show("x" * 1000) == "'" + "x" * 56 + "..."
    assert show((1, (2,))) == "[1, [2]]"
