"""Tests empirical claims about deep learning: one command, statistics, a figure and a verdict.

    import expzoo

    cfg = expzoo.compose("+experiment=lottery_ticket", "budget=smoke")
    result = expzoo.run(cfg)                                 # result.verdicts, .records, .figures, .report
    data = expzoo.build("dataset", "mnist1d")                # data.train.x, data.test.y
    expzoo.available("model")

Nothing heavy is imported until it is used, so that the command line stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expzoo.api import Result, available, build, compose, open_run, run

__all__ = ["Result", "available", "build", "compose", "open_run", "run"]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("expzoo")
    if name in __all__:
        from expzoo import api

        return getattr(api, name)
    raise AttributeError(f"module 'expzoo' has no attribute {name!r}")
