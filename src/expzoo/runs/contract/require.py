"""The assertion of the contract suite."""

from __future__ import annotations


def require(condition: object, why: str) -> None:
    """AssertionError with `why` unless the condition is true, with or without Python's -O."""
    if not condition:
        raise AssertionError(why)
