"""How a command or a job ended: the exit codes, and what was said."""

from __future__ import annotations

from dataclasses import dataclass

DONE, FAILED, BAD_INPUT, PARTIAL, INTERRUPTED = 0, 1, 2, 3, 75


@dataclass(frozen=True)
class Outcome:
    """How a job ended: its exit code, and what was said about it if it did not end well.

    `kept` is what files may say of it: what an exception of somebody's code says may hold secrets, so
    that is its type and place.
    """

    code: int
    said: str = ""
    kept: str = ""
