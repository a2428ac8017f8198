"""Tests empirical claims about deep learning: one command, statistics, a figure and a verdict.

    import expzoo

    cfg = expzoo.compose("+experiment=lottery_ticket", "budget=smoke")
    result = expzoo.run(cfg)                                 # result.verdicts, .records, .figures, .report
    data = expzoo.build("dataset", "mnist1d")                # data.train.x, data.test.y
    networks = expzoo.train([expzoo.Spec.from_config(cfg, seed) for seed in range(8)])
    expzoo.available("model")

Nothing heavy is imported until it is used, so that the command line stays quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.system.lazy import lazy

if TYPE_CHECKING:
    from expzoo.api import Result as Result
    from expzoo.api import available as available
    from expzoo.api import build as build
    from expzoo.api import compose as compose
    from expzoo.api import open_run as open_run
    from expzoo.api import run as run
    from expzoo.lab.lab import train as train
    from expzoo.spec.spec import Spec as Spec
    from expzoo.system.version import __version__ as __version__
else:
    __getattr__, __dir__ = lazy(__name__, __file__)
