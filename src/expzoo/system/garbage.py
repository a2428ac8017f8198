"""Python's search for garbage, where it takes long and finds nothing: in imports, and at the end of a command."""

from __future__ import annotations

import atexit
import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """Inside, no garbage is searched for, which is a fifth of the time that it takes to import torch and Lightning."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def end_quickly() -> None:
    """Let this process end without a search through all that it has imported, which takes a second."""
    atexit.register(gc.freeze)
