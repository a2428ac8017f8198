"""The lab: answers requests for networks from the store, and by training what is not there.

from expzoo import lab

networks = lab.train(specs)     # the one-line form for notebooks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from expzoo.lab.lab import Lab, train

__all__ = ["Lab", "train"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from expzoo.lab import lab

        return getattr(lab, name)
    raise AttributeError(f"module 'expzoo.lab' has no attribute {name!r}")
