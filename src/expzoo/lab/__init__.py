"""The lab: answers requests for networks from the store, and by training what is not there.

from expzoo import lab

networks = lab.train(specs)     # the one-line form for notebooks
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from expzoo.system.lazy import lazy

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab as Lab
    from expzoo.lab.lab import train as train
else:
    __getattr__, __dir__ = lazy(__name__, __file__)
