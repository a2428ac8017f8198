"""Which models take the signals of MNIST-1D; those of images and boards have contract and oracle tests of their own."""

from __future__ import annotations

from expzoo.config.registry import available
from expzoo.spec.component import Component
from expzoo.system.errors import BadInput


def models_of_signals() -> list[str]:
    """The names of all models that map 40 positions to 10 classes."""
    return [name for name in available("model") if _takes_signals(Component.of("model", name))]


def _takes_signals(model: Component) -> bool:
    try:
        model.build((40,), 10)
    except BadInput:
        return False
    return True
