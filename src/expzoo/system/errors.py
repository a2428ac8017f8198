"""The errors a user is meant to read, and the nearest valid name for one that is not."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


class BadInput(ValueError):
    """What was asked for is impossible; the message has one line for each fault. Exit code 2."""


class Unfit(BadInput):
    """An analysis does not fit the experiment's other parts: beside others it is left out, alone it is refused."""


class PluginError(RuntimeError):
    """A plugin raised while it was imported, constructed or used; its own exception is the cause. Exit code 1."""

    def __init__(self, plugin: str, file: Path, when: str) -> None:
        super().__init__(f"{plugin} ({file}) raised while it was {when}")
        self.file = file


def first_line(error: BaseException | None) -> str:
    """The first line of what an exception says, or its type where it says nothing."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def closest(name: str, known: Iterable[str]) -> str | None:
    """The valid name that looks most like `name`, if any does."""
    from difflib import get_close_matches

    return next(iter(get_close_matches(name, sorted(set(known)), n=1)), None)


def nearest(name: str, known: Iterable[str]) -> str:
    """A hint to the reader: the valid name that looks most like `name`, or else all of them."""
    names = sorted(set(known))
    if close := closest(name, names):
        return f"did you mean {close}?"
    return f"known: {', '.join(names)}" if names else "there are none"
