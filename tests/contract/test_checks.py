"""tests/CHECKS.md names every check, and the tests that are marked with it."""

from __future__ import annotations

from tests import checks


def test_every_check_has_a_test_or_a_reason() -> None:
    counts = {"R": 22, "S": 15, "D": 15}
    assert [*checks.CHECKS] == [f"{kind}{number}" for kind, most in counts.items() for number in range(1, most + 1)]
    assert checks.marked().keys() <= checks.CHECKS.keys()
    assert checks.CHECKS.keys() - checks.marked().keys() == checks.WHY_NOT.keys()


def test_the_table_is_of_these_tests() -> None:
    """`python -m tests.checks` writes it anew."""
    told = checks.rows()
    assert [*told] == [*checks.CHECKS]
    for check, line in told.items():
        named = line.strip("| ").split(" | ")[3:]
        assert (named[0].replace("`", "").split(", ") if named else []) == checks.marked().get(check, []), check
