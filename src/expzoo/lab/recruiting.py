"""When more processes are worth their start: judged by how training goes, which no bit of a network depends on."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from expzoo.lab.progress import Progress
    from expzoo.lab.workers import Workers

PATIENCE_SECONDS = 2.0  # of training, by which the rest is judged
WORTH_SECONDS = 15.0  # of training left: a process takes five to start (LOG.md)


class Recruiter:
    """A display that passes on what it is told, and starts `workers` once enough is left for them to do."""

    def __init__(self, workers: Workers, shown: Progress) -> None:
        self._workers, self._shown = workers, shown
        self._begin, self._steps, self._done = 0.0, 0, 0

    def start(self, networks: int, steps: int) -> None:
        """Begin to watch."""
        self._begin, self._steps, self._done = time.monotonic(), steps, 0
        self._shown.start(networks, steps)

    def advance(self, networks: int, steps: int, spared: int) -> None:
        """Judge what is left by what was done."""
        self._done += steps
        self._steps -= spared
        self._shown.advance(networks, steps, spared)
        taken = time.monotonic() - self._begin
        if self._done and taken > PATIENCE_SECONDS:
            left = taken / self._done * (self._steps - self._done)
            if left > WORTH_SECONDS:
                self._workers.begin()

    def stopping(self) -> None:
        """Pass it on."""
        self._shown.stopping()

    def finish(self) -> None:
        """Nothing is left to do."""
        self._workers.withdraw()
        self._shown.finish()
