"""Tests empirical claims about deep learning: one command, statistics, a figure and a verdict.

    from expzoo.registry import build, register
    from expzoo.options import Count, Fraction, Range

Nothing heavy is imported here, so that the command line stays quick.
"""

from __future__ import annotations

from typing import Any


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("expzoo")
    raise AttributeError(f"module 'expzoo' has no attribute {name!r}")
