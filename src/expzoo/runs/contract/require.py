"""The assertion of the contract suite."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from expzoo.engine.adoption.fault import Refused


def require(condition: object, why: str) -> None:
    """AssertionError with `why` unless the condition is true, with or without Python's -O."""
    if not condition:
        raise AssertionError(why)


@contextmanager
def refusals_fail() -> Iterator[None]:
    """Inside, what a proof refuses is what the plugin does not keep."""
    try:
        yield
    except Refused as refused:
        raise AssertionError(refused.fault.why) from None
