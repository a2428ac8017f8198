"""When something is looked at, and how training is cut so that it can be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from expzoo.spec.when import END, At, When, at, boundaries, every, log_spaced


def test_the_end_alone_is_no_step():
    assert END.steps(100) == When().steps(100) == frozenset()


@pytest.mark.parametrize(
    ("period", "total", "steps"),
    [(1, 3, {0, 1, 2, 3}), (50, 100, {0, 50, 100}), (40, 100, {0, 40, 80}), (200, 100, {0}), (7, 0, {0})],
)
def test_every_period_starts_at_zero(period, total, steps):
    assert every(period).steps(total) == steps


@pytest.mark.parametrize("period", [0, -1])
def test_a_period_below_one_is_refused(period):
    with pytest.raises(ValueError, match=f"a period of {period} steps"):
        every(period)


def test_given_steps_beyond_the_end_are_left_out():
    assert at(0, 10, 100, 101).steps(100) == {0, 10, 100}
    assert at().steps(100) == frozenset()


@pytest.mark.parametrize("count", [2, 3, 5, 30])
@pytest.mark.parametrize("total", [1, 10, 1500])
def test_log_spaced_steps_have_equal_ratios_between_their_ends(count, total):
    steps = sorted(log_spaced(count).steps(total))
    assert {0, 1, total} <= set(steps)
    assert len(steps) <= count + 1
    ratio = total ** (1 / (count - 1))
    for step in steps[1:]:
        assert min(abs(step - ratio**power) for power in range(count)) <= 0.5 + 1e-9


def test_equal_values_are_one_value():
    assert every(5) == every(5) != every(6)
    assert len({at(1, 2), at(1, 2), At((1, 2)), log_spaced(3), END}) == 3


due_steps = st.frozensets(st.integers(-5, 400), max_size=20)


@given(total=st.integers(0, 300), begun=st.floats(0, 1), due=due_steps, longest=st.integers(1, 60))
def test_stretches_cover_everything_once_and_end_at_every_due_step(total, begun, due, longest):
    start = round(begun * total)
    stretches = boundaries(total, start, due, longest)
    covered = [step for low, high in stretches for step in range(low, high)]
    assert covered == list(range(start, total))
    assert all(0 < high - low <= longest for low, high in stretches)
    assert {step for step in due if start < step <= total} - {total} <= {high for _, high in stretches}


@given(total=st.integers(1, 300), due=due_steps, longest=st.integers(1, 60))
def test_a_resumed_training_ends_its_stretches_at_the_same_due_steps(total, due, longest):
    whole = {high for _, high in boundaries(total, 0, due, longest)}
    for start in sorted(whole)[:3]:
        rest = {high for _, high in boundaries(total, start, due, longest)}
        assert {step for step in due if start < step < total} <= rest


def test_stretches_of_one_gap_are_nearly_equal():
    assert boundaries(100, 0, frozenset(), 30) == [(0, 25), (25, 50), (50, 75), (75, 100)]
    assert boundaries(10, 0, frozenset({3}), 50) == [(0, 3), (3, 10)]
    assert boundaries(10, 10, frozenset({3}), 50) == []
